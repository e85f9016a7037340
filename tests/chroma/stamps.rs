//! Stamps: the times of writes, in the metadata of records.

use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::collection::{CollectionBuilder, STAMP};
use chroma_blocking::ingest::{BadRecords, JsonLines};
use chroma_blocking::{Collection, Key, Metadata, MetadataValue, Record};

use crate::server::{client, unique_name};
use crate::{Scratch, reason, refused};

fn new() -> CollectionBuilder {
    client().collection(unique_name()).stamp_writes(true)
}

fn stamped() -> Scratch {
    Scratch(new().create().unwrap())
}

/// Opens the collection by its name.
fn again(notes: &Collection) -> CollectionBuilder {
    client().collection(notes.name())
}

/// Opens the collection so that stamps are returned.
fn shown(notes: &Collection) -> Collection {
    again(notes).show_stamps(true).get().unwrap()
}

fn point(id: &str) -> Record {
    Record::new(id).embedding([1.0, 2.0])
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since_1970.as_micros() as i64
}

/// Returns the records in the lines of an export.
fn imported(lines: &[u8]) -> Vec<Record> {
    JsonLines::from_reader(lines).map(Result::unwrap).collect()
}

/// Returns the stamp of a record.
#[track_caller]
fn stamp(notes: &Collection, id: &str) -> i64 {
    let record = shown(notes).get_one(id).unwrap().unwrap();
    record.metadata.get(STAMP).unwrap().as_int().unwrap()
}

/// Returns the ids of the records written after a time, in order.
fn written_after(notes: &Collection, time: i64) -> Vec<String> {
    let get = notes.get().filter(Key::field(STAMP).gt(time));
    let mut ids = get.include([]).run().unwrap().ids;
    ids.sort();
    ids
}

#[test]
fn each_kind_of_write_stamps_its_records() {
    let notes = stamped();
    let before = now();
    let records = [point("a").metadata("k", 1), point("b"), point("c")];
    notes.add(records).unwrap();
    let added = stamp(&notes, "a");
    assert!(before <= added && added <= now());
    assert_eq!((stamp(&notes, "b"), stamp(&notes, "c")), (added, added));
    assert_eq!(written_after(&notes, before - 1), ["a", "b", "c"]);
    assert!(written_after(&notes, added).is_empty());

    notes.upsert([point("a"), point("d")]).unwrap();
    let upserted = stamp(&notes, "a");
    assert_eq!(written_after(&notes, added), ["a", "d"]);
    notes.update([Record::new("b")]).unwrap();
    assert_eq!(written_after(&notes, upserted), ["b"]);
    let updated = stamp(&notes, "b");
    // Metadata keys that are removed, and nothing else.
    notes
        .update([Record::new("a").remove_metadata("k")])
        .unwrap();
    assert_eq!(written_after(&notes, updated), ["a"]);
    assert!(notes.get_one("a").unwrap().unwrap().metadata.is_empty());
    // The server ignores these, and nobody else is affected.
    let last = stamp(&notes, "a");
    notes.add([point("b").metadata("k", 2)]).unwrap();
    notes.update([Record::new("none")]).unwrap();
    assert!(written_after(&notes, last).is_empty());
}

#[test]
fn each_request_of_a_write_has_its_own_time() {
    let notes = stamped();
    notes
        .add((0..6_000).map(|i| point(&i.to_string())))
        .unwrap();
    let all = shown(&notes).get().run().unwrap();
    let of = |metadata: &Metadata| metadata.get(STAMP).unwrap().as_int().unwrap();
    let mut stamps: Vec<i64> = all.metadatas.unwrap().iter().map(of).collect();
    stamps.sort_unstable();
    stamps.dedup();
    assert!(stamps.len() > 1, "{stamps:?}");
}

#[test]
fn stamps_are_hidden_unless_they_are_shown() {
    let notes = stamped();
    notes
        .add([point("a").metadata("k", 1), point("b")])
        .unwrap();
    let seen = |notes: &Collection| {
        let mut lines = Vec::new();
        notes.export().write_to(&mut lines).unwrap();
        let exported = imported(&lines).into_iter().map(|record| record.metadata);
        let mut all: Vec<Metadata> = vec![notes.get_one("a").unwrap().unwrap().metadata];
        all.extend(notes.get().run().unwrap().metadatas.unwrap());
        all.extend(notes.peek().unwrap().metadatas.unwrap());
        let hits = notes.query([1.0, 2.0]).run().unwrap().into_iter();
        all.extend(hits.map(|hit| hit.metadata));
        all.extend(notes.scan().map(|record| record.unwrap().metadata));
        all.extend(exported);
        all
    };
    let hidden = seen(&notes);
    assert_eq!(hidden.len(), 11);
    let expected = [Metadata::from([("k", 1)]), Metadata::new()];
    assert!(hidden.iter().all(|metadata| expected.contains(metadata)));
    let shown = seen(&shown(&notes));
    assert_eq!(shown.len(), 11);
    assert!(shown.iter().all(|metadata| metadata.get(STAMP).is_some()));
}

