//! `Collection::with_cancel`: the server or the embedding function sets the flag at a known point of a call,
//! and nothing is sent after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chroma_blocking::embed::{EmbeddingContext, EmbeddingError, Purpose};
use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Error, Include, Record, Result, RetryPolicy,
};
use serde_json::json;

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::*;

type Flag = Arc<AtomicBool>;

/// A server that answers by `answer`, which may set the flag; and a collection with this flag.
fn with_cancel(
    mut answer: impl FnMut(&Request, &AtomicBool) -> Answer + Send + 'static,
) -> (StandIn, Collection, Flag) {
    let flag = Flag::default();
    let raise = flag.clone();
    let server = chroma(LIMITS, move |request| answer(request, &raise));
    let notes = collection(&server).with_cancel(flag.clone());
    (server, notes, flag)
}

#[track_caller]
fn assert_cancelled<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
}

#[test]
fn no_request_is_sent_after_the_flag_is_set() {
    let (server, notes, flag) = with_cancel(|_, _| Answer::ok("1"));
    assert_eq!(notes.count().unwrap(), 1);
    flag.store(true, Ordering::Relaxed);
    let before = server.requests().len();
    assert_cancelled(notes.count());
    assert_cancelled(notes.get().run());
    assert_cancelled(notes.get_one("1"));
    assert_cancelled(notes.query([1.0, 2.0]).run());
    assert_cancelled(notes.upsert(records(1)));
    assert_cancelled(notes.delete().ids("1").run());
    assert_cancelled(notes.modify().name("new").run());
    assert_cancelled(notes.fork("new"));
    assert_cancelled(notes.scan().next().unwrap());
    assert_cancelled(notes.export().write_to(Vec::new()));
    // Another retry policy keeps the flag.
    assert_cancelled(notes.with_retry(RetryPolicy::default()).count());
    assert_eq!(server.requests().len(), before);

    // The collection that this one was made from has no flag.
    assert_eq!(collection(&server).count().unwrap(), 1);
    flag.store(false, Ordering::Relaxed);
    assert_eq!(notes.count().unwrap(), 1);
}

#[test]
fn a_cancelled_write_reports_which_records_are_written() {
    let flag = Flag::default();
    let raise = flag.clone();
    let limits = r#"{"max_batch_size":2,"supports_base64_encoding":true}"#;
    let server = chroma(limits, move |request| {
        if ids_of(request).contains(&"id2".to_owned()) {
            raise.store(true, Ordering::Relaxed);
        }
        Answer::ok("{}")
    });
    let notes = collection(&server).with_cancel(flag);
    let error = notes.upsert(records(6)).unwrap_err();
    assert_eq!(ids_by_outcome(&error), [ids(0..4), ids(0..0), ids(4..6)]);
    let Error::PartlyDone { source, .. } = error else {
        unreachable!()
    };
    assert!(matches!(*source, Error::Cancelled { .. }), "{source}");
    assert_eq!(server.requests_to("/upsert").len(), 2);
}

#[test]
fn a_wait_between_attempts_ends_when_the_flag_is_set() {
    let (server, notes, _) = with_cancel(|_, flag| {
        flag.store(true, Ordering::Relaxed);
        Answer::new(503, "busy").header("retry-after", "50")
    });
    let patient = RetryPolicy::default().base_delay(Duration::from_secs(50));
    let started = Instant::now();
    assert_cancelled(notes.with_retry(patient).count());
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(server.requests_to("/count").len(), 1);
}

/// A server of 30 records.
fn thirty_records(request: &Request) -> Answer {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&request.body) else {
        return Answer::ok("30");
    };
    let found = match body["ids"].as_array() {
        Some(requested) => json!({ "ids": requested }),
        None => json!({ "ids": ids(0..30) }),
    };
    Answer::ok(found.to_string())
}

#[test]
fn a_cancelled_scan_ends_after_the_current_page() {
    for read_ahead in [false, true] {
        // Without `include`, one request lists all pages.
        for include in [vec![], vec![Include::Documents]] {
            let (_server, notes, flag) = with_cancel(|request, _| thirty_records(request));
            let scan = notes.scan().page_size(10).include(include);
            let mut scan = scan.read_ahead(read_ahead);
            assert!(scan.next().unwrap().is_ok());
            flag.store(true, Ordering::Relaxed);
            let page: Vec<_> = scan.by_ref().take(9).collect::<Result<_>>().unwrap();
            assert_eq!(page.len(), 9);
            assert_cancelled(scan.next().unwrap());
            assert!(scan.next().is_none());
        }
    }
}

#[test]
fn a_cancelled_export_ends_after_the_current_page() {
    let (_server, notes, flag) = with_cancel(|request, _| thirty_records(request));
    let mut lines = Vec::new();
    let export = notes.export().page_size(10).embeddings(false);
    let export = export.on_progress(|_| flag.store(true, Ordering::Relaxed));
    assert_cancelled(export.write_to(&mut lines));
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 10);
}

/// Sets the flag when it is called, and stops when it sees the flag.
struct Stopping(Flag);

impl EmbeddingFunction for Stopping {
    fn name(&self) -> &'static str {
        "stopping"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed_with(documents, &mut EmbeddingContext::new(Purpose::Documents))
    }

    fn embed_with(
        &self,
        _: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        assert!(!context.is_cancelled());
        self.0.store(true, Ordering::Relaxed);
        assert!(context.is_cancelled());
        Err("stopped".into())
    }
}

#[test]
fn the_embedding_function_sees_the_flag() {
    let server = chroma(LIMITS, |_| Answer::ok("{}"));
    let flag = Flag::default();
    let opened = client(&server)
        .collection("abc")
        .embedding_function(Stopping(flag.clone()))
        .get();
    let notes = opened.unwrap().with_cancel(flag.clone());
    let record = Record::new("1").document("a text");
    assert_cancelled(notes.upsert([record]));
    flag.store(false, Ordering::Relaxed);
    assert_cancelled(notes.query("a text").run());
    assert!(server.requests_to("/upsert").is_empty());
    assert!(server.requests_to("/query").is_empty());
}

#[cfg(feature = "gemini")]
#[test]
fn vectors_made_before_the_flag_was_set_stay_in_the_error() {
    let google = crate::support::gemini::Google::start();
    let gemini = chroma_blocking::Gemini::builder()
        .api_key(crate::support::gemini::KEY)
        .base_url(google.url())
        .batch_size(10)
        .concurrency(1)
        .build()
        .unwrap();
    let server = chroma(LIMITS, |_| Answer::ok("{}"));
    let flag = Flag::default();
    let raise = flag.clone();
    let opened = client(&server)
        .collection("abc")
        .embedding_function(gemini)
        .get();
    let notes = opened
        .unwrap()
        .with_cancel(flag)
        .with_progress(move |_| raise.store(true, Ordering::Relaxed));
    let record = |i| Record::new(format!("{i}")).document(format!("text {i}"));
    let error = notes.upsert((0..100).map(record)).unwrap_err();
    let Error::Embedding { source, .. } = &error else {
        panic!("{error:#}")
    };
    let Some(Error::PartlyEmbedded { done, source, .. }) = source.downcast_ref() else {
        panic!("{error:#}")
    };
    assert!((1..100).contains(&done.len()), "{error:#}");
    assert!(matches!(**source, Error::Cancelled { .. }), "{error:#}");
    assert!(server.requests_to("/upsert").is_empty());
}
