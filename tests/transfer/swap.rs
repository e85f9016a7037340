//! Swaps of two names, interrupted at each of their steps.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{Client, Collection, Error, Record, RetryPolicy};
use serde_json::json;

use super::support::fault_proxy::{FaultProxy, fault::Fault};
use super::support::folder::Folder;
use super::support::server::{self, client, unique_name};
use super::support::stand_in::Request;

/// Creates two collections, each with a record that shows which one it is.
fn pair(client: &Client) -> (Collection, Collection) {
    let make = |name: String, id: &str| {
        let collection = client.collection(name).create().unwrap();
        let record = Record::new(id).embedding([1.0, 2.0]);
        collection.add([record]).unwrap();
        collection
    };
    let name = unique_name();
    let new = make(format!("{name}-reembedded"), "new");
    (make(name, "old"), new)
}

/// Returns the id of the collection that has this name.
fn id_of(client: &Client, name: &str) -> Option<String> {
    let found = client.collection(name).get().ok()?;
    Some(found.id().to_owned())
}

fn assert_swapped(client: &Client, old: &Collection, new: &Collection) {
    let name = old.name();
    assert_eq!(id_of(client, name).as_deref(), Some(new.id()));
    let old_name = format!("{name}-old");
    assert_eq!(id_of(client, &old_name).as_deref(), Some(old.id()));
    assert_eq!(id_of(client, new.name()), None);
}

fn assert_not_swapped(client: &Client, old: &Collection, new: &Collection) {
    assert_eq!(id_of(client, old.name()).as_deref(), Some(old.id()));
    assert_eq!(id_of(client, new.name()).as_deref(), Some(new.id()));
}

fn rename(collection: &Collection, name: &str) {
    collection.modify().name(name).run().unwrap();
}

/// Writes the journal of a swap that was killed.
fn write_journal(path: &Path, client: &Client, (old, new): (&Collection, &Collection)) {
    let journal = json!({
        "format": "chroma-blocking swap 1",
        "server": client.url(),
        "tenant": client.tenant(),
        "database": client.database(),
        "old": { "id": old.id(), "from": old.name(), "to": format!("{}-old", old.name()) },
        "new": { "id": new.id(), "from": new.name(), "to": old.name() },
    });
    fs::write(path, journal.to_string()).unwrap();
}

#[test]
fn two_collections_change_their_names() {
    let oldest = server::local().version("1.0.0").start().unwrap();
    for client in [client(), &oldest.client().unwrap()] {
        let folder = Folder::new();
        let (old, new) = pair(client);
        let swap = old.swap_with(&new).journal(folder.path("journal"));
        let swapped = swap.run().unwrap();
        let name = old.name();
        assert_eq!(
            swapped.to_string(),
            format!("{name} is the new collection; the old one is {name}-old")
        );
        assert_eq!(
            (swapped.collection.name(), swapped.collection.id()),
            (name, new.id())
        );
        assert_swapped(client, &old, &new);
        assert_eq!(folder.names(), [""; 0], "no file is left");
        assert!(
            client
                .repair_swap(folder.path("journal"))
                .unwrap()
                .is_none()
        );
        // A handle keeps its collection.
        assert_eq!(old.get().run().unwrap().ids, ["old"]);
        assert_eq!(
            client
                .collection(name)
                .get()
                .unwrap()
                .get()
                .run()
                .unwrap()
                .ids,
            ["new"]
        );
    }
}

/// All requests from the nth one on fail, as if the program had been killed there. The first of them may have
/// taken effect.
#[test]
fn a_swap_that_is_interrupted_at_any_request_is_finished() {
    let client = client();
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        let (mut is_complete, mut repaired) = (false, 0);
        for number in 0.. {
            let folder = Folder::new();
            let journal = folder.path("journal");
            // Negative: nothing fails yet.
            let left = Arc::new(AtomicIsize::new(-1));
            let counter = left.clone();
            let plan = Box::new(move |request: Option<&Request>| {
                request?;
                if counter.load(Ordering::SeqCst) < 0 {
                    return None;
                }
                match counter.fetch_sub(1, Ordering::SeqCst) {
                    0 => {
                        counter.store(0, Ordering::SeqCst);
                        Some(Fault::ResetBefore)
                    }
                    1 => Some(fault),
                    _ => None,
                }
            });
            let proxy = FaultProxy::start(client.url(), plan);
            let killed = Client::builder().host(proxy.url());
            let killed = killed.retry(RetryPolicy::none()).build().unwrap();
            let (old, new) = pair(&killed);
            left.store(number + 1, Ordering::SeqCst);
            let result = old.swap_with(&new).journal(&journal).run();
            let has_journal = journal.exists();
            match client.repair_swap(&journal).unwrap() {
                Some(swapped) => {
                    assert_eq!(swapped.collection.id(), new.id());
                    assert_swapped(client, &old, &new);
                    repaired += 1;
                }
                None if result.is_ok() => assert_swapped(client, &old, &new),
                None => assert_not_swapped(client, &old, &new),
            }
            assert_eq!(folder.names(), [""; 0]);
            assert!(client.repair_swap(&journal).unwrap().is_none());
            if result.is_ok() {
                assert!(!has_journal);
                is_complete = true;
                break;
            }
            assert!(number < 20);
        }
        // At the renames and at the request after them.
        assert!(is_complete && repaired >= 2, "{fault:?}: {repaired}");
    }
}

