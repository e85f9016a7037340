//! Bad records: the stage that finds them, and how the job continues.

use std::sync::atomic::{AtomicUsize, Ordering};

use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error, Record, RetryPolicy,
    embed::EmbeddingError,
    ingest::{BadRecords, IngestReport, IngestStage},
};
use serde_json::Value;

use super::{Letters, Scratch, TempFile, record};

/// Refuses a whole batch because of one text, without naming it.
struct Picky;

impl EmbeddingFunction for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        if documents.iter().any(|text| text.contains("poison")) {
            return Err("one of them is poisoned".into());
        }
        Letters.embed_documents(documents)
    }

    fn dimension(&self) -> Option<usize> {
        Some(9)
    }
}

type Item = Result<Record, &'static str>;

/// Returns 1,000 items and the numbers of the bad ones: one is unreadable, one has no text, one has a NaN,
/// and three are poisoned.
fn input() -> (Vec<Item>, Vec<u64>) {
    let mut items: Vec<Item> = (0..1_000).map(|number| Ok(record(number))).collect();
    items[17] = Err("the line is cut off");
    items[218] = Ok(Record::new("nothing"));
    items[219] = Ok(record(219).embedding([f32::NAN; 9]));
    for poisoned in [300, 301, 777] {
        items[poisoned] = Ok(record(poisoned).document("poison"));
    }
    (items, vec![17, 218, 219, 300, 301, 777])
}

fn good() -> Vec<Record> {
    let (items, bad) = input();
    let good = (0..).zip(items).filter(|(item, _)| !bad.contains(item));
    good.filter_map(|(_, item)| item.ok()).collect()
}

fn bad_items(report: &IngestReport) -> Vec<u64> {
    let mut items: Vec<u64> = report.bad.iter().map(|bad| bad.item).collect();
    items.sort_unstable();
    items
}

