//! Searches that the client evaluates, against a real server.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod faults;
mod files;
mod freshness;
mod oracle;
mod random_searches;
mod searches;
mod sent;
mod writers;

use chroma_blocking::{Client, Collection, Hashing};
use support::server::{client, is_given, unique_name};

/// Returns a client of its own, as another program has. It counts only its own requests.
fn own_client() -> Client {
    if is_given() {
        return Client::from_env().unwrap();
    }
    Client::new(client().url()).unwrap()
}

/// Returns the number of requests of each operation that a function sends through a client.
fn requests(client: &Client, run: impl FnOnce()) -> Vec<(&'static str, u64)> {
    let before = client.metrics().operations;
    run();
    let after = client.metrics().operations.into_iter();
    let sent = after.map(|(operation, counts)| {
        let earlier = before.get(operation).map_or(0, |counts| counts.attempts);
        (operation, counts.attempts - earlier)
    });
    sent.filter(|(_, sent)| *sent > 0).collect()
}

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
