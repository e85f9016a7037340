//! Batch jobs fill in the sparse vectors before they write.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chroma_blocking::embed::{Bm25, EmbeddingError};
use chroma_blocking::record::SparseVector;
use chroma_blocking::schema::Schema;
use chroma_blocking::{Record, RetryPolicy};
use serde_json::{Value, json};

use super::{
    Answers, Lengths, abc, abc_with, bm25, bodies, length, printed, record, server, server_with,
    words,
};
use crate::support::fast;
use crate::support::stand_in::Answer;

fn lengths() -> Schema {
    words(Lengths::default())
}

fn records() -> [Record; 3] {
    [
        record("1").document("a"),
        record("2").document("bb"),
        record("3"),
    ]
}

#[test]
fn a_repeated_write_does_not_embed_again() {
    let failures = AtomicUsize::new(0);
    let server = server_with(&lengths(), move |request| {
        let is_write = request.path.ends_with("/upsert");
        let is_first = is_write && failures.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then(|| Answer::new(503, ""))
    });
    let function = Lengths::default();
    let abc = abc_with(&server, function.clone()).with_retry(RetryPolicy::none());
    let report = abc.ingest(records()).retry(fast()).run().unwrap();
    assert_eq!(report.written, 3);
    assert_eq!(function.calls(), [["a", "bb"]]);
    let sent = bodies(&server, "/upsert");
    assert_eq!(sent.len(), 2);
    let vector = |text| json!({ "words": printed(&length(text)) });
    assert_eq!(
        sent[1]["metadatas"],
        json!([vector("a"), vector("bb"), null])
    );
}

#[test]
fn a_function_that_is_down_for_a_moment_is_asked_again() {
    let server = server(&lengths());
    let calls = AtomicUsize::new(0);
    let function = Answers(
        move |texts: &[&str]| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Err(io::Error::other("busy").into()),
            _ => Ok(texts.iter().map(|text| length(text)).collect()),
        },
    );
    let job = abc_with(&server, function);
    let report = job.ingest(records()).retry(fast()).run().unwrap();
    assert_eq!((report.written, report.retries), (3, 1));

    let never = Answers(|_: &[&str]| -> Result<Vec<SparseVector>, EmbeddingError> {
        Err("no model".into())
    });
    let server = super::server(&lengths());
    let job = abc_with(&server, never);
    let error = job.ingest(records()).retry(fast()).run().unwrap_err();
    assert!(
        format!("{error:#}").contains("lengths failed: no model"),
        "{error:#}"
    );
    assert_eq!(server.requests_to("/upsert").len(), 0);
}

/// Records as a server stores them: upserts are merged.
fn merged(records: &Mutex<serde_json::Map<String, Value>>, upsert: &Value) {
    let mut records = records.lock().unwrap();
    let ids = upsert["ids"].as_array().unwrap();
    for (index, id) in ids.iter().enumerate() {
        let stored = records
            .entry(id.as_str().unwrap())
            .or_insert_with(|| json!({ "document": null, "metadata": {} }));
        if let Some(document) = upsert["documents"].get(index) {
            stored["document"] = document.clone();
        }
        let metadata = upsert["metadatas"][index].as_object();
        for (key, value) in metadata.into_iter().flatten() {
            let stored = stored["metadata"].as_object_mut().unwrap();
            match value {
                Value::Null => stored.remove(key),
                value => stored.insert(key.clone(), value.clone()),
            };
        }
    }
}

#[test]
fn a_job_that_replaces_metadata_keeps_the_vectors_of_unchanged_records() {
    let stored = Mutex::default();
    let server = server_with(&words(Bm25::default()), move |request| {
        let body = || serde_json::from_slice::<Value>(&request.body).unwrap();
        if request.path.ends_with("/upsert") {
            merged(&stored, &body());
        } else if request.path.ends_with("/get") {
            let stored = stored.lock().unwrap();
            let ids = body()["ids"].as_array().unwrap().clone();
            let ids: Vec<_> = ids
                .iter()
                .filter_map(Value::as_str)
                .filter(|id| stored.contains_key(*id))
                .collect();
            let column =
                |name: &str| -> Vec<_> { ids.iter().map(|id| stored[*id][name].clone()).collect() };
            let answer = json!({
                "ids": ids, "documents": column("document"), "metadatas": column("metadata"),
                "include": ["documents", "metadatas"],
            });
            return Some(Answer::ok(answer.to_string()));
        }
        None
    });
    let abc = abc(&server);
    let ingest = |records: Vec<Record>| {
        let job = abc.ingest(records).content_hash("hash");
        job.replace_metadata(true).run().unwrap()
    };
    let first = |text: &str| record("1").document(text);
    let old = |record: Record| record.metadata("old", true);
    let all = vec![old(first("memory")), record("2").document("safety")];
    assert_eq!(ingest(all.clone()).written, 2);
    let report = ingest(all);
    assert_eq!((report.written, report.skipped), (0, 2), "{report}");
    assert_eq!(ingest(vec![first("crates")]).written, 1);
    // Only stop words: the earlier vector is replaced.
    assert_eq!(ingest(vec![record("2").document("the of")]).written, 1);
    let sent = bodies(&server, "/upsert");
    let (changed, emptied) = (&sent[1]["metadatas"][0], &sent[2]["metadatas"][0]);
    assert_eq!(changed["words"], bm25("crates"));
    assert_eq!(changed["old"], Value::Null);
    assert_eq!(emptied["words"], printed(&SparseVector::default()));
}
