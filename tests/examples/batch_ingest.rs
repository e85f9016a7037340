//! The example `batch_ingest`, run as a user or a scheduler runs it.

use std::fmt::Write;
use std::fs;
use std::process::{Command, Output, Stdio};

use crate::support::example::{example, run};
use crate::support::folder::Folder;
use crate::support::{closed_port, wait_until};

fn ingest(folder: &Folder, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let own = folder.0.to_str().unwrap();
    let settings = [settings, &[("TMPDIR", own)]].concat();
    run("batch_ingest", folder, arguments, &settings)
}

fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn writes_the_corpus_and_later_only_the_changes() {
    let folder = Folder::new();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/corpus.jsonl");
    let input = folder.0.join("corpus.jsonl");
    fs::copy(corpus, &input).unwrap();
    let input = input.to_str().unwrap();
    let changed = ["--only-changed", input];
    let (code, out, err) = texts(&ingest(&folder, &changed, &[]));
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("168 written, 168 embedded in "), "{out}");
    let mut lines = fs::read_to_string(input).unwrap();
    lines = lines.replacen("Pluto", "The planet Pluto", 1);
    fs::write(input, lines).unwrap();
    let dry = ["--only-changed", "--dry-run", input];
    for (arguments, start) in [
        (&dry[..], "dry run: 1 written, 167 skipped"),
        (&changed, "1 written, 167 skipped"),
    ] {
        let (code, out, err) = texts(&ingest(&folder, arguments, &[]));
        assert_eq!(code, 0, "{err}");
        assert!(out.starts_with(start), "{out}");
    }
    assert!(!folder.0.join("corpus.jsonl.ckpt").exists());
}

#[test]
fn the_exit_code_shows_whether_to_retry() {
    let folder = Folder::new();
    let bad = folder.0.join("bad.jsonl");
    fs::write(
        &bad,
        "{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\n{\"id\":\"b\",\"text\":\"two\"}\n",
    )
    .unwrap();
    let bad = bad.to_str().unwrap();
    let letters = folder.0.join("letters.jsonl");
    let letters = letters.to_str().unwrap();
    let (_reserved, closed) = closed_port();
    let closed = closed.to_string();
    let away = [("CHROMA_HOST", closed.as_str()), ("MAX_RETRIES", "0")];
    for (arguments, settings, expected, words) in [
        (&["--nope"][..], &[][..], 2, "unknown option --nope"),
        (&["--concurrency", "many"], &[], 2, "many"),
        (&["--shard", "4"], &[], 2, "must look like"),
        (&["a", "b"], &[], 2, "only one input"),
        (&["no-such-file.jsonl"], &[], 1, "no-such-file.jsonl"),
        (&[], &away, 75, "cannot connect"),
        (&[bad], &[], 1, "line 2"),
        (&["--bad", letters, bad], &[], 0, "line 2"),
    ] {
        let (code, out, err) = texts(&ingest(&folder, arguments, settings));
        assert_eq!(code, expected, "{arguments:?} {out} {err}");
        assert!(err.contains(words), "{arguments:?} {err}");
    }
    let letters = fs::read_to_string(letters).unwrap();
    assert!(
        letters.lines().count() == 1 && letters.contains("line 2"),
        "{letters}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_job_and_the_same_command_resumes_it() {
    let folder = Folder::new();
    let input = folder.0.join("large.jsonl");
    let lines = (0..12_000).fold(String::new(), |mut all, i| {
        writeln!(all, r#"{{"id":"{i}","text":"text number {i}"}}"#).unwrap();
        all
    });
    fs::write(&input, lines).unwrap();
    // Builds the example. Cargo does not report the path of the program.
    ingest(&folder, &["--nope"], &[]);
    let program = std::env::current_exe().unwrap();
    let program = program
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/batch_ingest");
    let mut command = Command::new(program);
    let environment = example("batch_ingest", &folder, &[]);
    for (name, value) in environment.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .arg(&input)
        .current_dir(&folder.0)
        .env("TMPDIR", &folder.0);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let checkpoint = folder.0.join("large.jsonl.ckpt");

    let child = command.spawn().unwrap();
    // The job is writing as soon as the checkpoint has a position.
    let begun = || {
        let place = fs::read_to_string(&checkpoint).unwrap_or_default();
        place.contains("items") && !place.contains("\"items\":0,")
    };
    wait_until("the job has begun to write", begun);
    let kill = format!("kill -INT {}", child.id());
    assert!(
        Command::new("/bin/sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    let (code, out, err) = texts(&child.wait_with_output().unwrap());
    assert_eq!(code, 130, "{out} {err}");
    assert!(
        out.starts_with("stopped: ") && err.contains("run the same command again"),
        "{out} {err}"
    );
    assert!(checkpoint.exists());

    let (code, out, err) = texts(&command.output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(" already done in "), "{out}");
    assert!(!checkpoint.exists());
}
