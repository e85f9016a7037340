//! Exports: reading an export gives an equal collection.

use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use chroma_blocking::{
    Error, Include, Key, Record, Result, Where,
    ingest::{JsonLines, jsonl_records},
};

use crate::folder::Folder;
use crate::random::Random;
use crate::{Scratch, stores_lists};

fn imported(lines: &[u8]) -> Vec<Record> {
    let records: Result<Vec<_>> = JsonLines::from_reader(lines).collect();
    records.unwrap()
}

/// Returns all records of a collection, by id.
fn all(notes: &Scratch) -> Vec<Record> {
    let everything = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    let found = notes.get().include(everything).run().unwrap();
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by(|a: &Record, b| a.id.cmp(&b.id));
    found
}

fn bits(record: &Record) -> Vec<u32> {
    let vector = record.embedding.as_ref().unwrap();
    vector.iter().map(|float| float.to_bits()).collect()
}

/// Returns a record with a vector of random bit patterns, and with some of the optional fields.
fn record(number: usize, random: &mut Random) -> Record {
    let floats = std::iter::repeat_with(|| f32::from_bits(random.next() as u32));
    // The server computes with the floats, and very large ones overflow.
    let floats = floats.filter(|float| float.abs() < 1e15);
    let mut record = Record::new(format!("{number:03} \"\\\u{1F980}\u{2028}"))
        .embedding(floats.take(16).collect::<Vec<_>>());
    if number % 2 == 0 {
        record = record.document(["", "line\r\nline \u{0}\u{feff}\u{1F980}", "text"][number % 3]);
    }
    if number % 3 == 0 {
        record = record.uri("file:///x y");
    }
    if number % 5 != 0 {
        record = record
            .metadata("bool", number % 4 == 0)
            .metadata("int", i64::MIN + number as i64)
            .metadata("float", [2.0, 0.1, -2.5e-8, 1e300][number % 4])
            .metadata("string", "naïve \"quoted\"\n")
            .metadata("id", "not the id")
            .metadata("text", "not the document");
    }
    if number % 7 == 0 && stores_lists() {
        record = record
            .metadata("bools", vec![true, false])
            .metadata("ints", vec![1_i64, i64::MAX])
            .metadata("floats", vec![1.0, 0.25])
            .metadata("strings", ["a", ""]);
    }
    record
}

#[test]
fn progress_is_reported_for_the_export_and_not_for_its_requests() {
    let notes = Scratch::new();
    let vector = |n: usize| Record::new(n.to_string()).embedding([n as f32, 1.0]);
    notes.add((0..250).map(vector)).unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = reports.clone();
    let reporting =
        notes.with_progress(move |progress| sink.lock().unwrap().push(progress.to_string()));
    reporting
        .export()
        .page_size(100)
        .write_to(io::sink())
        .unwrap();
    let seen = std::mem::take(&mut *reports.lock().unwrap());
    assert_eq!(
        seen,
        [
            "export: 100 of 250 read",
            "export: 200 of 250 read",
            "export: 250 of 250 read"
        ]
    );
    // A scan sees new records while it runs.
    for ahead in [false, true] {
        assert_eq!(
            reporting.scan().page_size(100).read_ahead(ahead).count(),
            250
        );
    }
    assert!(reports.lock().unwrap().is_empty(), "{reports:?}");
}

#[test]
fn an_imported_export_equals_the_original() {
    let notes = Scratch::new();
    let mut random = Random(7);
    let records: Vec<_> = (0..210).map(|n| record(n, &mut random)).collect();
    notes.add(&records).unwrap();

    let mut lines = Vec::new();
    let mut seen = Vec::new();
    let export = notes
        .export()
        .page_size(100)
        .on_progress(|progress| seen.push(progress.done));
    assert_eq!(export.write_to(&mut lines).unwrap(), 210);
    assert!(seen.len() > 2 && seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&210));

    let again = Scratch::new();
    again.add(imported(&lines)).unwrap();
    let (before, after) = (all(&notes), all(&again));
    assert_eq!(after, before);
    assert_eq!(before, records);
    for (after, record) in after.iter().zip(&records) {
        assert_eq!(bits(after), bits(record));
    }

    // Newest first, so that the lines of the copy are those of the first one, backwards.
    let mut back = Vec::new();
    again.export().write_to(&mut back).unwrap();
    let lines = std::str::from_utf8(&lines).unwrap();
    let back: Vec<_> = std::str::from_utf8(&back).unwrap().lines().rev().collect();
    assert_eq!(back, lines.lines().collect::<Vec<_>>());
}

#[test]
fn exports_filtered_records_without_vectors() {
    let notes = Scratch::hashing();
    let texts = (0..20).map(|n| {
        let record = Record::new(format!("{n:02}")).document(format!("text {n}"));
        record.metadata("n", n)
    });
    let records: Vec<_> = texts.collect();
    notes.add(&records).unwrap();
    let mut lines = Vec::new();
    let export = notes.export().embeddings(false);
    let export = export.filter(Key::field("n").gte(15));
    assert_eq!(export.write_to(&mut lines).unwrap(), 5);
    let mut found = imported(&lines);
    found.reverse();
    assert_eq!(found, records[15..]);

    let nothing = notes.export().filter(Key::field("n").gt(100));
    assert_eq!(nothing.write_to(&mut lines).unwrap(), 0);
}

#[test]
fn an_export_writes_the_whole_file_or_leaves_it_unchanged() {
    let folder = Folder::new();
    let path = folder.path("notes.jsonl");
    let notes = Scratch::new();
    notes.add([Record::new("1").embedding([0.5])]).unwrap();
    assert_eq!(notes.export().to_file(&path).unwrap(), 1);
    let before = fs::read(&path).unwrap();
    assert_eq!(before, b"{\"id\":\"1\",\"embedding\":[0.5]}\n");
    let records: Result<Vec<_>> = jsonl_records(&path).unwrap().collect();
    assert_eq!(records.unwrap(), all(&notes));

    let refused = notes.export().filter(Key::field("").eq(1));
    assert!(matches!(refused.to_file(&path), Err(Error::Invalid { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no other file");

    let nowhere = notes.export().to_file(path.join("below/a/file"));
    assert!(matches!(nowhere, Err(Error::Io { .. })));
}

#[test]
fn a_failed_write_is_an_error() {
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let notes = Scratch::new();
    notes.add([Record::new("1").embedding([0.5])]).unwrap();
    let error = notes.export().write_to(Full).unwrap_err();
    assert!(
        format!("{error:#}").starts_with("cannot write the export: "),
        "{error}"
    );
}

#[test]
fn field_23_progress_of_an_export_has_a_total_unless_it_is_filtered() {
    let notes = Scratch::new();
    let mut random = Random(23);
    let records: Vec<_> = (0..130).map(|n| record(n, &mut random)).collect();
    notes.add(&records).unwrap();
    let export = |filter: Option<Where>| {
        let mut last = None;
        let export = notes.export().filter(filter).page_size(50);
        let export = export.on_progress(|progress| last = Some(*progress));
        export.write_to(Vec::new()).unwrap();
        last.unwrap()
    };
    let last = export(None);
    assert_eq!((last.done, last.total), (130, Some(130)));
    assert_eq!(last.to_string(), "export: 130 of 130 read");
    let first: Vec<String> = records[..7]
        .iter()
        .map(|record| record.id.clone())
        .collect();
    let last = export(Some(Key::id().is_in(first)));
    assert_eq!((last.done, last.total), (7, None));
}
