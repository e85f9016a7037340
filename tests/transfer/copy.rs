//! Copies of collections.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::collection::STAMP;
use chroma_blocking::error::DifferenceKind;
use chroma_blocking::schema::HnswConfig;
use chroma_blocking::transfer::IfExists;
use chroma_blocking::{
    Collection, Error, Hashing, Key, LocalServer, Metadata, ProgressStage, Record, Space,
};

use crate::servers::{
    all, assert_same, filled, oldest, one, other, records, unique_name, with_lists,
};
use crate::support::folder::Folder;

#[test]
fn a_copy_has_all_records_in_their_order_and_all_settings() {
    let source = one()
        .collection(unique_name())
        .embedding_function(Hashing::with_dimension(3).unwrap())
        .space(Space::L2)
        .hnsw(HnswConfig::new().ef_search(77))
        .metadata("owner", "me")
        .create()
        .unwrap();
    let records = with_lists(records(0..2_345));
    source.add(&records).unwrap();
    let report = source.copy_to(&other()).run().unwrap();
    assert_eq!((report.records, report.written), (2_345, 2_345));
    assert!(report.verified && report.losses.is_empty(), "{report}");

    let copy = other().collection(source.name()).get().unwrap();
    assert_same(&copy, &records);
    // A server adds the metadata keys of records to the schema.
    let source = one().collection(source.name()).get().unwrap();
    assert_eq!(copy.metadata(), source.metadata());
    assert_eq!(copy.configuration(), source.configuration());
    assert_eq!(copy.schema(), source.schema());
    assert_eq!(
        copy.embedding_function().unwrap().name(),
        "chroma_blocking_hashing"
    );
}

#[test]
fn a_copy_of_a_stamped_collection_has_its_own_stamps() {
    let builder = one().collection(unique_name()).stamp_writes(true);
    let source = builder.create().unwrap();
    let records = records(0..300);
    source.add(&records).unwrap();
    let shown = |notes: &Collection| {
        let opened = notes.client().collection(notes.name());
        opened.show_stamps(true).get().unwrap()
    };
    let stamps = |notes: &Collection| {
        let all = shown(notes).get().run().unwrap().metadatas.unwrap();
        let of = |metadata: &Metadata| metadata.get(STAMP).unwrap().as_int().unwrap();
        all.iter().map(of).collect::<Vec<_>>()
    };
    let last = stamps(&source).into_iter().max().unwrap();
    // A source that shows its stamps makes the same copy.
    for from in [source.clone(), shown(&source)] {
        let name = unique_name();
        let report = from.copy_to(&other()).name(&name).run().unwrap();
        assert!(report.verified, "{report}");
        let copy = other().collection(&name).get().unwrap();
        assert!(copy.stamps_writes());
        assert_same(&copy, &records);
        assert!(stamps(&copy).iter().all(|stamp| *stamp > last));
        // A second run finds no difference.
        let again = from.copy_to(&other()).name(&name);
        let report = again.if_exists(IfExists::Mirror).run().unwrap();
        assert_eq!((report.written, report.skipped), (0, 300), "{report}");
    }
    let folder = Folder::new();
    let backup = folder.path("backup");
    let report = one().backup().collections([source.name()]);
    report.to_folder(&backup).unwrap();
    let restored = other().restore(&backup).run().unwrap();
    assert!(restored[0].verified, "{}", restored[0]);
    let restored = other().collection(source.name()).get().unwrap();
    assert!(restored.stamps_writes());
    assert_same(&restored, &records);
    assert!(stamps(&restored).iter().all(|stamp| *stamp > last));
}

#[test]
fn a_copy_on_the_same_server_needs_another_name() {
    let source = filled(&one(), &records(0..10));
    let refused = source.copy_to(&one()).run().unwrap_err();
    assert!(matches!(refused, Error::Invalid { .. }), "{refused}");
    let name = unique_name();
    source.copy_to(&one()).name(&name).run().unwrap();
    let copy = one().collection(name).get().unwrap();
    assert_same(&copy, &all(&source));
}

