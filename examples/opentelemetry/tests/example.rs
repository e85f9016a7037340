//! Runs the example as a user does.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

#[test]
fn prints_a_tree_for_each_trace() {
    let output = Command::new(env!("CARGO_BIN_EXE_opentelemetry-example"))
        .env_remove("CHROMA_HOST")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{words}");
    // The names alone, without numbers.
    let tree: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('|') && !line.starts_with("trace "))
        .filter_map(|line| line.split_once(" ("))
        .map(|(name, rest)| {
            let name = name.split_once(" notes-").map_or(name, |(name, _)| name);
            let name = name
                .split_once(" 127.0.0.1:")
                .map_or(name, |(name, _)| name);
            let name = name.split_once(" /").map_or(name, |(name, _)| name);
            let failed = if rest.contains("failed") { "!" } else { "" };
            format!("{name}{failed}")
        })
        .collect();
    let expected = [
        "take notes",
        "    create_collection",
        "        POST",
        "    pre_flight_checks",
        "        GET",
        "    upsert",
        "        POST",
        "    query",
        "        POST",
        "one server is down",
        "    get_collection",
        "        GET!",
        "        GET",
        "    count",
        "        GET",
        "no such collection",
        "    get_collection!",
        "        GET!",
        "delete_collection",
        "    DELETE",
    ];
    assert_eq!(tree, expected, "{text}");
}
