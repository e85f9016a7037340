//! Searches that the client evaluates, against a real server.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod files;
mod freshness;
mod oracle;
mod random_searches;
mod searches;
mod writers;

use chroma_blocking::{Collection, Hashing};
use support::server::{client, unique_name};

/// A collection for one test, deleted when dropped.
struct Scratch(Collection);

impl Scratch {
    /// Creates a collection with the embedding function `Hashing`.
    fn new() -> Scratch {
        let builder = client().collection(unique_name());
        let builder = builder.embedding_function(Hashing::default());
        Scratch(builder.create().unwrap())
    }

    /// Opens the collection a second time: a handle that shares nothing with the first one.
    fn other_handle(&self) -> Collection {
        let builder = client().collection(self.name());
        builder
            .embedding_function(Hashing::default())
            .get()
            .unwrap()
    }
}

impl std::ops::Deref for Scratch {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = client().delete_collection(self.0.name());
    }
}
