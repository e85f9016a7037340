//! Copies, backups and new embeddings, against real servers.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod backup_hostile;
mod backup_old;
mod copied_under_kills;
mod copy;
mod counting;
mod database;
mod like;
mod reembed;
mod reembed_killed;
mod servers;
mod swap;
