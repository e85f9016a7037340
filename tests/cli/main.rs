//! Drives `chroma_client` against real servers.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod copy;
mod deletes;
mod doctor;
mod export;
mod import;
mod jobs;
mod json;
mod moving;
mod output;
mod program;
mod reads;
mod serve;