#[test]
fn a_journal_is_finished_from_every_state() {
    let client = client();
    for state in ["journal", "first rename", "second rename", "old deleted"] {
        let folder = Folder::new();
        let journal = folder.path("journal");
        let (old, new) = pair(client);
        write_journal(&journal, client, (&old, &new));
        let old_name = format!("{}-old", old.name());
        if state != "journal" {
            rename(&old, &old_name);
        }
        match state {
            "second rename" => rename(&new, old.name()),
            "old deleted" => client.delete_collection(&old_name).unwrap(),
            _ => {}
        }
        let swapped = client.repair_swap(&journal).unwrap().unwrap();
        assert_eq!(swapped.collection.id(), new.id(), "{state}");
        assert_eq!(swapped.old_name, old_name);
        assert_eq!(
            id_of(client, old.name()).as_deref(),
            Some(new.id()),
            "{state}"
        );
        if state != "old deleted" {
            assert_swapped(client, &old, &new);
        }
        assert!(client.repair_swap(&journal).unwrap().is_none(), "{state}");
    }
}

#[test]
fn a_name_that_another_program_has_taken_is_waited_for() {
    let client = client();
    for between in [true, false] {
        let folder = Folder::new();
        let journal = folder.path("journal");
        let (old, new) = pair(client);
        write_journal(&journal, client, (&old, &new));
        let old_name = format!("{}-old", old.name());
        let taken = if between {
            rename(&old, &old_name);
            old.name()
        } else {
            &old_name
        };
        client.collection(taken).create().unwrap();
        let error = client.repair_swap(&journal).unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        let message = error.to_string();
        let advice = format!("another collection {taken:?}; another program has created it");
        assert!(message.contains(&advice), "{message}");
        assert!(journal.exists());
        client.delete_collection(taken).unwrap();
        client.repair_swap(&journal).unwrap().unwrap();
        assert_swapped(client, &old, &new);
    }
}

#[test]
fn bad_swaps_change_nothing() {
    let client = client();
    let folder = Folder::new();
    let (old, new) = pair(client);
    let other = client.with_database(unique_name());
    client.create_database(other.database()).unwrap();
    let elsewhere = other.collection(unique_name()).create().unwrap();
    let taken = client.collection(unique_name()).create().unwrap();
    let stale = client.collection(unique_name()).create().unwrap();
    rename(&stale, &unique_name());
    let journal = folder.path("journal");
    let swap = |old: &Collection, new: &Collection| old.swap_with(new).journal(&journal);
    fs::write(folder.path("file"), "x").unwrap();
    let cases = [
        (old.swap_with(&new), "name a file with .journal(...)"),
        (
            old.swap_with(&new).journal(folder.path("file")),
            "the file exists",
        ),
        (
            old.swap_with(&new).journal(folder.path("none/journal")),
            "cannot write the journal",
        ),
        (swap(&old, &old), "it is the collection itself"),
        (swap(&old, &elsewhere), "copy it there first"),
        (swap(&old, &new).old_name(new.name()), "has this name now"),
        (swap(&old, &new).old_name("x"), "it is too short"),
        (
            swap(&old, &new).old_name(taken.name()),
            "set another one with .old_name(...)",
        ),
        (swap(&stale, &new), "deleted or renamed by another program"),
        (swap(&old, &stale), "deleted or renamed by another program"),
    ];
    for (swap, expected) in cases {
        let message = format!("{:#}", swap.run().unwrap_err());
        assert!(message.contains(expected), "{message}");
        assert_not_swapped(client, &old, &new);
        assert_eq!(folder.names(), ["file"]);
    }
}

#[test]
fn journals_of_others_and_damaged_ones_are_refused() {
    let client = client();
    let folder = Folder::new();
    let journal = folder.path("journal");
    let (old, new) = pair(client);
    write_journal(&journal, client, (&old, &new));
    let other = client.with_database(unique_name());
    client.create_database(other.database()).unwrap();
    let error = other.repair_swap(&journal).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let message = error.to_string();
    let place = format!("the swap is one of [{:?}, ", client.url());
    assert!(
        message.contains(other.database()) && message.contains(&place),
        "{message}"
    );

    let whole = fs::read(&journal).unwrap();
    for content in [&whole[..whole.len() - 1], b"", b"{}", b"notes", b"\xff"] {
        fs::write(&journal, content).unwrap();
        let error = client.repair_swap(&journal).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("not a complete journal of a swap"),
            "{message}"
        );
        assert_eq!(fs::read(&journal).unwrap(), content, "it stays");
    }
    assert_not_swapped(client, &old, &new);
}

/// Prints how long the name does not exist, as another program sees it.
#[test]
fn the_name_is_missing_for_a_moment_only() {
    let client = client();
    let mut windows = Vec::new();
    for _ in 0..10 {
        let folder = Folder::new();
        let (old, new) = pair(client);
        let is_done = AtomicBool::new(false);
        let window = thread::scope(|scope| {
            let seen = scope.spawn(|| {
                let (mut before, mut after) = (Instant::now(), None);
                while after.is_none() || !is_done.load(Ordering::SeqCst) {
                    let asked = Instant::now();
                    match id_of(client, old.name()) {
                        Some(id) if id == old.id() => before = asked,
                        Some(_) if after.is_none() => after = Some(Instant::now()),
                        _ => {}
                    }
                }
                after.unwrap() - before
            });
            old.swap_with(&new).journal(folder.path("j")).run().unwrap();
            is_done.store(true, Ordering::SeqCst);
            seen.join().unwrap()
        });
        windows.push(window);
    }
    windows.sort();
    println!("the name was missing for at most {windows:?}");
    assert!(windows[5] < Duration::from_secs(2), "{windows:?}");
}
