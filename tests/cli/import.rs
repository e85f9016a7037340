//! `import`: formats, functions, and what is left when it ends early.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use chroma_blocking::{Client, Error, Include, Space};
use serde_json::{Value, json};

#[cfg(unix)]
use crate::jobs::Running;
use crate::jobs::{file, lines, text};
use crate::program::{Ran, command, run, server, servers};
use crate::support::folder::Folder;
use crate::support::scripted;
use crate::support::server::unique_name;
#[cfg(unix)]
use crate::support::wait_until;

const TWO: &str = "{\"id\":\"a\",\"embedding\":[1,2],\"year\":2015}\n\
                   {\"id\":\"b\",\"embedding\":[3,4],\"document\":\"text\",\"uri\":\"u\",\"tag\":\"x\"}\n";

/// Runs the program with this on its standard input.
fn piped(url: &str, arguments: &[&str], input: &str) -> Ran {
    let mut command = command(url, arguments);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn vectors_need_no_function_and_the_collection_is_made() {
    let folder = Folder::new();
    let input = file(&folder, "two.jsonl", TWO);
    for url in servers() {
        let name = unique_name();
        let import = ["import", &input, "--collection", &name];
        let dry = run(url, &[&import[..], &["--dry-run"]].concat());
        assert!(dry.err.contains("would be created"), "{}", dry.err);
        assert!(dry.ok().contains("dry run: 2 written"));
        run(url, &["count", &name]).fails(1);
        let report = &run(url, &[&import[..], &["--json", "--space", "ip"]].concat()).json()[0];
        assert_eq!(
            (&report["collection"], &report["written"]),
            (&json!(name), &json!(2))
        );
        let (first, second) = (&lines(url, &name)[0], &lines(url, &name)[1]);
        assert_eq!(
            first,
            r#"{"id":"a","metadata":{"year":2015},"embedding":[1.0,2.0]}"#
        );
        let parsed: Value = serde_json::from_str(second).unwrap();
        assert_eq!(
            parsed,
            json!({ "id": "b", "document": "text", "uri": "u", "metadata": { "tag": "x" }, "embedding": [3.0, 4.0] })
        );
        let space = Client::new(url)
            .unwrap()
            .collection(&name)
            .get()
            .unwrap()
            .space();
        // Chroma 1.0.0 does not tell.
        assert!([None, Some(Space::Ip)].contains(&space));
    }
    assert_eq!(folder.names(), ["two.jsonl"]);
}

#[test]
fn the_format_is_that_of_the_extension_or_of_the_option() {
    let url = server("1.5.9");
    let folder = Folder::new();
    let csv = "id,embedding,year\na,\"[1,2]\",2015\n";
    let inputs = [
        file(&folder, "one.csv", csv),
        file(
            &folder,
            "two.tsv",
            &csv.replace(",\"", "\t")
                .replace("\",", "\t")
                .replace("id,embedding,", "id\tembedding\t"),
        ),
        file(
            &folder,
            "three.ndjson",
            "{\"id\":\"a\",\"embedding\":[1,2],\"year\":2015}\n",
        ),
    ];
    for input in &inputs {
        let name = unique_name();
        run(url, &["import", input, "-c", &name]).ok();
        assert_eq!(lines(url, &name).len(), 1, "{input}");
        let records = Client::new(url).unwrap().collection(&name).get().unwrap();
        let found = records
            .get()
            .include(vec![Include::Embeddings])
            .run()
            .unwrap();
        assert_eq!(
            found.into_iter().next().unwrap().embedding.unwrap(),
            [1.0, 2.0],
            "{input}"
        );
    }
    let unknown = file(&folder, "notes.dat", TWO);
    let name = unique_name();
    let message = run(url, &["import", &unknown, "-c", &name]).fails(2);
    assert!(
        message.contains("notes.dat") && message.contains("--format"),
        "{message}"
    );
    run(url, &["import", &unknown, "-c", &name, "--format", "jsonl"]).ok();
    piped(url, &["import", "-", "-c", &name, "--format", "csv"], csv).ok();
    assert_eq!(run(url, &["count", &name]).ok(), "2\n");
    piped(
        url,
        &["import", "-", "-c", &name, "--format", "text"],
        "a text",
    )
    .fails(2);
    // A folder of JSON Lines is read file by file.
    let both = file(&folder, "a.jsonl", "{\"id\":\"c\",\"embedding\":[1,2]}");
    run(
        url,
        &["import", &text(&folder.0), "-c", &name, "--format", "jsonl"],
    )
    .ok();
    assert_eq!(run(url, &["count", &name]).ok(), "3\n");
    fs::remove_file(both).unwrap();
}

#[test]
fn texts_are_embedded_with_the_named_or_the_stored_function() {
    let url = server("1.5.9");
    let folder = Folder::new();
    let (docs, name) = (folder.path("docs"), unique_name());
    fs::create_dir_all(docs.join("deep")).unwrap();
    fs::write(
        docs.join("a.md"),
        "Rust has no garbage collector. ".repeat(10),
    )
    .unwrap();
    fs::write(docs.join("deep/b.txt"), "Go has goroutines.").unwrap();
    let docs = text(&docs);
    let import = ["import", &docs, "-c", &name];
    let message = run(url, &import).fails(2);
    assert!(
        message.contains("--function") && message.contains("a.md"),
        "{message}"
    );
    run(url, &["count", &name]).fails(1);
    let hashing = ["--function", "hashing", "--dimension", "64"];
    run(url, &[&import[..], &hashing].concat()).ok();
    assert_eq!(run(url, &["count", &name]).ok(), "2\n");
    // The second run needs no function, since the collection stores it.
    let split = ["--split", "100", "--json"];
    let report = &run(url, &[&import[..], &split].concat()).json()[0];
    assert_eq!(report["embedded"], 5, "{report}");
    fs::write(folder.path("docs/a.md"), "Rust has no garbage collector.").unwrap();
    let report = &run(url, &[&import[..], &split].concat()).json()[0];
    assert_eq!(report["deleted"], 3, "{report}");
    let one = run(url, &["import", &format!("{docs}/deep/b.txt"), "-c", &name]);
    one.ok();
    let found = run(url, &["query", &name, "goroutines", "-n", "1", "--json"]).json();
    assert!(
        found[0]["document"]
            .as_str()
            .unwrap()
            .contains("goroutines"),
        "{found:?}"
    );
}

#[test]
fn sync_asks_and_keeps_records_that_may_be_in_an_unreadable_line() {
    let url = server("1.5.9");
    let (folder, name) = (Folder::new(), unique_name());
    let input = file(&folder, "in.jsonl", TWO);
    let import = ["import", &input, "-c", &name, "--only-changed", "--json"];
    run(url, &import).ok();
    assert_eq!(run(url, &import).json()[0]["skipped"], 2);
    let bad = TWO.lines().next().unwrap().to_owned() + "\n{\"id\":\n";
    file(&folder, "in.jsonl", &bad);
    let letters = text(&folder.path("bad.jsonl"));
    let sync = [&import[..], &["--sync", "--bad", &letters]].concat();
    let message = run(url, &sync).fails(2);
    assert!(
        message.contains("--yes") && message.contains(&name),
        "{message}"
    );
    let kept = run(url, &[&sync[..], &["--yes"]].concat());
    let report: Value = serde_json::from_str(&kept.out).unwrap();
    assert_eq!(
        (&report["withheld"], &report["failed"]),
        (&json!(1), &json!(1))
    );
    assert!(kept.fails(3).contains("--tolerate"));
    let tolerated = [&sync[..], &["--tolerate", "1"]].concat();
    let dry = &run(url, &[&tolerated[..], &["--dry-run"]].concat()).json()[0];
    assert_eq!(dry["deleted"], 1, "{dry}");
    assert_eq!(run(url, &["count", &name]).ok(), "2\n");
    run(url, &[&tolerated[..], &["-y"]].concat()).ok();
    assert_eq!(run(url, &["count", &name]).ok(), "1\n");
}

#[test]
fn wrong_options_are_named() {
    let url = server("1.5.9");
    let folder = Folder::new();
    let input = file(&folder, "in.jsonl", TWO);
    let missing = text(&folder.path("missing.jsonl"));
    let message = run(url, &["import", &missing, "-c", "notes"]).fails(1);
    assert!(message.contains("missing.jsonl"), "{message}");
    for (options, named) in [
        ("", "--collection"),
        ("-c notes --space round", "round"),
        ("-c notes --function word2vec", "word2vec"),
        ("-c notes --function openai:{nope", "JSON"),
        ("-c notes --function hashing:large", "hashing"),
        ("-c notes --function cohere --dimension 5", "--dimension"),
        ("-c notes --dimension 5", "--function"),
        ("-c a/b", "a/b"),
    ] {
        let mut arguments = vec!["import", input.as_str()];
        arguments.extend(options.split_whitespace());
        // No collection is made.
        let message = run(url, &arguments).fails(2);
        assert!(message.contains(named), "{message}");
    }
    let no_key = scripted([]);
    let openai = ["import", &input, "-c", "notes", "--function", "openai"];
    let message = run(&no_key.url(), &openai).fails(2);
    assert!(message.contains("OPENAI_API_KEY"), "{message}");
    assert_eq!(no_key.requests().len(), 0);
}

#[test]
fn a_broken_line_is_named_and_can_be_left_out() {
    let url = server("1.5.9");
    let (folder, name) = (Folder::new(), unique_name());
    let input = file(
        &folder,
        "in.jsonl",
        "{\"id\":\"a\",\"embedding\":[1,2]}\n{\"id\":\n",
    );
    let message = run(url, &["import", &input, "-c", &name]).fails(1);
    assert!(
        message.contains("line 2") && message.contains("to continue, run: "),
        "{message}"
    );
    assert!(fs::exists(format!("{input}.ckpt")).unwrap());
    let letters = text(&folder.path("bad.jsonl"));
    let message = run(
        url,
        &["import", &input, "-c", &name, "--skip-bad", &letters],
    );
    assert!(message.err.contains("line 2"), "{}", message.err);
    message.ok();
    assert!(fs::read_to_string(letters).unwrap().contains("line 2"));
    assert!(!fs::exists(format!("{input}.ckpt")).unwrap());
}

#[cfg(unix)]
#[test]
fn after_ctrl_c_the_printed_command_continues() {
    let url = server("1.5.9");
    let (folder, name) = (Folder::new(), unique_name());
    let line = |i| format!("{{\"id\":\"{i}\",\"embedding\":[1,{i},3,4]}}\n");
    let input = file(
        &folder,
        "it's.jsonl",
        &(0..30_000).map(line).collect::<String>(),
    );
    let running = Running::start(command(url, &["import", &input, "-c", &name]));
    let checkpoint = folder.path("it's.jsonl.ckpt");
    let client = Client::new(url).unwrap();
    let has_records = || {
        let count = client.collection(&name).get().and_then(|it| it.count());
        count.is_ok_and(|count| count > 0)
    };
    wait_until("the first records", || checkpoint.exists() && has_records());
    let stopped = running.interrupt();
    let (_, next) = stopped.err.rsplit_once("run: ").unwrap();
    let next = next.trim().to_owned();
    assert!(stopped.out.contains("stopped: "), "{}", stopped.out);
    stopped.fails(130);
    let written = client.collection(&name).get().unwrap().count().unwrap();
    assert!(0 < written && written < 30_000, "{written}");
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", &format!("{next} --json")])
        .env("CHROMA_HOST", url);
    let report = &Ran::of(shell.output().unwrap()).json()[0];
    assert_eq!(report["resumed"], written, "{report}");
    assert_eq!(run(url, &["count", &name]).ok(), "30000\n");
    assert!(!checkpoint.exists());
    assert!(matches!(
        client.collection("missing").get(),
        Err(Error::NotFound { .. })
    ));
}
