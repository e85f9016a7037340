//! The examples, run as a user runs them, on real servers.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod advanced_usage;
#[cfg(feature = "gemini")]
mod batch_ingest;
#[cfg(all(feature = "hybrid", feature = "onnx"))]
mod hybrid_search;
#[cfg(feature = "gemini")]
mod quickstart;
