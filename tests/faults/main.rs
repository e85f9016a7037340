//! Never lose a record, never hang, never lie: the client on a real server, with a proxy between them that breaks one
//! request in five, and on one that is killed again and again.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[cfg(unix)]
mod killed;
mod model;
mod proxy;
mod seeds;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod worker;
