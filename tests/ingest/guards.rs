//! Dangerous cases: a sync must not delete too much, an outage must not look like bad records, and a cancel
//! flag that is cleared again must still stop the job.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Error, Key, Record, RetryPolicy, Where,
    embed::EmbeddingError,
    ingest::{BadRecords, IngestReport, text_records},
};

use super::support::folder::Folder;
use super::{Letters, Scratch, TempFile, record, records};

fn all() -> Where {
    Key::field("number").gte(0)
}

fn fast() -> RetryPolicy {
    let policy = RetryPolicy::default().max_retries(5);
    policy.base_delay(Duration::from_millis(2))
}

/// Runs a job whose flag is set while it reads an item, and cleared at the next progress report.
fn stopped_at(item: usize, notes: &Collection, input: Vec<Record>) -> IngestReport {
    let flag = Arc::new(AtomicBool::new(false));
    let up = flag.clone();
    let input = input.into_iter().enumerate().map(move |(index, record)| {
        up.fetch_or(index == item, Ordering::SeqCst);
        record
    });
    let job = notes.ingest(input).cancel(flag.clone()).sync(all());
    let job = job.on_progress(|_| flag.store(false, Ordering::SeqCst));
    job.run().unwrap()
}

#[test]
fn a_flag_that_is_cleared_again_still_stops_the_job() {
    let scratch = Scratch::new();
    scratch.0.add(records(2_000)).unwrap();
    let report = stopped_at(700, &scratch.0, records(2_000));
    assert!(report.cancelled && report.written < 2_000, "{report}");
    assert_eq!((report.deleted, scratch.0.count().unwrap()), (0, 2_000));
}

#[test]
fn a_flag_that_is_set_after_the_last_write_has_no_effect() {
    let scratch = Scratch::new();
    let flag = Arc::new(AtomicBool::new(false));
    let file = TempFile::new();
    let job = scratch.0.ingest(records(50)).cancel(flag.clone());
    let job = job.checkpoint(&file.0);
    let report = job
        .on_progress(|_| flag.store(true, Ordering::SeqCst))
        .run();
    let report = report.unwrap();
    assert!(!report.cancelled && report.written == 50, "{report}");
    assert!(!file.0.exists());
}

#[test]
fn a_sync_keeps_stored_records_whose_new_versions_are_bad() {
    let scratch = Scratch::new();
    scratch.0.add(records(300)).unwrap();
    // Two stored records whose new versions are invalid.
    let mut input = records(300);
    input[7] = Record::new("id7");
    input[8] = record(8).embedding([f32::NAN; 9]);
    let job = scratch.0.ingest(input).bad_records(BadRecords::skip());
    let report = job.sync(all()).run().unwrap();
    assert_eq!((report.failed, report.deleted), (2, 0), "{report}");
    scratch.holds(&records(300));
}

#[test]
fn a_resumed_sync_keeps_the_records_of_the_earlier_run() {
    let scratch = Scratch::new();
    let file = TempFile::new();
    scratch.0.add([record(9_999)]).unwrap();
    let flag = Arc::new(AtomicBool::new(false));
    let job = || {
        scratch
            .0
            .ingest(records(3_000))
            .checkpoint(&file.0)
            .sync(all())
    };
    let first = job().cancel(flag.clone()).batch_size(100);
    let first = first.on_progress(|_| flag.store(true, Ordering::SeqCst));
    let first = first.run().unwrap();
    assert!(first.cancelled && first.deleted == 0, "{first}");
    let second = job().run().unwrap();
    assert!(second.resumed > 0, "{second}");
    assert_eq!(second.deleted, 1);
    scratch.holds(&records(3_000));
}

#[test]
fn a_sync_that_fails_or_has_an_empty_input_deletes_nothing() {
    let scratch = Scratch::new();
    scratch.0.add(records(100)).unwrap();
    let nothing = scratch.0.ingest(Vec::<Record>::new()).sync(all()).run();
    assert_eq!(nothing.unwrap().deleted, 0);
    let broken = || Err(io::Error::other("the disk is gone"));
    let items = records(10).into_iter().map(Ok).chain([broken()]);
    scratch.0.ingest(items).sync(all()).run().unwrap_err();
    let mut items: Vec<_> = records(50).into_iter().map(Ok).collect();
    items[20] = Err("cut off");
    scratch.0.ingest(items).sync(all()).run().unwrap_err();
    scratch.holds(&records(100));
}

