//! Jobs that are stopped and resume from their checkpoint.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Error, Record, Result, embed::EmbeddingError,
    ingest::IngestReport,
};

use super::{Letters, Scratch, TempFile, record, records};

/// Counts the texts that it embeds.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl EmbeddingFunction for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.0.fetch_add(documents.len(), Ordering::SeqCst);
        Letters.embed_documents(documents)
    }
}

/// Runs a job until at least `until` records are written.
fn run(
    notes: &Collection,
    records: Vec<Record>,
    file: &TempFile,
    until: u64,
) -> Result<IngestReport> {
    let flag = Arc::new(AtomicBool::new(false));
    let job = notes.ingest(records).checkpoint(&file.0);
    job.cancel(flag.clone())
        .concurrency(2)
        .batch_size(100)
        .on_progress(|p| flag.store(p.written >= until, Ordering::SeqCst))
        .run()
}

#[test]
fn a_stopped_job_resumes_after_the_last_written_record() {
    let counting = Counting::default();
    let scratch = Scratch::with(counting.clone());
    let file = TempFile::new();
    let first = run(&scratch.0, records(6_000), &file, 1_000).unwrap();
    assert!(
        first.cancelled && first.to_string().starts_with("stopped: "),
        "{first}"
    );
    assert!((1_000..6_000).contains(&first.written), "{first}");
    assert_eq!(scratch.0.count().unwrap() as u64, first.written);
    assert!(
        fs::metadata(&file.0).unwrap().len() < 500,
        "the checkpoint is small"
    );

    // Stopped again before it has reached the position of the checkpoint.
    let flag = Arc::new(AtomicBool::new(true));
    let at_once = scratch.0.ingest(records(6_000)).checkpoint(&file.0);
    let at_once = at_once.cancel(flag).run().unwrap();
    assert!(at_once.cancelled && at_once.written == 0, "{at_once}");
    assert_eq!(at_once.resumed, first.written);

    let second = run(&scratch.0, records(6_000), &file, u64::MAX).unwrap();
    assert!(!second.cancelled);
    assert_eq!(second.resumed, first.written);
    assert_eq!(second.read, 6_000 - first.written);
    scratch.holds(&records(6_000));
    // The stopped job finished the records in flight, so no text is embedded twice.
    assert_eq!(counting.0.load(Ordering::SeqCst), 6_000);
    assert!(!file.0.exists(), "a complete job deletes its checkpoint");
}

#[test]
fn a_flag_that_is_set_before_the_start_stops_the_job_at_once() {
    let scratch = Scratch::new();
    let flag = Arc::new(AtomicBool::new(true));
    let report = scratch.0.ingest(records(10)).cancel(flag).run().unwrap();
    assert!(report.cancelled && report.written == 0);
}

#[test]
fn a_checkpoint_of_a_different_job_is_refused() {
    let scratch = Scratch::new();
    let file = TempFile::new();
    run(&scratch.0, records(3_000), &file, 300).unwrap();
    let kept = fs::read(&file.0).unwrap();
    let count = scratch.0.count().unwrap();
    let other = Scratch::new();
    let elsewhere = Scratch::with(Counting::default());
    let mut changed = records(3_000);
    changed[100] = record(100).document("changed");
    let job = || scratch.0.ingest(records(3_000)).checkpoint(&file.0);
    for (job, what) in [
        (
            other.0.ingest(records(3_000)).checkpoint(&file.0),
            "collection",
        ),
        (
            elsewhere.0.ingest(records(3_000)).checkpoint(&file.0),
            "collection",
        ),
        (
            scratch.0.ingest(changed).checkpoint(&file.0),
            "different input",
        ),
        (
            scratch.0.ingest(records(50)).checkpoint(&file.0),
            "different input",
        ),
        (job().only_new(true), "mode"),
        (job().shard(1, 2), "shard"),
    ] {
        let error = job.run().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Invalid { .. }), "{text}");
        assert!(text.contains(what) && text.contains("delete it"), "{text}");
        assert_eq!(fs::read(&file.0).unwrap(), kept, "the file is unchanged");
    }
    let with_another_function = super::client().collection(scratch.0.name());
    let with_another_function = with_another_function
        .embedding_function(Counting::default())
        .get()
        .unwrap();
    let error = with_another_function
        .ingest(records(3_000))
        .checkpoint(&file.0);
    let error = error.run().unwrap_err().to_string();
    assert!(error.contains("embedding function"), "{error}");
    assert_eq!(scratch.0.count().unwrap(), count, "nothing was written");

    for garbage in [&b""[..], b"{", b"{\"version\":1}", &kept[..kept.len() - 2]] {
        fs::write(&file.0, garbage).unwrap();
        let error = job().run().unwrap_err().to_string();
        assert!(error.contains("not a checkpoint"), "{error}");
        assert_eq!(fs::read(&file.0).unwrap(), garbage);
    }
}

#[test]
fn a_job_that_fails_at_a_bad_record_keeps_its_checkpoint() {
    let scratch = Scratch::new();
    let file = TempFile::new();
    let mut input: Vec<_> = records(2_000).into_iter().map(Ok).collect();
    input[1_500] = Err("cut off");
    let error = scratch
        .0
        .ingest(input)
        .checkpoint(&file.0)
        .run()
        .unwrap_err();
    assert!(matches!(error, Error::Ingest { .. }), "{error}");
    assert_eq!(scratch.0.count().unwrap(), 1_500);
    // The item can be read by now. The input before it is the same.
    let report = scratch.0.ingest(records(2_000)).checkpoint(&file.0).run();
    let report = report.unwrap();
    assert!(report.resumed >= 1_400, "{report}");
    scratch.holds(&records(2_000));
}
