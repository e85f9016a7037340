//! That the documents say what is so: features, examples, links, defaults, and that their programs are compiled.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod defaults;
mod links;
mod metrics;
mod package;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};

use support::{assert_none, source};

/// The folder of this package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A path as documents name it: from the package on, with slashes.
fn name(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap();
    path.to_str().unwrap().replace('\\', "/")
}

/// All documents: those at the top, and those in folders.
fn documents() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).unwrap();
    let mut found: Vec<PathBuf> = top.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    for folder in ["docs", "fuzz", "scripts"] {
        found.extend(source::files(&root().join(folder), "md"));
    }
    // Below are packages of their own, with all that was built in them.
    for folder in [
        "benches",
        "benches/peers",
        "examples",
        "examples/build_script",
    ] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let entries = entries.map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    found.sort();
    found
}
