//! The embedding functions of Chroma's clients: the requests that they send, and what collections store.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod bad;
mod bm25;
mod engine;
mod golden;
mod recording;
mod settings;
mod sparse;
mod splade;
mod stored;
mod untrusted;
