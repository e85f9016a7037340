//! Modes of a job: only new records, only changed ones, syncs, shards and dry runs.

use chroma_blocking::{Key, MetadataValue, Record};

use super::{Scratch, record, records};

#[test]
fn only_new_adds_records_whose_ids_do_not_exist() {
    let scratch = Scratch::new();
    let old = record(7).document("as it was");
    scratch.0.add([old.clone(), record(900)]).unwrap();
    let mut all = records(1_000);
    // An id that occurs twice: only its first record is new.
    all.push(record(5).document("too late"));
    let report = scratch.0.ingest(all).only_new(true).run().unwrap();
    assert_eq!((report.written, report.skipped), (998, 3), "{report}");
    assert_eq!(report.embedded, 998, "only new records are embedded");
    let mut expected = records(1_000);
    expected[7] = old;
    scratch.holds(&expected);
}

#[test]
fn content_hash_skips_unchanged_records() {
    let scratch = Scratch::new();
    let nightly = |records: Vec<Record>| {
        let job = scratch.0.ingest(records).content_hash("hash");
        job.run().unwrap()
    };
    let first = nightly(records(800));
    assert_eq!((first.written, first.skipped), (800, 0));
    let second = nightly(records(800));
    assert_eq!(
        (second.written, second.skipped, second.embedded),
        (0, 800, 0)
    );
    let mut changed = records(801);
    changed[3] = record(3).document("another text");
    changed[4] = record(4).metadata("number", 44);
    let third = nightly(changed.clone());
    assert_eq!((third.written, third.skipped, third.embedded), (3, 798, 3));
    let all = scratch.all();
    assert_eq!(all.len(), 801);
    assert_eq!(all["id3"].document.as_deref(), Some("another text"));
    assert_eq!(
        all["id4"]
            .metadata
            .get("number")
            .and_then(MetadataValue::as_int),
        Some(44)
    );
    assert!(all["id5"].metadata.get("hash").is_some());
}

#[test]
fn field_17_content_hash_writes_records_that_were_changed_without_their_hash() {
    let scratch = Scratch::new();
    let typed = |n: usize| {
        let typed = record(n).metadata("float", 0.1 + n as f64 / 3.0);
        typed
            .metadata("tag", "a")
            .metadata("gone", MetadataValue::Null)
    };
    let input: Vec<Record> = (0..300).map(typed).collect();
    let nightly = |hashed: bool, records: Vec<Record>| {
        let job = scratch.0.ingest(records);
        let job = if hashed {
            job.content_hash("hash")
        } else {
            job
        };
        job.run().unwrap()
    };
    nightly(true, input.clone());
    assert_eq!(nightly(true, input.clone()).skipped, 300);
    // A job without the hash, an update of the metadata and one of the text leave the old hash.
    nightly(false, vec![typed(3).document("another text")]);
    scratch
        .0
        .update([Record::new("id4").metadata("number", 44)])
        .unwrap();
    scratch
        .0
        .update([Record::new("id5").document("another text")])
        .unwrap();
    scratch
        .0
        .update([Record::new("id6").metadata("gone", "is back")])
        .unwrap();
    let report = nightly(true, input.clone());
    assert_eq!((report.written, report.skipped), (4, 296), "{report}");
    let all = scratch.all();
    for (n, expected) in input.iter().enumerate() {
        let found = &all[&format!("id{n}")];
        assert_eq!(found.document, expected.document);
        assert_eq!(
            found.metadata.get("number"),
            expected.metadata.get("number")
        );
        assert_eq!(found.metadata.get("gone"), None);
    }
    assert_eq!(nightly(true, input).skipped, 300);
}

#[test]
fn field_17_metadata_keys_that_a_new_version_lacks_can_be_removed() {
    for with_hash in [false, true] {
        let scratch = Scratch::new();
        let old = |n: usize| record(n).metadata("draft", true).metadata("tag", "a");
        let run = |records: Vec<Record>, replace: bool| {
            let job = scratch.0.ingest(records).replace_metadata(replace);
            let job = if with_hash {
                job.content_hash("hash")
            } else {
                job
            };
            job.run().unwrap()
        };
        run((0..150).map(old).collect(), false);
        let drafts = || {
            let found = scratch.0.get().filter(Key::field("draft").eq(true));
            found.run().unwrap().len()
        };
        let merged = run(records(100), false);
        assert_eq!((merged.written, drafts()), (100, 150), "{merged}");
        // Also from records whose text and hash have not changed.
        let replaced = run(records(100), true);
        assert_eq!((replaced.written, drafts()), (100, 50), "{replaced}");
        let all = scratch.all();
        let kept = record(7).metadata;
        assert!(
            kept.iter()
                .all(|(key, value)| all["id7"].metadata.get(key) == Some(value))
        );
        assert_eq!(all["id7"].metadata.get("tag"), None);
        assert_eq!(all["id7"].metadata.get("hash").is_some(), with_hash);
        let again = run(records(100), true);
        assert_eq!(again.skipped, if with_hash { 100 } else { 0 }, "{again}");
    }
}

