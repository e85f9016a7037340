//! The example `batch_ingest`, run as a user or a scheduler runs it.

use std::fmt::Write;
use std::fs;
#[cfg(unix)]
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::support::example::{example, run};
use crate::support::folder::Folder;
use crate::support::stand_in::Answer;
use crate::support::{closed_port, wait_until};

fn ingest(folder: &Folder, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let own = folder.0.to_str().unwrap();
    let settings = [settings, &[("TMPDIR", own)]].concat();
    run("batch_ingest", folder, arguments, &settings)
}

/// Builds the example, and returns the path of the program, which cargo does not report.
#[cfg(unix)]
fn program(folder: &Folder) -> PathBuf {
    ingest(folder, &["--nope"], &[]);
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap();
    built.join("examples/batch_ingest")
}

/// Gives a command the folder and the environment of an example.
#[cfg(unix)]
fn copy_environment(folder: &Folder, command: &mut Command) {
    for (name, value) in example("batch_ingest", folder, &[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(&folder.0).env("TMPDIR", &folder.0);
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
        (&["--sync", "--tolerate", "x"], &[], 2, "--tolerate x"),
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

/// A limit on the size of files stands for a full disk. The example cannot be run through cargo then, which
/// writes files as well.
#[cfg(unix)]
#[test]
fn field_28_a_full_disk_has_one_exit_code_at_the_start_and_later() {
    let folder = Folder::new();
    let server = crate::support::chroma(crate::support::LIMITS, |request| {
        // The request that creates the collection.
        if request.path.ends_with("/collections") {
            Answer::ok(crate::support::COLLECTION)
        } else {
            Answer::ok("{}")
        }
    });
    let input = folder.path("input.jsonl");
    let good = |n: usize| format!("{{\"id\":\"{n}\",\"text\":\"text {n}\"}}\n");
    // The name of this field is reserved, so the record is a bad one.
    let bad = |n: usize| {
        let text = "x".repeat(2_000);
        format!("{{\"id\":\"bad{n}\",\"text\":\"{text}\",\"chroma:document\":1}}\n")
    };
    let lines = (0..150).map(good).chain((0..4).map(bad));
    fs::write(&input, lines.collect::<String>()).unwrap();
    let program = program(&folder);
    let run = |blocks: usize| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).arg(&program);
        copy_environment(&folder, &mut command);
        command.env("CHROMA_HOST", server.url());
        command.args(["--collection", "abc", "--bad", "bad.jsonl"]);
        texts(&command.arg(&input).output().unwrap())
    };
    let (code, out, err) = run(0);
    assert_eq!(code, 1, "{out} {err}");
    assert!(err.contains("cannot lock the checkpoint"), "{err}");
    assert_eq!(folder.names(), ["input.jsonl"], "no empty file is left");

    // One block is 512 or 1,024 bytes. The second letter does not fit.
    let (code, out, err) = run(6);
    assert_eq!(code, 1, "{out} {err}");
    assert!(err.contains("cannot write dead letters"), "{err}");
    assert_eq!(
        folder.names(),
        ["bad.jsonl", "input.jsonl", "input.jsonl.ckpt"]
    );
    let letters = || fs::read_to_string(folder.path("bad.jsonl")).unwrap();
    assert!(!letters().ends_with('\n'), "the last letter is cut off");

    // Enough space again.
    let (code, out, err) = run(1_000);
    assert_eq!(code, 0, "{out} {err}");
    assert_eq!(folder.names(), ["bad.jsonl", "input.jsonl"]);
    let letters = letters();
    for n in 0..4 {
        let whole = |line: &&str| {
            serde_json::from_str::<serde_json::Value>(line)
                .is_ok_and(|letter| letter["item"] == 150 + n)
        };
        assert!(letters.lines().any(|line| whole(&line)), "item {n} is lost");
    }
}

#[cfg(unix)]
#[test]
fn field_15_a_run_that_overlaps_another_one_is_to_be_tried_later() {
    let folder = Folder::new();
    let server = crate::support::chroma(crate::support::LIMITS, |_| Answer::ok("{}"));
    let abc = crate::support::collection(&server);
    let input = folder.path("input.jsonl");
    fs::write(&input, "{\"id\":\"a\",\"text\":\"one\"}\n").unwrap();
    let checkpoint = folder.path("input.jsonl.ckpt");
    // The example runs while this job reads.
    let mut output = None;
    let records = crate::support::records(1).into_iter().inspect(|_| {
        let arguments = ["--collection", "abc", input.to_str().unwrap()];
        output = Some(ingest(&folder, &arguments, &[]));
    });
    abc.ingest(records).checkpoint(&checkpoint).run().unwrap();
    let (code, _, err) = texts(&output.unwrap());
    assert_eq!(code, 75, "{err}");
    let holder = format!("(pid {})", std::process::id());
    assert!(err.contains("another job uses the checkpoint"), "{err}");
    assert!(err.contains(&holder), "{err}");
}

#[test]
fn field_22_with_restart_the_checkpoint_of_another_input_is_replaced() {
    let folder = Folder::new();
    let input = folder.path("input.jsonl");
    let checkpoint = folder.path("input.jsonl.ckpt");
    let line = |id: &str| format!("{{\"id\":\"{id}\",\"text\":\"text\"}}\n");
    // More than one batch, so that the checkpoint has a position.
    fs::write(
        &input,
        (0..150).map(|n| line(&n.to_string())).collect::<String>() + "torn",
    )
    .unwrap();
    let path = input.to_str().unwrap();
    let (code, _, err) = texts(&ingest(&folder, &[path], &[]));
    assert_eq!(code, 1, "{err}");
    assert!(checkpoint.exists());
    fs::write(&input, line("b") + &line("c")).unwrap();
    let (code, _, err) = texts(&ingest(&folder, &[path], &[]));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("different input"), "{err}");
    let (code, out, err) = texts(&ingest(&folder, &["--restart", path], &[]));
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("2 written"), "{out}");
    assert!(!checkpoint.exists());
}

#[test]
fn field_19_the_exit_code_shows_that_a_sync_kept_old_records() {
    let folder = Folder::new();
    let input = folder.0.join("notes.jsonl");
    let line = |id: &str| format!("{{\"id\":\"{id}\",\"text\":\"{id}\"}}\n");
    let letters = folder.0.join("letters.jsonl");
    let sync = ["--sync", "--bad", letters.to_str().unwrap()];
    let run = |lines: String, more: &[&str]| {
        fs::write(&input, lines).unwrap();
        let arguments = [&sync[..], more, &[input.to_str().unwrap()]].concat();
        texts(&ingest(&folder, &arguments, &[]))
    };
    let (code, _, err) = run(line("a") + &line("b") + &line("c"), &[]);
    assert_eq!(code, 0, "{err}");
    let torn = || line("a") + "{\"id\":\n";
    let (code, out, err) = run(torn(), &[]);
    assert_eq!(code, 3, "{out} {err}");
    assert!(
        out.contains("2 not deleted (1 item could not be read)"),
        "{out}"
    );
    assert!(
        err.contains("2 records that are not in the input were kept"),
        "{err}"
    );
    let (code, out, err) = run(torn(), &["--tolerate", "1"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("2 deleted"), "{out}");
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
    let mut command = Command::new(program(&folder));
    copy_environment(&folder, &mut command);
    command.arg(&input);
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
