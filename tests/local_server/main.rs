//! `LocalServer` on real servers: how it starts, how it ends, how it installs.
//!
//! With `CHROMA_HOST` set no server is started here.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(not(unix), allow(dead_code))]

#[cfg(unix)]
mod ending;
mod finding;
mod helpers;
mod installing;
mod program;
mod starting;
#[path = "../support/mod.rs"]
mod support;
