//! The script for cron in `docs/moving.md` makes a backup each day, and deletes old ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chroma_blocking::{LocalServer, Record};

use crate::support::folder::Folder;

const DOCUMENT: &str = include_str!("../../docs/moving.md");
const BACKUPS: &str = "/var/backups/chroma";

/// Returns the script of the document, for another folder of backups.
fn script(backups: &Path) -> String {
    let start = DOCUMENT.find("#!/bin/sh").unwrap();
    let script = DOCUMENT[start..].split("```").next().unwrap();
    assert_eq!(script.matches(BACKUPS).count(), 1);
    script.replace(BACKUPS, backups.to_str().unwrap())
}

/// Runs the script with a server of the test.
fn run(script: &str, server: &LocalServer) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_chroma_client"));
    let paths = std::env::var("PATH").unwrap();
    let path = format!("{}:{paths}", program.parent().unwrap().display());
    let export = "export CHROMA_HOST=localhost:8000";
    assert_eq!(script.matches(export).count(), 1);
    let script = script.replace(export, &format!("export CHROMA_HOST={}", server.url()));
    let mut command = Command::new("/bin/sh");
    for variable in ["ENDPOINT", "API_KEY", "TENANT", "DATABASE"] {
        command.env_remove(format!("CHROMA_{variable}"));
    }
    command
        .args(["-c", &script])
        .env("PATH", path)
        .output()
        .unwrap()
}

/// Collects the paths of all files and folders, and checks that only the current user can read them.
fn private_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
        if path.is_dir() {
            private_files(&path, found);
        }
        found.push(path);
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn secure_11_the_script_for_cron_makes_backups_that_only_this_user_can_read() {
    let server = LocalServer::builder().install(true).start().unwrap();
    let client = server.client().unwrap();
    let notes = client.collection("notes").create().unwrap();
    let record = |id: &str| Record::new(id).embedding([1.0, 2.0]).document("a text");
    notes.add([record("1"), record("2")]).unwrap();

    let folder = Folder::new();
    let backups = folder.make("backups");
    let script = script(&backups);
    let check = |times: &str| {
        let output = run(&script, &server);
        assert!(output.status.success(), "{times}: {output:?}");
    };

    check("the first day");
    let first = entries(&backups);
    assert_eq!(first.len(), 1, "{first:?}");
    check("again on the first day");
    assert_eq!(entries(&backups), first);

    // The next day, that backup is the one of yesterday.
    let yesterday = backups.join("2026-01-01");
    fs::rename(backups.join(&first[0]), &yesterday).unwrap();
    fs::create_dir(backups.join("2026-01-02.partial")).unwrap();
    let old = backups.join("2020-01-01");
    fs::create_dir(&old).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
    fs::File::open(&old)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    notes.add([record("3")]).unwrap();
    check("the second day");
    fs::remove_dir(backups.join("2026-01-02.partial")).unwrap();
    assert_eq!(entries(&backups).len(), 2);
    let today = backups.join(&entries(&backups)[1]);
    check("again on the second day");
    let mut found = Vec::new();
    private_files(&today, &mut found);
    assert_eq!(found.len(), 4, "{found:?}");
    fs::remove_dir_all(yesterday).unwrap();

    client.delete_collection("notes").unwrap();
    for report in client.restore(&today).run().unwrap() {
        assert!(report.verified, "{report}");
    }
    assert_eq!(
        client.collection("notes").get().unwrap().count().unwrap(),
        3
    );

    // A changed byte in any file makes the script fail.
    let records = found
        .iter()
        .find(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let records = records.unwrap();
    let text = fs::read_to_string(records).unwrap();
    fs::write(records, text.replacen("a text", "A text", 1)).unwrap();
    let output = run(&script, &server);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
