//! The client on a real Chroma server: one for all of these tests, or the one that `CHROMA_HOST` names.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_input;
mod collections;
mod configuration;
mod corpus;
mod filter_property;
mod filters;
mod metadata;
mod names;
mod queries;
#[path = "../support/random.rs"]
mod random;
mod records;
mod scan;
mod search;
mod single_node;
mod tenants;

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, Collection, Hashing, LocalServer, Record};

/// A client of the server that all tests share. The server ends with this process: nothing drops a static, and
/// nothing has to.
fn client() -> &'static Client {
    static SHARED: OnceLock<(Client, Option<LocalServer>)> = OnceLock::new();
    let (client, _server) = SHARED.get_or_init(|| {
        if std::env::var("CHROMA_HOST").is_ok_and(|host| !host.is_empty()) {
            return (Client::from_env().unwrap(), None);
        }
        let server = LocalServer::builder()
            .version(version())
            .install(true)
            .on_install(|plan| eprintln!("{plan}"))
            .start()
            .unwrap();
        (server.client().unwrap(), Some(server))
    });
    client
}

/// The server's version: `CHROMA_VERSION`, or the newest that is tested.
fn version() -> String {
    let version = std::env::var("CHROMA_VERSION").ok();
    version
        .filter(|v| !v.is_empty())
        .unwrap_or_else(|| "1.5.9".to_owned())
}

/// A collection name that no other test and no other run uses.
fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{next}", now.as_nanos(), std::process::id())
}

/// Whether the server stores lists in metadata, which those before 1.5 do not.
fn stores_lists() -> bool {
    static STORES: OnceLock<bool> = OnceLock::new();
    *STORES.get_or_init(|| {
        let record = Record::new("1").embedding([1.0]).metadata("k", ["x"]);
        Scratch::new().upsert([record]).is_ok()
    })
}

/// A collection of one test, deleted when dropped.
struct Scratch(Collection);

impl Scratch {
    /// For vectors only.
    fn new() -> Scratch {
        Scratch(client().collection(unique_name()).create().unwrap())
    }

    /// For texts.
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
        // A server of 1.5 forgets to delete the lists in the metadata of a collection's records, and gives them to the
        // next records of any collection; with the records it deletes them.
        if let Ok(found) = self.get().include([]).run() {
            let _ = self.delete().ids(found.ids).run();
        }
        let _ = client().delete_collection(self.name());
    }
}
