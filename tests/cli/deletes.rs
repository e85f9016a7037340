//! `rm`, and its question.

#[cfg(unix)]
use std::io::Write;

use chroma_blocking::{Client, Record};
use serde_json::json;

#[cfg(unix)]
use crate::program::{Ran, command_on_terminal};
use crate::program::{run, server, servers, three_records};
use crate::support::server::unique_name;

#[test]
fn without_a_terminal_nothing_is_deleted_unless_yes() {
    for url in servers() {
        let collection = three_records(url);
        let name = collection.name();
        for more in [&[][..], &["rust"], &["--where", r#"{"year":2015}"#]] {
            let message = run(url, &[&["rm", name], more].concat()).fails(2);
            assert!(
                message.contains("--yes") && message.contains(name),
                "{message}"
            );
        }
        assert_eq!(collection.count().unwrap(), 3);
        assert_eq!(
            run(url, &["rm", name, "rust", "gone", "--yes", "--json"]).json(),
            [json!({ "collection": name, "deleted": 1, "whole": false, "dry_run": false })]
        );
        let done = run(
            url,
            &["rm", name, "--where", r#"{"year":{"$lt":2010}}"#, "--yes"],
        )
        .ok();
        assert!(done.starts_with("deleted 1 record of"), "{done}");
        assert_eq!(collection.get().run().unwrap().ids, ["chroma"]);
        let done = run(url, &["rm", name, "-y"]).ok();
        assert!(done.contains("with 1 record"), "{done}");
        let client = Client::new(url).unwrap();
        assert!(client.collection(name).get().is_err());
        run(url, &["rm", name, "--yes"]).fails(1);
    }
}

#[test]
fn a_dry_run_counts_and_deletes_nothing() {
    let collection = three_records(server("1.5.9"));
    let name = collection.name();
    for (more, records) in [
        (&[][..], 3),
        (&["rust", "gone"], 1),
        (&["--where", r#"{"year":{"$gt":2010}}"#], 2),
        (&["rust", "--where", r#"{"year":2009}"#], 0),
    ] {
        let all = [&["rm", name, "--dry-run", "--json"], more].concat();
        let line = &run(server("1.5.9"), &all).json()[0];
        assert_eq!(line["deleted"], records, "{line}");
        assert_eq!(
            (&line["dry_run"], &line["whole"]),
            (&json!(true), &json!(more.is_empty()))
        );
    }
    assert_eq!(collection.count().unwrap(), 3);
}

#[test]
fn more_records_than_a_server_deletes_at_once_are_deleted() {
    for url in servers() {
        let client = Client::new(url).unwrap();
        let many = client.collection(unique_name()).create().unwrap();
        let record = |i: usize| {
            Record::new(format!("{i}"))
                .embedding([i as f32])
                .metadata("i", i)
        };
        let records: Vec<Record> = (0..6_000).map(record).collect();
        many.add(records).unwrap();
        let deleted = run(
            url,
            &["rm", many.name(), "--where", r#"{"i":{"$lt":5600}}"#, "-y"],
        )
        .ok();
        assert!(deleted.starts_with("deleted 5600 records"), "{deleted}");
        assert_eq!(many.count().unwrap(), 400);
    }
}

#[cfg(unix)]
#[test]
fn on_a_terminal_only_yes_deletes() {
    let url = server("1.5.9");
    let collection = three_records(url);
    let answer = |answer: &[u8]| {
        let mut command = command_on_terminal(url, &["rm", collection.name()]);
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(answer).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    };
    for no in [&b"\n"[..], b"n\n", b"yess\n"] {
        let ran = answer(no);
        assert!(
            ran.out.contains("with 3 records") && ran.out.contains("[y/N]"),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("nothing was changed"), "{}", ran.out);
        ran.fails(1);
    }
    assert_eq!(collection.count().unwrap(), 3);
    answer(b"y\n").ok();
    assert!(collection.count().is_err());
}