#[test]
fn a_handle_stamps_if_it_is_told_to_or_the_collection_says_so() {
    let notes = stamped();
    assert_eq!(
        notes.metadata().get(STAMP),
        Some(&MetadataValue::Bool(true))
    );
    let listed = client().list_collections().run().unwrap();
    let listed = listed.into_iter().find(|other| other.id() == notes.id());
    for handle in [
        again(&notes).get().unwrap(),
        again(&notes).get_or_create().unwrap(),
        listed.unwrap(),
        notes.modify().name(unique_name()).run().unwrap(),
    ] {
        assert!(handle.stamps_writes());
    }
    let notes = Scratch::new();
    assert!(!notes.stamps_writes());
    for handle in [
        again(&notes).stamp_writes(true).get().unwrap(),
        again(&notes).stamp_writes(true).get_or_create().unwrap(),
    ] {
        assert!(handle.stamps_writes());
        // The metadata of an existing collection stay.
        assert!(!again(&notes).get().unwrap().stamps_writes());
        handle.upsert([point("a")]).unwrap();
        assert_eq!(
            handle.get_one("a").unwrap().unwrap().metadata,
            Metadata::new()
        );
        let other = notes.get_one("a").unwrap().unwrap();
        assert!(other.metadata.get(STAMP).is_some(), "it does not stamp");
    }
}

#[test]
fn stamps_of_a_collection_are_switched_on_and_off_by_its_metadata() {
    let notes = Scratch::new();
    let metadata = notes
        .metadata()
        .clone()
        .with("owner", "me")
        .with(STAMP, true);
    let notes = Scratch(notes.modify().metadata(metadata).run().unwrap());
    assert!(notes.stamps_writes() && again(&notes).get().unwrap().stamps_writes());
    // Other keys are replaced, this one stays.
    let notes = Scratch(notes.modify().metadata([("a", 1)]).run().unwrap());
    let kept = Metadata::from([("a", 1)]).with(STAMP, true);
    assert_eq!(again(&notes).get().unwrap().metadata(), &kept);
    assert!(notes.stamps_writes());
    let notes = Scratch(notes.modify().metadata([(STAMP, false)]).run().unwrap());
    assert!(!notes.stamps_writes() && !again(&notes).get().unwrap().stamps_writes());
    // A setting of the handle stays as well.
    let own = again(&notes).stamp_writes(true).get().unwrap();
    assert!(
        own.modify()
            .name(unique_name())
            .run()
            .unwrap()
            .stamps_writes()
    );
}

#[test]
fn own_values_under_the_key_are_refused() {
    let notes = stamped();
    let own = || point("a").metadata(STAMP, 1);
    let expected = format!("key {STAMP:?}: the collection stamps its writes under this key");
    for message in [
        refused(notes.add([own()])),
        refused(notes.upsert([own()])),
        refused(notes.update([Record::new("a").remove_metadata(STAMP)])),
        refused(notes.transaction().add([own()])),
    ] {
        assert!(message.contains(&expected), "{message}");
    }
    let job = notes.ingest([own(), point("b")]);
    let report = job.bad_records(BadRecords::skip()).run().unwrap();
    assert_eq!((report.written, report.failed), (1, 1));
    assert!(report.bad[0].reason.contains(&expected), "{report}");

    // Without stamps, it is a key like any other.
    let other = Scratch::new();
    other.add([own()]).unwrap();
    assert_eq!(other.get_one("a").unwrap().unwrap().metadata.len(), 1);
}

#[test]
fn a_job_stamps_what_it_writes_and_keeps_stamps() {
    let notes = stamped();
    let report = notes.ingest([point("a").metadata("k", 1)]).run().unwrap();
    assert_eq!(report.written, 1);
    let first = stamp(&notes, "a");
    // `replace_metadata` removes the keys that the stored record has, but not its stamp.
    for handle in [notes.clone(), shown(&notes)] {
        let job = handle.ingest([point("a").metadata("l", 1)]);
        job.replace_metadata(true).run().unwrap();
        let found = notes.get_one("a").unwrap().unwrap();
        assert_eq!(found.metadata, Metadata::from([("l", 1)]));
    }
    assert!(stamp(&notes, "a") > first);
}

#[test]
fn an_imported_export_of_a_stamped_collection_equals_the_original() {
    let notes = stamped();
    let records: Vec<_> = (0..20)
        .map(|i| point(&i.to_string()).metadata("n", i))
        .collect();
    notes.add(&records).unwrap();
    let mut lines = Vec::new();
    notes.export().write_to(&mut lines).unwrap();
    let copy = Scratch(
        client()
            .collection(unique_name())
            .like(&notes)
            .create()
            .unwrap(),
    );
    assert!(copy.stamps_writes());
    let before = now();
    copy.add(imported(&lines)).unwrap();
    assert!(stamp(&copy, "0") >= before, "its own time");
    let all = |notes: &Collection| {
        let mut all: Vec<Record> = notes.scan().map(Result::unwrap).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    };
    assert_eq!(all(&copy), all(&notes));
    // A collection like a stamped one, without stamps.
    let builder = client().collection(unique_name()).like(&notes);
    let plain = Scratch(builder.stamp_writes(false).create().unwrap());
    assert!(!plain.stamps_writes());
}

#[test]
fn a_stamp_counts_among_the_keys_of_a_record() {
    let notes = stamped();
    let with = |keys: i64| point("a").metadatas((0..keys).map(|i| (format!("k{i}"), i)));
    let message = reason(notes.add([with(5_461)])).to_string();
    assert!(message.contains("it has 5461 keys"), "{message}");
    notes.add([with(5_460)]).unwrap();
    assert_eq!(notes.get_one("a").unwrap().unwrap().metadata.len(), 5_460);
    assert_eq!(notes.count().unwrap(), 1);
}
