//! Helpers for the commands that import, export and move records.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chroma_blocking::{Client, Collection, Record};

use crate::program::Ran;
use crate::support::folder::Folder;
use crate::support::server::unique_name;

/// A record for each kind of value that the server knows. Chroma 1.0.0 knows no lists, and no server on one machine
/// knows sparse vectors.
pub fn all_kinds(has_lists: bool) -> Vec<Record> {
    let record = |id: &str| Record::new(id).embedding([0.1, -2.5e-8, 3.0]);
    let mut typed = record("typed")
        .document("two\nlines, \"quotes\" and \u{1f980}")
        .metadata("int", i64::MAX)
        .metadata("float", 1.0)
        .metadata("bool", true)
        .metadata("text", "2015");
    if has_lists {
        typed = typed
            .metadata("tags", ["a", "b"])
            .metadata("years", [2015, 2023]);
    }
    vec![
        typed,
        record("uri").uri("https://example.com/a.png"),
        record("bare"),
        record("last").document("").metadata("id", "not an id"),
    ]
}

/// Makes a collection with a unique name and these records.
pub fn collection(url: &str, records: Vec<Record>) -> Collection {
    let collection = Client::new(url).unwrap().collection(unique_name()).create();
    let collection = collection.unwrap();
    collection.add(records).unwrap();
    collection
}

/// Returns the lines of a collection, sorted.
pub fn lines(url: &str, name: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    let collection = Client::new(url).unwrap().collection(name).get().unwrap();
    collection.export().write_to(&mut bytes).unwrap();
    sorted(&String::from_utf8(bytes).unwrap())
}

pub fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Writes a file, and returns its path.
pub fn file(folder: &Folder, name: &str, content: &str) -> String {
    let path = folder.path(name);
    fs::write(&path, content).unwrap();
    text(&path)
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A run of the program that has not ended.
pub struct Running(Child);

impl Running {
    pub fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// Presses Ctrl-C, and waits for the end.
    #[cfg(unix)]
    pub fn interrupt(self) -> Ran {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.unwrap().success());
        Ran::of(self.0.wait_with_output().unwrap())
    }
}
