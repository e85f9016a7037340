//! Batch jobs on a real server: what they write, skip and delete, and how they resume after a stop or a
//! crash.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bad;
mod documents;
mod documents_killed;
mod files;
mod guards;
#[cfg(feature = "gemini")]
mod killed;
mod modes;
mod poisoned;
mod progress;
mod readers;
mod resumed;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Include, Record, Where, embed::EmbeddingError,
};
use support::server::{client, unique_name};

/// Embeds a text as its first eight bytes and its length, so that a vector shows which text it belongs to.
struct Letters;

impl EmbeddingFunction for Letters {
    fn name(&self) -> &'static str {
        "letters"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(Embeddings::from_rows(
            documents.iter().map(|text| letters(text)),
        )?)
    }

    fn dimension(&self) -> Option<usize> {
        Some(9)
    }
}

fn letters(text: &str) -> [f32; 9] {
    let mut row = [0.0; 9];
    for (to, byte) in row.iter_mut().zip(text.bytes()) {
        *to = f32::from(byte);
    }
    row[8] = text.len() as f32;
    row
}

/// A collection that is deleted when dropped.
struct Scratch(Collection);

impl Scratch {
    fn new() -> Scratch {
        Scratch::with(Letters)
    }

    fn with(function: impl EmbeddingFunction + 'static) -> Scratch {
        let collection = client().collection(unique_name());
        Scratch(collection.embedding_function(function).create().unwrap())
    }

    /// Returns all stored records by id, with text, vector and metadata.
    fn all(&self) -> BTreeMap<String, Record> {
        let scan =
            self.0
                .scan()
                .include([Include::Documents, Include::Embeddings, Include::Metadatas]);
        let records = scan.into_iter().map(Result::unwrap);
        records.map(|record| (record.id.clone(), record)).collect()
    }

    /// Asserts that the collection holds exactly these records, with the vectors of their texts.
    fn holds(&self, records: &[Record]) {
        let all = self.all();
        let mut expected = BTreeMap::new();
        for record in records {
            expected.insert(record.id.clone(), record);
        }
        assert!(all.keys().eq(expected.keys()), "{:?}", all.keys());
        for (id, record) in expected {
            let found = &all[&id];
            assert_eq!(found.document, record.document, "{id}");
            assert_eq!(found.metadata, record.metadata, "{id}");
            let text = record.document.as_deref().unwrap();
            assert_eq!(found.embedding.as_deref().unwrap(), letters(text), "{id}");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // When Chroma 1.5 deletes a collection, it keeps the lists in the metadata of its records, and later
        // records of any collection get them. Deleting the records first deletes the lists.
        if let Ok(found) = self.0.get().include([]).run() {
            let _ = self.0.delete().ids(found.ids).run();
        }
        let _ = client().delete_collection(self.0.name());
    }
}

fn record(number: usize) -> Record {
    let record = Record::new(format!("id{number}"));
    record
        .document(format!("{number} is the number of this text"))
        .metadata("number", number as i64)
}

fn records(count: usize) -> Vec<Record> {
    (0..count).map(record).collect()
}

/// How many times a job is killed: `INGEST_KILLS`. Default: 8.
fn kills() -> usize {
    let kills = env::var("INGEST_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(8)
}

/// A temporary path, deleted when dropped.
struct TempFile(PathBuf);

impl TempFile {
    fn new() -> TempFile {
        TempFile(env::temp_dir().join(unique_name()))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn every_record_is_written_once_with_its_vector() {
    let scratch = Scratch::new();
    let records = records(2_345);
    let mut reported = Vec::new();
    let report = scratch
        .0
        .ingest(records.clone())
        .on_progress(|p| reported.push((p.done, p.written)))
        .run()
        .unwrap();
    scratch.holds(&records);
    assert_eq!((report.read, report.written), (2_345, 2_345), "{report}");
    assert_eq!(
        (report.embedded, report.failed, report.skipped),
        (2_345, 0, 0)
    );
    assert!(
        reported.is_sorted() && reported.last() == Some(&(2_345, 2_345)),
        "{reported:?}"
    );
    let line = report.to_string();
    assert!(
        line.starts_with("2345 written, 2345 embedded in "),
        "{line}"
    );
}

#[test]
fn an_empty_input_gives_an_empty_report() {
    let scratch = Scratch::new();
    let report = scratch.0.ingest(Vec::<Record>::new()).run().unwrap();
    assert_eq!(
        (report.read, report.written, report.per_second()),
        (0, 0, 0.0)
    );
}

#[test]
fn the_last_record_of_an_id_wins() {
    let scratch = Scratch::new();
    let mut all = records(700);
    // Repetitions next to each other, in the same batch, and in distant batches.
    for (number, new) in [(10, 11), (10, 12), (3, 20), (650, 30)] {
        all.push(record(number).document(record(new).document.unwrap()));
    }
    all.insert(5, record(4).document("an earlier one"));
    for concurrency in [1, 8] {
        let report = scratch
            .0
            .ingest(all.clone())
            .concurrency(concurrency)
            .run()
            .unwrap();
        assert_eq!(report.written, 705);
        let mut expected = BTreeMap::new();
        for record in &all {
            expected.insert(record.id.clone(), record.clone());
        }
        scratch.holds(&expected.into_values().collect::<Vec<_>>());
    }
}

#[test]
fn records_with_vectors_need_no_embedding_function() {
    let name = unique_name();
    let points = client().collection(name.as_str()).create().unwrap();
    let points = Scratch(points);
    let records = (0..250).map(|i| Record::new(format!("{i}")).embedding([i as f32, 1.0]));
    let report = points.0.ingest(records).run().unwrap();
    assert_eq!((report.written, report.embedded), (250, 0));
    assert_eq!(points.0.count().unwrap(), 250);
    // A text needs one. This is an error of the job rather than a bad record.
    let error = points.0.ingest([Record::new("t").document("t")]).run();
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("without an embedding function"), "{error}");
}

#[test]
fn invalid_settings_are_refused_before_anything_is_read() {
    let scratch = Scratch::new();
    let job = || {
        let never = std::iter::from_fn(|| -> Option<Record> { panic!("it was read") });
        scratch.0.ingest(never)
    };
    for (job, name) in [
        (job().concurrency(0), "concurrency"),
        (job().concurrency(65), "concurrency"),
        (job().batch_size(0), "batch_size"),
        (job().sync(Where::all([])), "sync"),
        (job().shard(3, 3), "shard"),
        (job().shard(0, 0), "shard"),
        (job().content_hash(""), "content_hash"),
        (job().content_hash("chroma:document"), "content_hash"),
        (job().checkpoint("/no/such/folder/file"), "checkpoint"),
    ] {
        let error = job.run().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_panic_of_the_embedding_function_is_resumed_by_run() {
    struct Panics;
    impl EmbeddingFunction for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }
        fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
            assert!(!documents[0].starts_with("600"), "on purpose");
            Letters.embed_documents(documents)
        }
    }
    let scratch = Scratch::with(Panics);
    let job = || scratch.0.ingest(records(2_000)).run();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    assert!(panicked.is_err());
    assert!(scratch.0.count().unwrap() <= 600);
}
