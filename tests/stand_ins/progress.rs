//! Reports of embedding functions about their work, and progress of long calls.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Hashing, Progress, ProgressStage, Record,
    RetryPolicy,
    embed::{Cached, EmbeddingContext, EmbeddingError, MemoryCache},
};

use crate::support::reporting::Reporting;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{HITS, LIMITS, chroma, client};

fn with_function(server: &StandIn, function: impl EmbeddingFunction + 'static) -> Collection {
    let opened = client(server)
        .collection("abc")
        .embedding_function(function)
        .get();
    opened.unwrap()
}

fn documents(count: usize) -> Vec<Record> {
    let record = |i| Record::new(format!("id{i}")).document(format!("text {i}"));
    (0..count).map(record).collect()
}

/// Starts a server on which every call succeeds.
fn accepts_all() -> StandIn {
    chroma(LIMITS, |request| {
        if request.path.ends_with("/query") {
            Answer::ok(HITS)
        } else {
            Answer::ok("{}")
        }
    })
}

#[test]
fn metrics_count_embedded_texts_by_function() {
    let server = accepts_all();
    let reporting = with_function(&server, Reporting);
    reporting.upsert(documents(10)).unwrap();
    reporting.query("a question").run().unwrap();
    reporting.query("bad").run().unwrap_err();
    let metrics = reporting.client().metrics();
    assert_eq!(metrics.embeddings.len(), 1);
    let found = &metrics.embeddings["reporting"];
    assert_eq!((found.calls, found.errors, found.texts), (3, 1, 11));
    assert_eq!((found.cache_hits, found.retries), (2, 5));
    assert_eq!(found.limiter_wait, Duration::from_secs(3));
    assert!(found.latency.max > Duration::ZERO && found.texts_per_second() > 0.0);
    // A call that sends nothing does not count.
    assert_eq!(metrics.operations["query"].calls, 1);

    let cached = with_function(
        &server,
        Cached::new(Hashing::default(), MemoryCache::new(1 << 20)),
    );
    for _ in 0..2 {
        cached.upsert(documents(10)).unwrap();
    }
    let hashing = &cached.client().metrics().embeddings["chroma_blocking_hashing"];
    assert_eq!((hashing.texts, hashing.cache_hits), (20, 10));
}

#[test]
fn long_calls_report_progress() {
    let server = accepts_all();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = reports.clone();
    let notes = with_function(&server, Reporting)
        .with_progress(move |progress: &Progress| sink.lock().unwrap().push(*progress));
    let seen = || {
        let reports: Vec<Progress> = reports.lock().unwrap().drain(..).collect();
        reports.iter().map(Progress::to_string).collect::<Vec<_>>()
    };
    notes.upsert(documents(2_500)).unwrap();
    assert_eq!(
        seen(),
        [
            "upsert: 1250 of 2500 embedded",
            "upsert: 2500 of 2500 embedded",
            "upsert: 1000 of 2500 written",
            "upsert: 2000 of 2500 written",
            "upsert: 2500 of 2500 written",
        ]
    );
    let ids: Vec<String> = (0..10_001).map(|i| i.to_string()).collect();
    notes.delete().ids(&ids).run().unwrap();
    assert_eq!(
        seen(),
        [
            "delete: 10000 of 10001 deleted",
            "delete: 10001 of 10001 deleted"
        ]
    );
    notes.query("a question").run().unwrap();
    assert_eq!(
        seen(),
        [
            "query: 0 of 1 embedded",
            "query: 1 of 1 embedded",
            "query: 1 of 1 read"
        ]
    );
    // A batch job has its own progress.
    let report = notes.ingest(documents(10)).run().unwrap();
    assert!(seen().is_empty());
    // The report of the job includes the report of the function.
    assert_eq!((report.cached, report.retries), (1, 1));
}

/// An embedding function that embeds in parts, passes on the progress of each part, and sometimes fails.
struct Careless {
    failures: AtomicUsize,
    cached: Cached<Hashing, MemoryCache>,
}

impl EmbeddingFunction for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.cached.embed_documents(documents)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let mut rows = Vec::new();
        for part in texts.chunks(2) {
            let made = self.cached.embed_with(part, context)?;
            rows.extend(made.rows().map(<[f32]>::to_vec));
        }
        match self
            .failures
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        {
            Ok(_) => Err(io::Error::other("away for the moment").into()),
            Err(_) => Ok(Embeddings::from_rows(rows)?),
        }
    }
}

#[test]
fn progress_counts_retried_texts_once() {
    let server = accepts_all();
    let careless = Careless {
        failures: AtomicUsize::new(2),
        cached: Cached::new(Hashing::default(), MemoryCache::new(1 << 20)),
    };
    careless.embed_documents(&["text 0", "text 1"]).unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = reports.clone();
    let notes = with_function(&server, careless);
    let again = RetryPolicy::default().base_delay(Duration::from_millis(1));
    let report = notes.ingest(documents(5)).retry(again).run().unwrap();
    // At the last attempt, all texts were in the cache. The job made two more attempts.
    assert_eq!((report.embedded, report.cached, report.retries), (5, 5, 2));
    let metrics = notes.client().metrics();
    let found = &metrics.embeddings["careless"];
    assert_eq!((found.calls, found.errors), (3, 2));
    assert_eq!((found.texts, found.cache_hits), (5, 5));

    let notes = notes.with_progress(move |progress| sink.lock().unwrap().push(*progress));
    notes.upsert(documents(5)).unwrap();
    let reports = reports.lock().unwrap();
    assert!(
        reports.iter().all(|progress| progress.total == Some(5)),
        "{reports:?}"
    );
    let mut embedded = reports
        .iter()
        .filter(|progress| progress.stage == ProgressStage::Embedding);
    assert_eq!(embedded.next_back().unwrap().done, 5);
}

#[test]
fn a_job_counts_only_its_own_retries() {
    let mut busy = 1;
    let server = chroma(LIMITS, move |request| {
        if !request.path.ends_with("/upsert") {
            Answer::new(502, "no")
        } else if busy > 0 {
            busy -= 1;
            Answer::new(503, "busy").header("retry-after", "0")
        } else {
            Answer::ok("{}").in_pieces(1_000, Duration::from_millis(60))
        }
    });
    let notes = with_function(&server, Hashing::default());
    let report = thread::scope(|scope| {
        let others = scope.spawn(|| notes.count().unwrap_err());
        let report = notes.ingest(documents(3)).run().unwrap();
        others.join().unwrap();
        report
    });
    assert_eq!(report.retries, 1);
    assert_eq!(notes.client().metrics().operations["count"].retries, 2);
}
