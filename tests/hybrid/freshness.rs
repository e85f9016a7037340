//! What each freshness of an index of words promises.

use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::search::{Knn, SearchResult};
use chroma_blocking::{Collection, Hashing, Key, Record, Search};

use super::Scratch;
use super::support::server::{client, unique_name};

fn note(id: &str, text: &str) -> Record {
    Record::new(id).document(text)
}

fn search(notes: &Collection, words: &WordIndex, text: &str, freshness: Freshness) -> SearchResult {
    let search = Search::new().rank(Knn::words(text)).select([Key::score()]);
    let run = notes.search(search).words(words).freshness(freshness);
    run.run().unwrap()
}

/// The ids that a checked search finds.
fn checked(notes: &Collection, words: &WordIndex, text: &str) -> Vec<String> {
    let hits = search(notes, words, text, Freshness::Checked);
    hits.ids().map(str::to_owned).collect()
}

/// The number of requests of each operation that a function sends.
fn requests(notes: &Collection, run: impl FnOnce()) -> Vec<(&'static str, u64)> {
    let attempts = |operation| {
        let metrics = notes.client().metrics();
        metrics
            .operations
            .get(operation)
            .map_or(0, |counts| counts.attempts)
    };
    let operations = ["query", "count", "get", "search"];
    let before = operations.map(attempts);
    run();
    let after = operations.map(attempts);
    let sent = operations.into_iter().zip(before).zip(after);
    sent.map(|((operation, before), after)| (operation, after - before))
        .filter(|(_, sent)| *sent > 0)
        .collect()
}

/// A collection that stamps its writes.
fn stamped() -> Scratch {
    let builder = client().collection(unique_name()).stamp_writes(true);
    Scratch(
        builder
            .embedding_function(Hashing::default())
            .create()
            .unwrap(),
    )
}