#[test]
fn the_first_bad_record_stops_the_job_and_all_records_before_it_are_written() {
    for (without, first) in [(0, 17), (1, 218), (3, 300)] {
        let scratch = Scratch::with(Picky);
        let (mut items, bad) = input();
        for (index, item) in bad[..without].iter().enumerate() {
            items[*item as usize] = Ok(record(2_000 + index));
        }
        let error = scratch.0.ingest(items).run().unwrap_err();
        let text = error.to_string();
        let Error::Ingest { report, source, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((report.written, report.failed), (first, 1), "{text}");
        assert_eq!(
            scratch.0.count().unwrap() as u64,
            first,
            "no record after it"
        );
        assert!(
            source.to_string().contains(&format!("item {first}")),
            "{text}"
        );
        assert!(!source.is_retryable());
    }
}

#[test]
fn skipped_records_are_counted_and_described() {
    let scratch = Scratch::with(Picky);
    let (items, bad) = input();
    let job = scratch.0.ingest(items).bad_records(BadRecords::skip());
    let report = job.run().unwrap();
    scratch.holds(&good());
    assert_eq!((report.written, report.failed), (994, 6));
    assert_eq!(bad_items(&report), bad);
    let stage = |item: u64| report.bad.iter().find(|bad| bad.item == item).unwrap();
    assert_eq!(stage(17).stage, IngestStage::Read);
    assert_eq!(
        (stage(17).id.as_ref(), &*stage(17).reason),
        (None, "the line is cut off")
    );
    assert_eq!(stage(218).stage, IngestStage::Check);
    assert_eq!(stage(219).stage, IngestStage::Check);
    assert_eq!(stage(777).stage, IngestStage::Embed);
    assert_eq!(stage(777).id.as_deref(), Some("id777"));
    assert!(stage(777).reason.contains("poisoned"), "{}", stage(777));
}

#[test]
fn more_bad_records_than_the_limit_stop_the_job() {
    for (limit, written) in [(6, Some(994)), (5, None), (2, None)] {
        let scratch = Scratch::with(Picky);
        let (items, bad) = input();
        let policy = BadRecords::skip().at_most(limit);
        let result = scratch.0.ingest(items).bad_records(policy).run();
        match (result, written) {
            (Ok(report), Some(written)) => assert_eq!(report.written, written),
            (Err(Error::Ingest { report, .. }), None) => {
                let last = bad[limit as usize];
                assert_eq!(report.failed, limit + 1);
                assert_eq!(
                    report.written,
                    last - limit,
                    "all good records before item {last}"
                );
                assert_eq!(scratch.0.count().unwrap() as u64, last - limit);
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn dead_letters_hold_the_records_and_the_reasons() {
    let scratch = Scratch::with(Picky);
    let file = TempFile::new();
    let (items, bad) = input();
    let policy = BadRecords::dead_letters(&file.0);
    scratch.0.ingest(items).bad_records(policy).run().unwrap();
    let letters = std::fs::read_to_string(&file.0).unwrap();
    let mut letters: Vec<Value> = (letters.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    letters.sort_by_key(|letter| letter["item"].as_u64());
    let items: Vec<u64> = letters.iter().filter_map(|l| l["item"].as_u64()).collect();
    assert_eq!(items, bad);
    assert_eq!(letters[0]["reason"], "the line is cut off");
    assert_eq!(
        (&letters[0]["stage"], &letters[0]["record"]),
        (&"read".into(), &Value::Null)
    );
    let last = &letters[5];
    assert_eq!(
        (&last["stage"], &last["id"]),
        (&"embed".into(), &"id777".into())
    );
    assert_eq!(last["record"]["document"], "poison");
    assert_eq!(last["record"]["metadata"]["number"], 777);
}

#[test]
fn records_that_the_server_refuses_are_found_by_halving() {
    // Only the server refuses it: the client does not know the dimension of a collection that was empty.
    let scratch = super::client().collection(super::unique_name());
    let scratch = Scratch(scratch.create().unwrap());
    let other = super::client().collection(scratch.0.name()).get().unwrap();
    other
        .add([Record::new("first").embedding([0.0; 3])])
        .unwrap();
    let mut items = vec![Record::new("odd").embedding([1.0; 4])];
    items.extend((0..300).map(|i| Record::new(format!("{i}")).embedding([1.0; 3])));
    let job = scratch.0.ingest(items).bad_records(BadRecords::skip());
    let report = job.run().unwrap();
    assert_eq!((report.written, report.failed), (300, 1), "{report}");
    assert_eq!(report.bad[0].id.as_deref(), Some("odd"));
    assert_eq!(report.bad[0].stage, IngestStage::Write);
    assert!(report.bad[0].reason.contains("dimension"), "{report:?}");
}

/// Fails a number of times with a retryable error.
struct Unavailable(AtomicUsize);

impl EmbeddingFunction for Unavailable {
    fn name(&self) -> &'static str {
        "unavailable"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        let left = |left: usize| left.checked_sub(1);
        match self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
        {
            Ok(_) => Err(down().into()),
            Err(_) => Letters.embed_documents(documents),
        }
    }
}

/// Returns a retryable error.
fn down() -> Error {
    let client = chroma_blocking::Client::builder().host("127.0.0.1:9");
    let client = client.retry(RetryPolicy::none()).build().unwrap();
    client.heartbeat().unwrap_err()
}

#[test]
fn an_unavailable_embedding_function_is_retried() {
    let scratch = Scratch::with(Unavailable(AtomicUsize::new(6)));
    let records = super::records(500);
    let patient = RetryPolicy::default().max_retries(20);
    let patient = patient.base_delay(std::time::Duration::from_millis(5));
    let report = scratch
        .0
        .ingest(records.clone())
        .retry(patient)
        .run()
        .unwrap();
    scratch.holds(&records);
    assert_eq!((report.written, report.failed, report.retries), (500, 0, 6));

    let scratch = Scratch::with(Unavailable(AtomicUsize::new(usize::MAX)));
    let error = scratch
        .0
        .ingest(records)
        .retry(RetryPolicy::none())
        .run()
        .unwrap_err();
    let Error::Ingest { report, source, .. } = error else {
        panic!("{error}");
    };
    assert!(source.is_retryable(), "{source}");
    assert_eq!((report.written, report.failed), (0, 0), "no record is bad");
}

#[test]
fn a_failing_source_stops_the_job_even_if_bad_records_are_skipped() {
    let scratch = Scratch::new();
    let broken = || std::io::Error::other("the disk is gone");
    let items = super::records(250)
        .into_iter()
        .map(Ok)
        .chain([Err(broken())]);
    let items = items.chain(super::records(500).into_iter().map(Ok));
    let job = scratch.0.ingest(items).bad_records(BadRecords::skip());
    let error = job.run().unwrap_err();
    assert!(
        format!("{error:#}").contains("the disk is gone"),
        "{error:#}"
    );
    let Error::Ingest { report, source, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(*source, Error::Io { .. }), "{source}");
    assert_eq!(
        (report.written, report.failed),
        (250, 0),
        "the records before the failure are written"
    );
    // A line that is not UTF-8 is just one bad record.
    let odd = std::io::Error::new(std::io::ErrorKind::InvalidData, "no UTF-8");
    let job = scratch.0.ingest([Err(odd), Ok(record(1))]);
    let report = job.bad_records(BadRecords::skip()).run().unwrap();
    assert_eq!((report.written, report.failed), (1, 1));
}

#[test]
fn field_24_a_record_whose_lists_would_break_the_server_is_a_dead_letter() {
    let scratch = super::client().collection(super::unique_name());
    let scratch = Scratch(scratch.create().unwrap());
    let record = |id: &str| Record::new(id).embedding([1.0]);
    let records = [
        record("a"),
        record("lists").metadata("list", vec![1_i64; 5_462]),
        record("keys").metadatas((0..5_461_i64).map(|i| (i.to_string(), i))),
        record("b"),
    ];
    let file = TempFile::new();
    let job = scratch.0.ingest(records.clone());
    let job = job.bad_records(BadRecords::dead_letters(&file.0));
    // The hash is one more key.
    let report = job.content_hash("hash").run().unwrap();
    assert_eq!((report.written, report.failed), (2, 2), "{report:?}");
    let letters = std::fs::read_to_string(&file.0).unwrap();
    for reason in [
        r#"key \"list\": the lists of the record have 5462 values"#,
        "it has 5462 keys",
    ] {
        assert!(letters.contains(reason), "{letters}");
    }
    assert_eq!(scratch.0.get().run().unwrap().ids, ["a", "b"]);
}
