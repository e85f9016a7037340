//! The embedding functions of Chroma's clients: the requests that they send, and what collections store.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

use std::fmt::Debug;

use chroma_blocking::Error;

mod answers;
mod bad;
mod bm25;
mod engine;
mod golden;
#[cfg(feature = "onnx")]
mod on_this_machine;
mod recording;
#[cfg(feature = "hybrid")]
mod rerank;
mod settings;
mod sparse;
mod splade;
mod stored;
mod untrusted;

/// Checks that neither an error nor its function shows the key.
fn assert_hidden(key: &str, error: &Error, function: &dyn Debug) {
    for shown in [
        format!("{error:#}"),
        format!("{error:?}"),
        format!("{function:?}"),
    ] {
        assert!(!shown.contains(key), "{shown}");
    }
}
