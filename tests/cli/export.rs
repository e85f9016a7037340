//! `export`, and the way back through `import`.

use std::fs;
use std::process::{Command, Stdio};

use crate::jobs::{all_kinds, collection, lines, sorted, text};
use crate::program::{Ran, command, run, server, servers, three_records};
use crate::support::folder::Folder;
use crate::support::server::unique_name;

#[test]
fn an_import_of_an_export_is_equal() {
    let folder = Folder::new();
    for (url, has_lists) in servers().into_iter().zip([true, false]) {
        let source = collection(url, all_kinds(has_lists));
        let (name, copy) = (source.name(), unique_name());
        let output = text(&folder.path("all.jsonl"));
        fs::write(&output, "an older export").unwrap();
        let done = run(url, &["export", name, &output]).ok();
        assert!(done.starts_with("wrote 4 records to "), "{done}");
        run(url, &["import", &output, "-c", &copy]).ok();
        assert_eq!(lines(url, &copy), lines(url, name));
        assert_eq!(lines(url, name).len(), 4);
        let printed = run(url, &["export", name]).ok();
        assert_eq!(sorted(&printed), lines(url, name));
        assert_eq!(printed, fs::read_to_string(&output).unwrap());
        assert_eq!(run(url, &["export", name, "-"]).ok(), printed);
    }
    assert_eq!(folder.names(), ["all.jsonl"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_moves_a_collection_to_another_server() {
    let [newest, oldest] = servers();
    for (from, to) in [(newest, oldest), (oldest, newest)] {
        let (source, copy) = (collection(from, all_kinds(false)), unique_name());
        let mut export = command(from, &["export", source.name()]);
        let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
        let mut import = command(to, &["import", "-", "-c", &copy]);
        import.stdin(export.stdout.take().unwrap());
        let done = Ran::of(import.output().unwrap()).ok();
        assert!(done.contains("4 written"), "{done}");
        assert!(export.wait().unwrap().success());
        assert_eq!(lines(to, &copy), lines(from, source.name()));
    }
}

#[test]
fn a_part_is_exported() {
    let source = three_records(server("1.5.9"));
    let (url, name) = (server("1.5.9"), source.name());
    let recent = r#"{"year":{"$gt":2010}}"#;
    let found = run(url, &["export", name, "--where", recent, "--no-embeddings"]).json();
    assert_eq!(found.len(), 2);
    assert!(
        found.iter().all(|line| line.get("embedding").is_none()),
        "{found:?}"
    );
    let folder = Folder::new();
    let output = text(&folder.path("out.jsonl"));
    let dry = run(url, &["export", name, &output, "--dry-run", "--json"]).json();
    assert_eq!(dry[0]["written"], 3);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_file_is_unchanged_after_an_error() {
    let folder = Folder::new();
    let output = text(&folder.path("out.jsonl"));
    fs::write(&output, "an older export").unwrap();
    let url = server("1.5.9");
    let message = run(url, &["export", &unique_name(), &output]).fails(1);
    assert!(message.contains("does not exist"), "{message}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "an older export");
    let nowhere = text(&folder.path("no/folder.jsonl"));
    let message = run(url, &["export", three_records(url).name(), &nowhere]).fails(1);
    assert!(message.contains("folder.jsonl"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_broken_pipe_is_not_an_error() {
    let source = three_records(server("1.5.9"));
    let program = env!("CARGO_BIN_EXE_chroma_client");
    // The reader has gone before the first line.
    let script = format!("({program} export {}; echo $? >&2) | true", source.name());
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &script])
        .env("CHROMA_HOST", server("1.5.9"));
    let ran = Ran::of(shell.output().unwrap());
    assert_eq!(ran.err, "0\n");
}
