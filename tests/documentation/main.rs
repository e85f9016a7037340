//! The documents agree with the code: links, features, examples, commands, defaults and metrics.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod links;
mod operating;
mod package;

use std::fs;
use std::path::Path;

use support::assert_none;

/// The folders with documents, and whether their programs and commands belong to this package.
const FOLDERS: [(&str, bool); 7] = [
    ("", true),
    ("docs/", true),
    ("examples/", true),
    ("benches/", true),
    ("fuzz/", false),
    ("benches/peers/", false),
    ("examples/build_script/", false),
];

/// A file of this repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct Document {
    /// Relative to the root of this package.
    path: String,
    text: String,
    is_of_this_package: bool,
}

fn documents() -> Vec<Document> {
    let mut found = Vec::new();
    for (folder, is_of_this_package) in FOLDERS {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        for entry in entries {
            let path = format!("{folder}{}", entry.unwrap().file_name().to_str().unwrap());
            if Path::new(&path).extension().is_some_and(|end| end == "md") {
                let text = read(&path);
                found.push(Document {
                    path,
                    text,
                    is_of_this_package,
                });
            }
        }
    }
    found
}
