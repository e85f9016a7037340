//! Copies of whole databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::transfer::IfExists;
use chroma_blocking::{Client, Error};

use crate::servers::{all, assert_same, one, other, records, unique_name};
use crate::support::folder::Folder;

/// Creates a database with three collections. Returns a client of it.
fn database() -> Client {
    let name = unique_name();
    one().create_database(&name).unwrap();
    let client = one().with_database(&name);
    for count in [0, 10, 1_500] {
        let collection = client.collection(format!("c-{count}")).create().unwrap();
        if count > 0 {
            collection.add(records(0..count)).unwrap();
        }
    }
    client
}

/// Creates a database, and one in which one of its collections exists, the last one in the list.
fn with_one_target() -> (Client, Client) {
    let source = database();
    let target = other().with_database(source.database());
    other().create_database(source.database()).unwrap();
    target.collection("c-1500").create().unwrap();
    (source, target)
}

fn assert_equal(source: &Client, copy: &Client) {
    let collections = source.list_collections().run().unwrap();
    assert_eq!(copy.count_collections().unwrap(), collections.len());
    for collection in collections {
        let copied = copy.collection(collection.name()).get().unwrap();
        assert_same(&copied, &all(&collection));
    }
}

#[test]
fn all_collections_are_copied_into_a_new_database() {
    let source = database();
    let target = other().with_database(source.database());
    let dry = source
        .copy_database_to(&target)
        .dry_run(true)
        .run()
        .unwrap();
    assert_eq!(dry.len(), 3);
    assert_eq!(dry.iter().map(|report| report.written).sum::<u64>(), 1_510);
    assert!(target.get_database(target.database()).is_err());
    let reports = source.copy_database_to(&target).run().unwrap();
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|report| report.verified));
    assert_equal(&source, &target);
}

#[test]
fn nothing_is_written_if_one_of_the_targets_exists() {
    let (source, target) = with_one_target();
    let refused = source.copy_database_to(&target).run().unwrap_err();
    assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");
    assert_eq!(target.count_collections().unwrap(), 1);
    let renamed = source
        .copy_database_to(&target)
        .rename(|name| format!("{name}-new"));
    renamed.run().unwrap();
    assert_eq!(target.count_collections().unwrap(), 4);
    let same = source
        .copy_database_to(&target)
        .rename(|_| "same".to_owned());
    let refused = same.run().unwrap_err();
    assert!(refused.to_string().contains("\"same\""), "{refused}");
}

#[test]
fn a_refused_copy_is_refused_again() {
    let (source, target) = with_one_target();
    let folder = Folder::new();
    for _ in 0..2 {
        let copy = source.copy_database_to(&target);
        let refused = copy.checkpoint(folder.path("all.ckpt")).run();
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");
        assert_eq!(target.count_collections().unwrap(), 1);
    }
}

/// Copies the collections of a database until the large one is reached. Returns the names of those that are
/// complete.
fn stopped(source: &Client, target: &Client, file: &std::path::Path) -> Vec<String> {
    let stop = Arc::new(AtomicBool::new(false));
    let reports = source
        .copy_database_to(target)
        .checkpoint(file)
        .cancel(stop.clone())
        .on_progress(|progress| {
            let is_large = progress.total == Some(1_500);
            stop.store(is_large && progress.written > 0, Ordering::Relaxed);
        })
        .run()
        .unwrap();
    let complete = reports.into_iter().filter(|report| !report.cancelled);
    complete.map(|report| report.collection).collect()
}

#[test]
fn a_killed_copy_leaves_out_what_is_complete_and_only_that() {
    let source = database();
    let target = other().with_database(source.database());
    let folder = Folder::new();
    let file = folder.path("all.ckpt");
    let complete = stopped(&source, &target, &file);
    let again = || source.copy_database_to(&target).checkpoint(&file);

    let refused = again().if_exists(IfExists::Mirror).run().unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("different treatment of existing collections; name another file, or delete it to start from the beginning"),
        "{message}"
    );

    for (name, is_replaced) in complete.iter().zip([false, true]) {
        // Another program has deleted the copy, or replaced it.
        target.delete_collection(name).unwrap();
        if is_replaced {
            target.collection(name).create().unwrap();
        }
    }
    if let Some(replaced) = complete.get(1) {
        let refused = again().run().unwrap_err();
        assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");
        target.delete_collection(replaced).unwrap();
    }
    let rest = again().run().unwrap();
    assert_eq!(rest.len(), 3);
    assert_equal(&source, &target);
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn a_copy_with_other_names_leaves_out_nothing() {
    let source = database();
    let target = other().with_database(source.database());
    let folder = Folder::new();
    let file = folder.path("all.ckpt");
    stopped(&source, &target, &file);
    let renamed = source.copy_database_to(&target).checkpoint(&file);
    let reports = renamed.rename(|name| format!("{name}-v2")).run().unwrap();
    assert_eq!(reports.len(), 3);
    assert!(
        reports
            .iter()
            .all(|report| report.collection.ends_with("-v2"))
    );
}

#[test]
fn a_stopped_copy_continues_with_the_collections_that_are_left() {
    let source = database();
    let target = other().with_database(source.database());
    let folder = Folder::new();
    let file = folder.path("all.ckpt");
    let stop = Arc::new(AtomicBool::new(false));
    let reports = source
        .copy_database_to(&target)
        .checkpoint(&file)
        .cancel(stop.clone())
        .on_progress(|progress| {
            let is_large = progress.total == Some(1_500);
            stop.store(is_large && progress.written > 0, Ordering::Relaxed);
        })
        .run()
        .unwrap();
    // Servers list collections in any order.
    let (stopped, complete) = reports.split_last().unwrap();
    assert!(stopped.cancelled, "{stopped}");
    assert!(complete.iter().all(|report| report.verified));
    let rest = source
        .copy_database_to(&target)
        .checkpoint(&file)
        .run()
        .unwrap();
    assert_eq!(rest.len(), 3 - complete.len());
    assert!(rest.iter().any(|report| report.resumed > 0), "{rest:?}");
    assert_equal(&source, &target);
    assert_eq!(folder.names(), Vec::<String>::new());
}
