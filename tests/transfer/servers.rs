//! The servers that these tests share, and collections to copy.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use chroma_blocking::{Client, Collection, LocalServer, Record};

/// Starts a server of a version.
pub fn start(version: &str) -> LocalServer {
    let builder = LocalServer::builder().install(true).version(version);
    builder.start().unwrap()
}

/// Returns a client of the first server.
pub fn one() -> Client {
    static SERVER: OnceLock<LocalServer> = OnceLock::new();
    SERVER.get_or_init(|| start("1.5.9")).client().unwrap()
}

/// Returns a client of the second server.
pub fn other() -> Client {
    static SERVER: OnceLock<LocalServer> = OnceLock::new();
    SERVER.get_or_init(|| start("1.5.9")).client().unwrap()
}

/// Returns a client of the oldest server.
pub fn oldest() -> Client {
    static SERVER: OnceLock<LocalServer> = OnceLock::new();
    SERVER.get_or_init(|| start("1.0.0")).client().unwrap()
}

/// Returns a name that no other test uses.
pub fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("moved-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns records with each kind of value.
pub fn records(range: std::ops::Range<usize>) -> Vec<Record> {
    range
        .map(|i| {
            let mut record = Record::new(format!("id {i}"))
                .embedding([i as f32, 0.5, -1.0 / (i as f32 + 1.0)])
                .metadata("number", i as i64)
                .metadata("float", i as f64 / 4.0)
                .metadata("is_even", i % 2 == 0);
            if i % 3 != 0 {
                record = record.document(format!("text {i} \u{1f980}\n\"quoted\""));
            }
            if i % 5 == 0 {
                record = record.uri(format!("https://example.com/{i}"));
            }
            record
        })
        .collect()
}

/// Adds values that only newer servers store.
pub fn with_lists(records: Vec<Record>) -> Vec<Record> {
    let with_lists = |record: Record| {
        let tags = record.metadata("tags", ["a", "b"]);
        tags.metadata("counts", [1, 2, 3])
    };
    records.into_iter().map(with_lists).collect()
}

/// Creates a collection with records.
pub fn filled(client: &Client, records: &[Record]) -> Collection {
    let collection = client.collection(unique_name()).create().unwrap();
    collection.add(records).unwrap();
    collection
}

/// Returns all records in the order in which they were added.
pub fn all(collection: &Collection) -> Vec<Record> {
    use chroma_blocking::Include::{Documents, Embeddings, Metadatas, Uris};
    let get = collection.get();
    let found = get.include([Documents, Embeddings, Metadatas, Uris]).run();
    found.unwrap().into_iter().collect()
}

/// Fails at the first record that is not the same in both collections.
#[track_caller]
pub fn assert_same(copy: &Collection, source: &[Record]) {
    let copy = all(copy);
    for (copied, record) in copy.iter().zip(source) {
        assert_eq!(copied, record);
    }
    assert_eq!(copy.len(), source.len());
}