#[test]
fn a_repeated_id_is_compared_with_its_earlier_record() {
    let scratch = Scratch::new();
    let nightly = |records: Vec<Record>| {
        let job = scratch.0.ingest(records).content_hash("hash");
        job.run().unwrap()
    };
    // The second record is stored, so each run must write both: the first one differs from it.
    let twice = vec![record(1).document("one"), record(1).document("two")];
    for _ in 0..3 {
        nightly(twice.clone());
        assert_eq!(scratch.all()["id1"].document.as_deref(), Some("two"));
    }
    let mut far = records(900);
    far.push(record(0).document("the last word"));
    for _ in 0..2 {
        nightly(far.clone());
        assert_eq!(
            scratch.all()["id0"].document.as_deref(),
            Some("the last word")
        );
    }
}

#[test]
fn a_sync_deletes_records_that_match_the_filter_and_are_not_in_the_input() {
    let scratch = Scratch::new();
    let stale = |i: usize| record(5_000 + i).metadata("source", "wiki");
    let others = |i: usize| record(9_000 + i).metadata("source", "mail");
    let input: Vec<Record> = records(600)
        .into_iter()
        .map(|record| record.metadata("source", "wiki"))
        .collect();
    let before = (0..1_100).map(stale).chain((0..10).map(others));
    scratch.0.add(before.collect::<Vec<_>>()).unwrap();
    scratch.0.add(input[..300].to_vec()).unwrap();
    let wiki = || Key::field("source").eq("wiki");
    let dry = scratch.0.ingest(input.clone()).sync(wiki()).dry_run(true);
    let dry = dry.run().unwrap();
    assert_eq!((dry.written, dry.deleted), (600, 1_100), "{dry}");
    assert!(dry.to_string().starts_with("dry run: "));
    assert_eq!(
        scratch.0.count().unwrap(),
        1_410,
        "a dry run changes nothing"
    );
    let mut reported = Vec::new();
    let job = scratch.0.ingest(input.clone()).sync(wiki());
    let job = job.on_progress(|progress| reported.push((progress.written, progress.deleted)));
    let report = job.run().unwrap();
    assert_eq!((report.written, report.deleted), (600, 1_100), "{report}");
    assert_eq!(
        reported[reported.len() - 3..],
        [(600, 0), (600, 1_000), (600, 1_100)]
    );
    let mut expected = input.clone();
    expected.extend((0..10).map(others));
    scratch.holds(&expected);

    // An unreadable item might be a stored record.
    let items = input[..599].iter().cloned().map(Ok);
    let items = items.chain([Err("cut off")]);
    let job = scratch.0.ingest(items).sync(wiki());
    let report = job
        .bad_records(chroma_blocking::ingest::BadRecords::skip())
        .run()
        .unwrap();
    assert_eq!((report.deleted, report.failed), (0, 1));
    scratch.holds(&expected);
}

#[test]
fn a_sync_without_a_filter_covers_the_whole_collection() {
    let scratch = Scratch::new();
    scratch.0.add(records(300)).unwrap();
    let report = scratch.0.ingest(records(100)).sync(None).run().unwrap();
    assert_eq!((report.written, report.deleted), (100, 200), "{report}");
    scratch.holds(&records(100));
}

#[test]
fn each_record_belongs_to_exactly_one_shard() {
    let scratch = Scratch::new();
    let all = records(1_000);
    let mut written = Vec::new();
    for index in 0..3 {
        let report = scratch.0.ingest(all.clone()).shard(index, 3).run().unwrap();
        assert_eq!(report.read, report.written);
        written.push(report.written);
    }
    assert_eq!(written.iter().sum::<u64>(), 1_000);
    assert!(
        written.iter().all(|share| (250..420).contains(share)),
        "{written:?}"
    );
    scratch.holds(&all);
    // Each shard deletes only its own records.
    let filter = || Key::field("number").gte(0);
    for index in 0..3 {
        let job = scratch.0.ingest(all[..500].to_vec()).shard(index, 3);
        job.sync(filter()).run().unwrap();
    }
    scratch.holds(&all[..500]);
}

#[test]
fn a_dry_run_changes_nothing_and_reports_what_would_change() {
    let scratch = Scratch::new();
    scratch
        .0
        .ingest(records(100))
        .content_hash("h")
        .run()
        .unwrap();
    let before = scratch.all();
    let file = super::TempFile::new();
    let report = scratch
        .0
        .ingest(records(250))
        .content_hash("h")
        .checkpoint(&file.0)
        .dry_run(true)
        .run()
        .unwrap();
    assert_eq!(
        (report.written, report.skipped, report.embedded),
        (150, 100, 150)
    );
    assert!(!file.0.exists());
    assert_eq!(scratch.all(), before);
}
