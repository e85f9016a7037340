//! Copies, backups and new embeddings, against real servers.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod copied_under_kills;
mod counting;
mod like;
mod reembed;
mod swap;