#[test]
fn vectors_of_cosine_collections_are_compared_by_direction() {
    let builder = one().collection(unique_name()).space(Space::Cosine);
    let hnsw = HnswConfig::new().sync_threshold(100).batch_size(50);
    let source = builder.hnsw(hnsw).create().unwrap();
    let records: Vec<Record> = records(1..1_001);
    for part in records.chunks(100) {
        source.add(part).unwrap();
    }
    // The index keeps vectors of length 1, so their last digits change.
    let is_normalized = || all(&source) != records;
    for _ in 0..1_000 {
        if is_normalized() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(is_normalized());
    let report = source.copy_to(&other()).run().unwrap();
    assert!(report.verified, "{report}");
    assert_eq!((report.written, report.skipped), (1_000, 0));
}

#[test]
fn an_existing_target_is_treated_as_the_caller_says() {
    let source = filled(&one(), &records(0..100));
    let copy = || source.copy_to(&other());
    copy().run().unwrap();
    let target = other().collection(source.name()).get().unwrap();
    let refused = copy().run().unwrap_err();
    assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");

    // Three records differ, one is missing, one is extra.
    let changed = [
        Record::new("id 1").document("other").embedding([9.0; 3]),
        Record::new("id 2").metadata("extra", 1),
        Record::new("id 3")
            .document("not in the source")
            .embedding([9.0; 3]),
    ];
    target.update(changed).unwrap();
    target.delete().ids("id 4").run().unwrap();
    target
        .add(Record::new("extra").embedding([1.0, 2.0, 3.0]))
        .unwrap();
    let before = all(&target);

    let report = copy()
        .if_exists(IfExists::Mirror)
        .dry_run(true)
        .run()
        .unwrap();
    assert_eq!((report.written, report.skipped, report.deleted), (4, 96, 1));
    assert_same(&target, &before);

    let add_new = || copy().if_exists(IfExists::AddNew);
    let report = add_new().dry_run(true).run().unwrap();
    assert_eq!((report.written, report.skipped), (1, 99), "{report}");
    let report = add_new().run().unwrap();
    assert_eq!((report.written, report.skipped), (1, 99), "{report}");
    assert!(report.verified);
    let one = target.get_one("id 1").unwrap().unwrap();
    assert_eq!(one.document.as_deref(), Some("other"));

    let report = copy().if_exists(IfExists::Replace).run().unwrap();
    assert_eq!((report.written, report.deleted), (3, 0), "{report}");
    assert_eq!(target.count().unwrap(), 101);

    let report = copy().if_exists(IfExists::Mirror).run().unwrap();
    assert_eq!((report.written, report.deleted), (0, 1), "{report}");
    let by_id = |mut records: Vec<Record>| {
        records.sort_by(|a, b| a.id.cmp(&b.id));
        records
    };
    assert_eq!(by_id(all(&target)), by_id(all(&source)));
}

#[test]
fn a_filter_restricts_what_is_copied_and_what_is_deleted() {
    let source = filled(&one(), &records(0..50));
    let even = || Key::field("is_even").eq(true);
    let report = source.copy_to(&other()).filter(even()).run().unwrap();
    assert_eq!((report.records, report.written), (25, 25));
    let target = other().collection(source.name()).get().unwrap();
    let extra = |id: &str, is_even: bool| {
        let record = Record::new(id).embedding([1.0, 2.0, 3.0]);
        record.metadata("is_even", is_even)
    };
    target
        .add([extra("even", true), extra("odd", false)])
        .unwrap();
    // A record of the source that no longer passes is not in the source either.
    let changed = Record::new("id 2").metadata("is_even", false);
    source.update(changed).unwrap();
    let mirror = source.copy_to(&other()).filter(even());
    let report = mirror.if_exists(IfExists::Mirror).run().unwrap();
    assert_eq!((report.deleted, report.verified), (2, true), "{report}");
    assert!(target.get_one("odd").unwrap().is_some());
    assert!(target.get_one("even").unwrap().is_none());
    assert!(target.get_one("id 2").unwrap().is_none());
}

#[test]
fn other_vectors_are_not_mixed_with_those_of_the_source() {
    let source = filled(&one(), &records(0..5));
    let target = other().collection(source.name()).create().unwrap();
    target.add(Record::new("a").embedding([1.0, 2.0])).unwrap();
    let refused = source.copy_to(&other()).if_exists(IfExists::Replace).run();
    let message = refused.unwrap_err().to_string();
    assert!(message.contains('2') && message.contains('3'), "{message}");
    assert_eq!(target.count().unwrap(), 1);
}

#[test]
fn a_stopped_copy_continues_at_its_checkpoint() {
    let source = filled(&one(), &records(0..3_000));
    let folder = Folder::new();
    let file = folder.path("copy.ckpt");
    let stop = Arc::new(AtomicBool::new(false));
    let report = source
        .copy_to(&other())
        .checkpoint(&file)
        .cancel(stop.clone())
        .on_progress(|progress| stop.store(progress.done > 0, Ordering::Relaxed))
        .run()
        .unwrap();
    assert!(report.cancelled && report.written < 3_000, "{report}");
    assert!(file.exists());

    let compared = Cell::new(0);
    let report = source
        .copy_to(&other())
        .checkpoint(&file)
        .on_progress(|progress| {
            if progress.stage == ProgressStage::Comparing {
                compared.set(progress.done);
            }
        })
        .run()
        .unwrap();
    assert!(report.resumed > 0 && report.verified, "{report}");
    let copy = other().collection(source.name()).get().unwrap();
    assert_same(&copy, &all(&source));
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn changes_during_the_copy_are_copied() {
    let source = filled(&one(), &records(0..1_000));
    let changing = source.clone();
    let mut is_first = true;
    let report = source
        .copy_to(&other())
        .on_progress(move |_| {
            if std::mem::take(&mut is_first) {
                let changed = Record::new("id 1").metadata("changed", true);
                changing.update(changed).unwrap();
                changing.delete().ids("id 2").run().unwrap();
                changing.add(records(1_000..1_001)).unwrap();
            }
        })
        .run()
        .unwrap();
    assert!(report.verified, "{report}");
    let copy = other().collection(source.name()).get().unwrap();
    assert_same(&copy, &all(&source));
}

#[test]
fn what_always_differs_is_an_error() {
    let source = filled(&one(), &records(0..100));
    let target = other();
    let name = source.name().to_owned();
    // Another program changes the copy again and again.
    let changed = source.copy_to(&target).on_progress(|_| {
        let copy = target.collection(&name).get().unwrap();
        let record = Record::new("id 1").metadata("changed", true);
        copy.update(record).unwrap();
    });
    let error = changed.run().unwrap_err();
    let Error::Differs { differences, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(differences.changed, 1, "{error}");
    assert_eq!(differences.examples[0].kind, DifferenceKind::Metadata);
}

#[test]
fn collections_move_to_and_from_the_oldest_server() {
    let source = filled(&one(), &records(0..100));
    let report = source.copy_to(&oldest()).allow_losses(true).run().unwrap();
    assert!(report.verified, "{report}");
    let copy = oldest().collection(source.name()).get().unwrap();
    assert_same(&copy, &all(&source));

    let name = unique_name();
    copy.copy_to(&one()).name(&name).run().unwrap();
    let back = one().collection(name).get().unwrap();
    assert_same(&back, &all(&source));

    let source = filled(&one(), &with_lists(records(0..3)));
    let error = source
        .copy_to(&oldest())
        .allow_losses(true)
        .run()
        .unwrap_err();
    assert!(matches!(error, Error::Ingest { .. }), "{error:#}");
}

#[test]
fn an_empty_collection_is_copied() {
    let source = one().collection(unique_name()).create().unwrap();
    let report = source.copy_to(&other()).run().unwrap();
    assert_eq!((report.records, report.written), (0, 0));
    assert!(report.verified);
}

#[test]
fn records_of_other_programs_in_the_new_copy_stay() {
    let source = filled(&one(), &records(0..100));
    let (target, name) = (other(), source.name().to_owned());
    let mut is_first = true;
    let report = source
        .copy_to(&target)
        .on_progress(|_| {
            if std::mem::take(&mut is_first) {
                let copy = target.collection(&name).get().unwrap();
                copy.add(Record::new("new").embedding([1.0; 3])).unwrap();
            }
        })
        .run()
        .unwrap();
    assert_eq!((report.verified, report.deleted), (true, 0), "{report}");
    let copy = other().collection(source.name()).get().unwrap();
    assert_eq!(copy.count().unwrap(), 101);
}

#[test]
fn a_mirror_of_nothing_deletes_nothing() {
    let source = filled(&one(), &records(0..10));
    source.copy_to(&other()).run().unwrap();
    source
        .delete()
        .ids(all(&source).into_iter().map(|r| r.id))
        .run()
        .unwrap();
    let mirror = || source.copy_to(&other()).if_exists(IfExists::Mirror);
    let report = mirror().run().unwrap();
    assert_eq!((report.withheld, report.deleted), (10, 0), "{report}");
    assert!(!report.verified, "{report}");
    let message = report.to_string();
    assert!(message.contains("10 not deleted (the source"), "{message}");
    let copy = other().collection(source.name()).get().unwrap();
    assert_eq!(copy.count().unwrap(), 10);

    // Neither side has such a record.
    let none = Key::field("number").gt(1_000);
    let report = mirror().filter(none).run().unwrap();
    assert_eq!((report.withheld, report.verified), (0, true), "{report}");
    assert_eq!(copy.count().unwrap(), 10);
}

#[test]
fn a_record_that_existed_only_during_the_copy_is_not_in_it() {
    let source = filled(&one(), &records(0..10));
    let (changing, target) = (source.clone(), other());
    let (mut is_added, mut is_deleted) = (false, false);
    let report = source
        .copy_to(&target)
        .on_progress(|progress| {
            if progress.stage != ProgressStage::Writing || is_deleted {
                return;
            }
            let copy = target.collection(changing.name()).get().unwrap();
            if !is_added {
                let late = Record::new("late").embedding([1.0; 3]);
                changing.add(late).unwrap();
                is_added = true;
            } else if copy.get_one("late").unwrap().is_some() {
                changing.delete().ids("late").run().unwrap();
                is_deleted = true;
            }
        })
        .run()
        .unwrap();
    assert!(is_deleted);
    assert_eq!((report.deleted, report.verified), (1, true), "{report}");
    let copy = other().collection(source.name()).get().unwrap();
    assert_same(&copy, &all(&source));
}

#[test]
fn a_stopped_copy_is_not_verified() {
    let source = filled(&one(), &records(0..10));
    let (target, name) = (other(), source.name().to_owned());
    let stop = Arc::new(AtomicBool::new(false));
    let mut compared = 0;
    let report = source
        .copy_to(&target)
        .cancel(stop.clone())
        .on_progress(|progress| {
            if progress.stage == ProgressStage::Comparing {
                compared += 1;
                // The last comparison, after three rounds.
                stop.store(compared == 4, Ordering::Relaxed);
            } else if compared < 3 {
                let copy = target.collection(&name).get().unwrap();
                let record = Record::new("id 1").metadata("changed", true);
                copy.update(record).unwrap();
            }
        })
        .run()
        .unwrap();
    assert_eq!((report.cancelled, report.verified), (true, false));
    assert_eq!(compared, 4);
}

#[test]
fn a_stopped_replacement_leaves_most_records() {
    let records = records(0..1_000);
    let with_text = |record: Record| record.document("text");
    let source = filled(
        &one(),
        &records
            .clone()
            .into_iter()
            .map(with_text)
            .collect::<Vec<_>>(),
    );
    source.copy_to(&other()).run().unwrap();
    // An upsert keeps the text of a record without one.
    let ids = records.iter().map(|record| &record.id);
    source.delete().ids(ids).run().unwrap();
    let without_text = |mut record: Record| {
        record.document = None;
        record
    };
    source
        .add(records.into_iter().map(without_text).collect::<Vec<_>>())
        .unwrap();

    let target = other().collection(source.name()).get().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let replace = || source.copy_to(&other()).if_exists(IfExists::Replace);
    let report = replace()
        .cancel(stop.clone())
        .on_progress(|progress| {
            stop.store(progress.stage == ProgressStage::Writing, Ordering::Relaxed);
        })
        .run()
        .unwrap();
    assert!(report.cancelled, "{report}");
    let count = target.count().unwrap();
    assert!(count >= 800, "{count}");
    assert!(replace().run().unwrap().verified);
    assert_same(&target, &all(&source));
}

#[test]
fn a_continued_copy_keeps_records_that_may_be_of_another_program() {
    let source = filled(&one(), &records(0..3_000));
    let folder = Folder::new();
    let file = folder.path("copy.ckpt");
    let copy = || source.copy_to(&other()).checkpoint(&file);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = copy()
        .cancel(stop.clone())
        .on_progress(|_| stop.store(true, Ordering::Relaxed))
        .run()
        .unwrap();
    assert!(stopped.cancelled && stopped.written > 0, "{stopped}");
    assert_eq!(folder.names(), ["copy.ckpt"]);
    let copied = other().collection(source.name()).get().unwrap();
    let foreign = Record::new("foreign").embedding([1.0; 3]);
    copied.add(foreign).unwrap();
    let lost = copied.scan().next().unwrap().unwrap().id;
    let lost = if lost == "foreign" {
        records(0..1)[0].id.clone()
    } else {
        lost
    };
    source.delete().ids([&lost]).run().unwrap();

    // The first run has copied one of the records, and the source has lost it since.
    let report = copy().run().unwrap();
    assert_eq!(report.resumed, stopped.written - 1, "{report}");
    assert_eq!((report.withheld, report.verified), (2, false), "{report}");
    assert_eq!(copied.count().unwrap(), source.count().unwrap() + 2);
    let mirror = source.copy_to(&other()).if_exists(IfExists::Mirror);
    let report = mirror.run().unwrap();
    assert_eq!((report.deleted, report.verified), (2, true), "{report}");
    assert_same(&copied, &all(&source));
}

#[test]
fn a_refused_copy_does_not_take_a_collection_of_somebody_else() {
    let source = one()
        .collection(unique_name())
        .space(Space::Cosine)
        .embedding_function(Hashing::with_dimension(3).unwrap())
        .create()
        .unwrap();
    source.add(records(0..9)).unwrap();
    let folder = Folder::new();
    let copy = || source.copy_to(&oldest()).checkpoint(folder.path("c"));
    let error = copy().run().unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let other = oldest().collection(source.name()).create().unwrap();
    let error = copy().run().unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(other.count().unwrap(), 0);
}

#[test]
fn a_flag_that_is_set_early_is_in_the_report() {
    let source = filled(&one(), &records(0..10));
    let set = Arc::new(AtomicBool::new(true));
    let report = source.copy_to(&other()).cancel(set).run().unwrap();
    assert!(report.cancelled && !report.verified, "{report}");
    assert_eq!(report.written, 0);
}

#[test]
fn a_filter_of_any_size_has_a_checkpoint() {
    let source = filled(&one(), &records(0..3_000));
    let folder = Folder::new();
    let file = folder.path("copy.ckpt");
    let numbers = || Key::field("number").is_in(0..10_000_i64);
    let copy = || source.copy_to(&other()).filter(numbers()).checkpoint(&file);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = copy()
        .cancel(stop.clone())
        .on_progress(|_| stop.store(true, Ordering::Relaxed))
        .run();
    assert!(stopped.unwrap().cancelled);
    assert!(std::fs::metadata(&file).unwrap().len() < 2_000);
    let refused = source.copy_to(&other()).checkpoint(&file).run();
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("a different filter; name"), "{message}");
    assert_eq!(copy().run().unwrap().records, 3_000);
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_copy_leaves_no_list_of_ids_in_the_temporary_folder() {
    let source = filled(&one(), &records(0..10));
    let mut is_without_name = false;
    let copy = source.copy_to(&other()).on_progress(|_| {
        let open_files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        is_without_name |= open_files.into_iter().any(|file| {
            let path = std::fs::read_link(file.path()).unwrap_or_default();
            let path = path.to_string_lossy();
            path.contains("chroma-ids-") && path.ends_with(" (deleted)")
        });
    });
    copy.run().unwrap();
    assert!(is_without_name);
}

#[test]
fn a_copied_data_folder_is_brought_up_to_date() {
    let folder = Folder::new();
    let (old, new) = (folder.make("old"), folder.make("new"));
    let start = |data: &std::path::Path| {
        let builder = LocalServer::builder().install(true).version("1.0.0");
        builder.data(data).start().unwrap()
    };
    let server = start(&old);
    let source = filled(&server.client().unwrap(), &records(0..3));
    let name = source.name();
    server.stop().unwrap();
    copy_folder(&old, &new);
    let (old, new) = (start(&old), start(&new));
    let source = old.client().unwrap().collection(name).get().unwrap();
    let target = new.client().unwrap();
    assert_eq!(source.id(), target.collection(name).get().unwrap().id());
    source.add(records(3..5)).unwrap();
    let copy = source.copy_to(&target).if_exists(IfExists::Replace);
    let report = copy.run().unwrap();
    assert_eq!((report.written, report.verified), (2, true), "{report}");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}
