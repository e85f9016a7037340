//! The client loses no record, does not hang, and reports outcomes correctly: on a real server behind a proxy
//! that breaks every fifth request, and on a server that is killed repeatedly.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[cfg(unix)]
mod index;
#[cfg(unix)]
mod killed;
mod model;
mod proxy;
mod restarted;
mod seeds;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod worker;
