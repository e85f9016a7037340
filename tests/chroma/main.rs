//! The client on a real Chroma server: one for all of these tests, or the one that `CHROMA_HOST` names.

// The settings of clippy.toml reach the tests, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_input;
mod collections;
mod corpus;
mod filters;
mod queries;
mod records;
mod search;

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, Collection, Hashing, LocalServer};

/// A client of the server that all tests share. The server ends with this process: nothing drops a static, and
/// nothing has to.
fn client() -> &'static Client {
    static SHARED: OnceLock<(Client, Option<LocalServer>)> = OnceLock::new();
    let (client, _server) = SHARED.get_or_init(|| {
        if std::env::var("CHROMA_HOST").is_ok_and(|host| !host.is_empty()) {
            return (Client::from_env().unwrap(), None);
        }
        let server = LocalServer::builder()
            .version("1.5.9")
            .install(true)
            .on_install(|plan| eprintln!("{plan}"))
            .start()
            .unwrap();
        (server.client().unwrap(), Some(server))
    });
    client
}

/// A collection name that no other test and no other run uses.
fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{next}", now.as_nanos(), std::process::id())
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
        let _ = client().delete_collection(self.name());
    }
}
