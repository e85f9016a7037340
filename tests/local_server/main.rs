//! `LocalServer` with real servers: start, end, installation.
//!
//! These tests start no server if `CHROMA_HOST` is set.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(not(unix), allow(dead_code))]

#[cfg(target_os = "linux")]
mod data_folder;
#[cfg(unix)]
mod ending;
mod finding;
mod helpers;
mod installing;
#[cfg(unix)]
mod log;
mod program;
#[cfg(unix)]
mod security;
mod starting;
#[path = "../support/mod.rs"]
mod support;
