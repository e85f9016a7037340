//! The client with a real Chroma server, which all of these tests share. `CHROMA_HOST` can name another one.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_input;
mod collections;
mod configuration;
mod corpus;
mod export;
mod export_files;
mod filter_property;
mod filters;
// These tests use only a part of it.
#[allow(dead_code)]
#[path = "../support/folder.rs"]
mod folder;
mod legacy;
mod like;
mod limits;
mod metadata;
mod names;
mod queries;
#[path = "../support/random.rs"]
mod random;
mod records;
#[cfg(feature = "hybrid")]
mod rerank;
mod scan;
// With the feature, the client evaluates what the server does not: see tests/hybrid.
#[cfg(not(feature = "hybrid"))]
mod search;
// These tests use only a part of it.
#[allow(dead_code)]
#[path = "../support/server.rs"]
mod server;
mod single_node;
mod stamps;
mod tenants;

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::OnceLock;

use chroma_blocking::{Collection, Error, Hashing, InvalidInput, Record, Result};

use server::{client, unique_name, version};

/// Returns whether the server stores lists in metadata, as Chroma does since 1.5.
fn stores_lists() -> bool {
    static STORES: OnceLock<bool> = OnceLock::new();
    *STORES.get_or_init(|| {
        let record = Record::new("1").embedding([1.0]).metadata("k", ["x"]);
        Scratch::new().upsert([record]).is_ok()
    })
}

/// Returns the reason of a refusal before a request.
#[track_caller]
fn reason<T: Debug>(result: Result<T>) -> InvalidInput {
    match result.unwrap_err() {
        Error::Invalid { call, reason, .. } => {
            assert_eq!(call.attempts, 0, "nothing is sent");
            reason
        }
        other => panic!("{other}"),
    }
}

/// Returns the message of a refusal before a request.
#[track_caller]
fn refused<T: Debug>(result: Result<T>) -> String {
    reason(result).to_string()
}

/// A collection for one test, deleted when dropped.
struct Scratch(Collection);

impl Scratch {
    /// Creates a collection without an embedding function.
    fn new() -> Scratch {
        Scratch(client().collection(unique_name()).create().unwrap())
    }

    /// Creates a collection with the embedding function `Hashing`.
    fn hashing() -> Scratch {
        let builder = client().collection(unique_name());
        let builder = builder.embedding_function(Hashing::default());
        Scratch(builder.create().unwrap())
    }
}

impl Deref for Scratch {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // When Chroma 1.5 deletes a collection, it keeps the lists in the metadata of its records, and later
        // records of any collection get them. Deleting the records first deletes the lists.
        if let Ok(found) = self.get().include([]).run() {
            let _ = self.delete().ids(found.ids).run();
        }
        let _ = client().delete_collection(self.name());
    }
}
