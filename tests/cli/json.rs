//! The names of `--json` are those in `docs/moving.md`.

use chroma_blocking::{Client, Record};
use serde_json::Value;

use crate::program::{Ran, command, hashing, server};
use crate::support::folder::Folder;
use crate::support::server::unique_name;

const DOCUMENT: &str = include_str!("../../docs/moving.md");

/// Returns the rows of the table: what prints a line, and its names.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let table = DOCUMENT.split("\n## JSON\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        (cells[0], cells[1])
    })
}

/// Asserts that a line has all names in a row of the document, and no others.
#[track_caller]
pub fn assert_documented(row: &str, line: &Value) {
    let find = |start: &str| rows().find(|(cell, _)| *cell == start);
    let (_, names) = find(row).unwrap_or_else(|| panic!("no row {row:?}"));
    // After a semicolon and in parentheses, there are explanations.
    let names = names.split(';').next().unwrap();
    let outside = names.split(['(', ')']).step_by(2).collect::<String>();
    let mut names: Vec<&str> = outside.split('`').skip(1).step_by(2).collect();
    if let Some(at) = names.iter().position(|name| *name == "get") {
        names[at] = "id";
        names.extend(["document", "uri", "metadata", "embedding"]);
    }
    if row.contains("step `") {
        names.extend(["step", "collection"]);
    }
    names.sort_unstable();
    let line = line.as_object().unwrap();
    let mut printed: Vec<&str> = line.keys().map(String::as_str).collect();
    printed.sort_unstable();
    assert_eq!(printed, names, "{row}");
}

#[test]
fn the_names_of_json_are_documented() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let notes = Client::new(url).unwrap().collection(unique_name());
    let notes = notes.embedding_function(hashing()).create().unwrap();
    let record = Record::new("1").document("text").uri("file:///1");
    notes.add(record.metadata("year", 2015)).unwrap();
    let name = notes.name();
    for (arguments, rows) in [
        ("count NAME", &["count`"][..]),
        ("head NAME --embeddings", &["head`, `get`"]),
        ("get NAME --embeddings", &["head`, `get`"]),
        ("query NAME text --embeddings", &["query`"]),
        ("export NAME file", &["export` with a file"]),
        (
            "import file --collection NAME-2 --format jsonl",
            &["import`"],
        ),
        ("copy NAME --as NAME-3", &["copy`, `restore`"]),
        ("backup backup NAME", &["backup`"]),
        (
            "restore backup --check",
            &["restore --check`, first line", "restore --check`"],
        ),
        ("restore backup --as NAME=NAME-4", &["copy`, `restore`"]),
        (
            "reembed NAME --function hashing --dimension 16",
            &[
                "reembed`, step `plan`",
                "reembed`, step `reembed`",
                "reembed`, step `swap`",
            ],
        ),
        ("rm NAME", &["rm`"]),
    ] {
        let arguments = format!("{arguments} --json --yes").replace("NAME", name);
        let words: Vec<&str> = arguments.split(' ').collect();
        let mut command = command(url, &words);
        let ran = Ran::of(command.current_dir(&folder.0).output().unwrap());
        let lines = ran.json();
        assert_eq!(lines.len(), rows.len(), "{arguments}: {lines:?}");
        for (row, line) in rows.iter().zip(&lines) {
            assert_documented(row, line);
        }
    }
    // Those of ls, doctor and serve are checked by their tests.
    assert_eq!(rows().count(), 17);
}