#[test]
fn field_19_the_report_of_a_sync_says_how_many_records_were_kept_and_why() {
    let scratch = Scratch::new();
    scratch.0.add(records(100)).unwrap();
    let items = || {
        let mut items: Vec<_> = records(70).into_iter().map(Ok).collect();
        (items[7], items[40]) = (Err("cut off"), Err("cut off"));
        items
    };
    let sync = |tolerated: u64| {
        let job = scratch.0.ingest(items()).bad_records(BadRecords::skip());
        job.sync(all()).tolerate_unreadable(tolerated)
    };
    for tolerated in [0, 1] {
        for is_dry in [true, false] {
            let report = sync(tolerated).dry_run(is_dry).run().unwrap();
            assert_eq!((report.failed, report.deleted), (2, 0), "{report}");
            // The 30 records that are missing, and those of the two items.
            assert_eq!(report.withheld, 32, "{report}");
            let why = report.withheld_because.as_deref();
            assert_eq!(why, Some("2 items could not be read"));
            let words = "32 not deleted (2 items could not be read)";
            assert!(report.to_string().contains(words), "{report}");
        }
    }
    scratch.holds(&records(100));
    // An empty input.
    let report = scratch.0.ingest(Vec::<Record>::new()).sync(None).run();
    let report = report.unwrap();
    assert_eq!((report.deleted, report.withheld), (0, 100), "{report}");
    assert_eq!(
        report.withheld_because.as_deref(),
        Some("the input is empty")
    );

    let report = sync(2).run().unwrap();
    assert_eq!((report.deleted, report.withheld), (32, 0), "{report}");
    assert_eq!(report.withheld_because, None);
    assert_eq!(scratch.0.count().unwrap(), 68);
    // Nothing is missing, so nothing was kept.
    let report = sync(0).run().unwrap();
    assert_eq!((report.withheld, report.withheld_because), (0, None));
}

/// Fails a number of times, with an `io::Error` or with an error of unknown type.
struct Outage {
    left: AtomicUsize,
    is_unknown: bool,
}

impl EmbeddingFunction for Outage {
    fn name(&self) -> &'static str {
        "outage"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        let less = |left: usize| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        {
            Err(_) => Letters.embed_documents(documents),
            Ok(_) if self.is_unknown => Err("it is not available".into()),
            Ok(_) => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
        }
    }
}

#[test]
fn an_outage_is_retried_and_makes_no_bad_records() {
    // Halving a batch of 100 texts down to single texts takes 199 calls.
    for (is_unknown, fails) in [(false, 3), (true, 199)] {
        let left = AtomicUsize::new(fails);
        let scratch = Scratch::with(Outage { left, is_unknown });
        let job = scratch.0.ingest(records(100)).concurrency(1);
        let report = job.bad_records(BadRecords::skip()).retry(fast()).run();
        let report = report.unwrap();
        assert_eq!((report.written, report.failed), (100, 0), "{report}");
        assert!(report.retries > 0);

        let left = AtomicUsize::new(usize::MAX);
        let scratch = Scratch::with(Outage { left, is_unknown });
        let file = TempFile::new();
        let job = scratch.0.ingest(records(100)).checkpoint(&file.0);
        let error = job.bad_records(BadRecords::skip()).retry(fast()).run();
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Ingest { .. }), "{error}");
        assert!(file.0.exists(), "the job can be resumed");
    }
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_one_bad_record() {
    let folder = Folder::new();
    for name in ["a.txt", "c.txt"] {
        std::fs::write(folder.0.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", folder.0.join("b.txt")).unwrap();
    let scratch = Scratch::new();
    let files = || text_records(&folder.0).unwrap();
    let job = scratch.0.ingest(files()).bad_records(BadRecords::skip());
    let report = job.run().unwrap();
    assert_eq!((report.written, report.failed), (2, 1), "{report}");
    assert!(report.bad[0].reason.contains("b.txt"), "{report:?}");
}

#[test]
fn an_iterator_is_not_polled_after_its_end() {
    let mut number = 0;
    let twice = std::iter::from_fn(|| {
        number += 1;
        (number % 51 != 0).then(|| record(number))
    });
    let scratch = Scratch::new();
    assert_eq!(scratch.0.ingest(twice).run().unwrap().written, 50);
}

#[test]
fn a_failed_job_stops_reading() {
    let scratch = Scratch::new();
    let read = AtomicUsize::new(0);
    let endless = (0..100_000).map(|number| {
        read.fetch_add(1, Ordering::SeqCst);
        if number == 150 {
            super::client().delete_collection(scratch.0.name()).unwrap();
        }
        std::thread::sleep(Duration::from_micros(200));
        record(number)
    });
    let error = scratch.0.ingest(endless).run().unwrap_err();
    let Error::Ingest { source, .. } = error else {
        panic!("{error}");
    };
    // A server that is deleting the collection has another error.
    let is_gone = source.status() == Some(404) || matches!(*source, Error::Conflict { .. });
    assert!(is_gone, "{source}");
    assert!(read.into_inner() < 10_000);
}