#[test]
fn own_writes_count_at_once_without_stamps() {
    let notes = Scratch::new();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    assert!(!notes.stamps_writes());
    let same = notes.with_retry(chroma_blocking::RetryPolicy::default());

    same.update([note("1", "blue plums")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["1"]);
    assert!(checked(&notes, &words, "apples").is_empty());
    same.upsert([note("2", "yellow plums"), note("3", "plums")])
        .unwrap();
    assert_eq!(checked(&notes, &words, "plums").len(), 3);
    // As many additions as deletions.
    same.delete().ids("3").run().unwrap();
    same.add([note("4", "plums and cherries")]).unwrap();
    assert_eq!(checked(&notes, &words, "cherries"), ["4"]);
    assert!(!checked(&notes, &words, "plums").contains(&"3".to_owned()));
    same.delete()
        .filter(Key::document().contains("cherries"))
        .run()
        .unwrap();
    same.add([note("5", "melons")]).unwrap();
    assert!(checked(&notes, &words, "cherries").is_empty());
    assert_eq!(checked(&notes, &words, "melons"), ["5"]);
    same.ingest([note("5", "grapes")]).run().unwrap();
    assert_eq!(checked(&notes, &words, "grapes"), ["5"]);
    assert_eq!(words.len(), 3);
}

#[test]
fn stamped_writes_of_others_are_seen() {
    let notes = stamped();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    assert!(other.stamps_writes(), "the collection remembers it");

    other.update([note("1", "blue plums")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["1"]);
    assert!(checked(&notes, &words, "apples").is_empty());
    other.delete().ids("2").run().unwrap();
    other.add([note("3", "yellow plums")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["1", "3"]);
    assert!(checked(&notes, &words, "pears").is_empty());
    // Only metadata: the stamp changes, the document does not.
    other
        .update([Record::new("3").metadata("year", 2020)])
        .unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["1", "3"]);
}

#[test]
fn additions_and_deletions_without_stamps_are_seen_by_the_count() {
    let notes = Scratch::new();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    other.add([note("3", "plums"), note("4", "plums")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["3", "4"]);
    other.delete().ids(["1", "3"]).run().unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["4"]);
    assert_eq!(words.len(), 2);
}

#[test]
fn a_changed_document_among_the_hits_is_mended() {
    let notes = Scratch::new();
    notes
        .add((0..9).map(|n| note(&n.to_string(), "an apple")))
        .unwrap();
    notes.add([note("other", "a pear")]).unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    other
        .update([note("0", "an apple apple apple"), note("1", "a pear")])
        .unwrap();
    let found = search(&notes, &words, "apple", Freshness::Checked);
    let fresh = notes.word_index().open().unwrap();
    let expected = search(&notes, &fresh, "apple", Freshness::Snapshot);
    assert_eq!(found, expected);
    assert_eq!(found[0].id, "0");
    assert!(!found.ids().any(|id| id == "1"));
}

#[test]
fn a_snapshot_sees_nothing_new_and_a_rebuild_everything() {
    let notes = Scratch::new();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    // No one can see this: no stamp, no other count, and not among the hits.
    other.update([note("1", "blue plums")]).unwrap();
    other.add([note("3", "plums")]).unwrap();
    let found = |freshness| search(&notes, &words, "plums", freshness).len();
    assert_eq!(found(Freshness::Snapshot), 0);
    assert_eq!(found(Freshness::Checked), 1);
    assert_eq!(found(Freshness::Rebuilt), 2);
    other.update([note("2", "cherries")]).unwrap();
    words.rebuild().unwrap();
    assert_eq!(
        search(&notes, &words, "cherries", Freshness::Snapshot).len(),
        1
    );
}

#[test]
fn a_checked_search_sends_four_requests_and_a_snapshot_two() {
    let scratch = stamped();
    // A client of its own counts only the requests of this test.
    let url = client().metrics().endpoints[0].url.clone();
    let own = chroma_blocking::Client::new(url).unwrap();
    let builder = own.collection(scratch.name());
    let notes = builder
        .embedding_function(Hashing::default())
        .get()
        .unwrap();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let hybrid = || {
        let rank = chroma_blocking::search::Rrf::hybrid("apples");
        let search = Search::new().rank(rank).select([Key::document()]);
        notes.search(search).words(&words)
    };
    // The first one finds out that the server has no search.
    hybrid().run().unwrap();
    let sent = requests(&notes, || drop(hybrid().run().unwrap()));
    assert_eq!(sent, [("query", 1), ("count", 1), ("get", 2)]);
    let snapshot = || drop(hybrid().freshness(Freshness::Snapshot).run().unwrap());
    assert_eq!(requests(&notes, snapshot), [("query", 1), ("get", 1)]);
    let rebuilt = || drop(hybrid().freshness(Freshness::Rebuilt).run().unwrap());
    let sent = requests(&notes, rebuilt);
    assert_eq!(sent[0], ("query", 1), "{sent:?}");
}

#[test]
fn stamps_are_hidden_unless_they_are_asked_for() {
    use chroma_blocking::collection::STAMP;

    let notes = stamped();
    notes
        .add([note("1", "red apples").metadata("year", 2020)])
        .unwrap();
    let keys = |found: &chroma_blocking::Metadata| {
        found
            .iter()
            .map(|(key, _)| key.to_owned())
            .collect::<Vec<_>>()
    };
    let record = notes.get_one("1").unwrap().unwrap();
    assert_eq!(keys(&record.metadata), ["year"]);
    assert_eq!(
        keys(&notes.query("apples").run().unwrap()[0].metadata),
        ["year"]
    );
    let scanned = notes.scan().next().unwrap().unwrap();
    assert_eq!(keys(&scanned.metadata), ["year"]);
    let mut exported = Vec::new();
    notes.export().write_to(&mut exported).unwrap();
    assert!(!String::from_utf8(exported).unwrap().contains(STAMP));

    let shown = client()
        .collection(notes.name())
        .show_stamps(true)
        .get()
        .unwrap();
    let stamp = shown
        .get_one("1")
        .unwrap()
        .unwrap()
        .metadata
        .get(STAMP)
        .cloned();
    assert!(stamp.unwrap().as_int().unwrap() > 1_700_000_000_000_000);
    assert_eq!(
        notes
            .get()
            .filter(Key::field(STAMP).gt(0))
            .run()
            .unwrap()
            .len(),
        1
    );
    let select = Search::new()
        .rank(Knn::text("apples"))
        .select([Key::field(STAMP)]);
    let hits = notes.search(select).run().unwrap();
    assert_eq!(keys(&hits[0].metadata), [STAMP]);
    let select = Search::new().rank(Knn::text("apples")).select_all();
    assert_eq!(
        keys(&notes.search(select).run().unwrap()[0].metadata),
        ["year"]
    );

    let error = notes
        .upsert([note("2", "x").metadata(STAMP, 1)])
        .unwrap_err();
    assert!(error.to_string().contains("stamps its writes"), "{error}");
}
