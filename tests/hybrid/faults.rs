//! Own writes and looks that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::{Client, Collection, Hashing, RetryPolicy};

use super::Scratch;
use super::freshness::{checked, note};
use super::support::fault_proxy::{FaultProxy, fault::Fault};
use super::support::server::client;
use super::support::stand_in::Request;

/// Opens a collection with a client that repeats nothing.
fn opened_through(proxy: &FaultProxy, scratch: &Scratch) -> Collection {
    let own = Client::builder().host(proxy.url());
    let own = own.retry(RetryPolicy::none()).build().unwrap();
    let builder = own.collection(scratch.name());
    builder
        .embedding_function(Hashing::default())
        .get()
        .unwrap()
}

/// A client cannot know whether the server has executed a write whose answer was lost.
#[test]
fn an_own_write_that_failed_counts() {
    let scratch = Scratch::new();
    scratch
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let lost = |request: Option<&Request>| {
        let is_write = |request: &Request| {
            let mut writes = ["/update", "/upsert", "/delete"].iter();
            writes.any(|end| request.path.ends_with(end))
        };
        request.is_some_and(is_write).then_some(Fault::CutBody)
    };
    let proxy = FaultProxy::start(client().url(), Box::new(lost));
    let notes = opened_through(&proxy, &scratch);
    let words = notes.word_index().open().unwrap();
    let failed = |result: chroma_blocking::Result<()>| {
        let error = result.unwrap_err();
        assert!(error.call().unwrap().may_have_acted, "{error}");
    };
    failed(notes.update([note("1", "blue plums")]));
    assert_eq!(checked(&notes, &words, "plums"), ["1"]);
    failed(notes.upsert([note("2", "yellow plums")]));
    assert_eq!(checked(&notes, &words, "plums").len(), 2);
    failed(notes.delete().ids("2").run().map(drop));
    scratch.add([note("3", "cherries")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["1"]);
    assert_eq!(checked(&notes, &words, "cherries"), ["3"]);
}

#[test]
fn own_writes_are_seen_after_a_rebuild_that_failed() {
    let scratch = Scratch::new();
    scratch
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let is_down = Arc::new(AtomicBool::new(false));
    let plan = is_down.clone();
    let refuse = move |_: Option<&Request>| plan.load(Ordering::Relaxed).then_some(Fault::Refuse);
    let proxy = FaultProxy::start(client().url(), Box::new(refuse));
    let notes = opened_through(&proxy, &scratch);
    let words = notes.word_index().open().unwrap();
    notes.update([note("1", "blue plums")]).unwrap();
    is_down.store(true, Ordering::Relaxed);
    words.rebuild().unwrap_err();
    words.refresh().unwrap_err();
    is_down.store(false, Ordering::Relaxed);
    assert_eq!(checked(&notes, &words, "plums"), ["1"]);
}
