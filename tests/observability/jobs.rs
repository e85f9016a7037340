//! The log lines of batch jobs.

use chroma_blocking::{Record, ingest::BadRecords};

use crate::support::stand_in::Answer;
use crate::support::{LIMITS, chroma, collection, logs};

#[test]
fn field_31_each_bad_record_is_a_debug_line_and_all_of_them_are_one_warning() {
    logs();
    let server = chroma(LIMITS, |_| Answer::ok("{}"));
    let bad = |n: usize| Record::new(format!("bad31-{n}")).embedding([f32::NAN; 3]);
    let records = (0..3)
        .map(bad)
        .chain([Record::new("good31").embedding([1.0; 3])]);
    let job = collection(&server).ingest(records);
    let report = job.bad_records(BadRecords::skip()).run().unwrap();
    assert_eq!((report.written, report.failed), (1, 3));
    let lines = logs().lines().into_iter();
    let lines: Vec<String> = lines.filter(|line| line.contains("bad31-")).collect();
    let start = "chroma_blocking::ingest";
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (n, line) in lines[..3].iter().enumerate() {
        let head = format!("{start} DEBUG record \"bad31-{n}\" (item {n}) cannot be sent: ");
        assert!(line.starts_with(&head), "{line}");
    }
    let head = format!(
        "{start} WARN ingest \"abc\": 3 bad records were left out; the first one: record \"bad31-0\" (item 0) "
    );
    assert!(lines[3].starts_with(&head), "{}", lines[3]);
}
