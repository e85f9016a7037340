//! The promises of each freshness of an index of words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chroma_blocking::collection::STAMP;
use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::search::{Knn, Rrf, SearchResult};
use chroma_blocking::{Collection, Hashing, Key, Record, Search};

use super::support::server::{client, unique_name};
use super::{Scratch, own_client, requests};

pub fn note(id: &str, text: &str) -> Record {
    Record::new(id).document(text)
}

fn search(notes: &Collection, words: &WordIndex, text: &str, freshness: Freshness) -> SearchResult {
    let search = Search::new().rank(Knn::words(text)).select([Key::score()]);
    let run = notes.search(search).words(words).freshness(freshness);
    run.run().unwrap()
}

/// The ids that a checked search finds.
pub fn checked(notes: &Collection, words: &WordIndex, text: &str) -> Vec<String> {
    let hits = search(notes, words, text, Freshness::Checked);
    hits.ids().map(str::to_owned).collect()
}

/// Asserts that a checked search finds what an index that has just been built finds.
#[track_caller]
fn assert_same_as_fresh(notes: &Collection, words: &WordIndex, text: &str) {
    let found = search(notes, words, text, Freshness::Checked);
    let fresh = notes.word_index().open().unwrap();
    assert_eq!(found, search(notes, &fresh, text, Freshness::Snapshot));
    assert!(!found.is_empty());
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
    // The first search is mended already, and the second one equals it.
    let expected = search(&notes, &fresh, "apple", Freshness::Snapshot);
    assert_eq!(found, expected);
    assert_same_as_fresh(&notes, &words, "apple pear");
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

/// Opens a collection with a client of its own, and an index of its words.
fn opened_alone(scratch: &Scratch) -> (Collection, WordIndex) {
    let builder = own_client().collection(scratch.name());
    let builder = builder.embedding_function(Hashing::default());
    let notes = builder.get().unwrap();
    let words = notes.word_index().open().unwrap();
    (notes, words)
}

fn hybrid(notes: &Collection, words: &WordIndex, freshness: Freshness) -> SearchResult {
    let search = Search::new()
        .rank(Rrf::hybrid("apples"))
        .select([Key::document()]);
    let run = notes.search(search).words(words).freshness(freshness);
    run.run().unwrap()
}

#[test]
fn a_checked_search_sends_four_requests_and_a_snapshot_two() {
    for (scratch, gets) in [(stamped(), 2), (Scratch::new(), 1)] {
        scratch
            .add([note("1", "red apples"), note("2", "green pears")])
            .unwrap();
        let (notes, words) = opened_alone(&scratch);
        // Not even the first search asks whether the server has search: it cannot have an index of words.
        let sent = |freshness| {
            requests(notes.client(), || {
                assert_eq!(hybrid(&notes, &words, freshness).len(), 2);
            })
        };
        let checked = [("count", 1), ("get", gets), ("query", 1)];
        assert_eq!(sent(Freshness::Checked), checked);
        assert_eq!(sent(Freshness::Checked), checked);
        assert_eq!(sent(Freshness::Snapshot), [("get", 1), ("query", 1)]);
        let rebuilt = sent(Freshness::Rebuilt);
        assert!(rebuilt.contains(&("query", 1)), "{rebuilt:?}");
        let by_words = || drop(search(&notes, &words, "apples", Freshness::Snapshot));
        assert_eq!(requests(notes.client(), by_words), []);
    }
}

#[test]
fn a_changed_hit_is_read_again_once() {
    let scratch = Scratch::new();
    scratch
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let (notes, words) = opened_alone(&scratch);
    scratch.update([note("1", "red red apples")]).unwrap();
    let sent = || {
        requests(notes.client(), || {
            hybrid(&notes, &words, Freshness::Checked);
        })
    };
    // The hits, the changed one, and the hits of the second ranking.
    assert_eq!(sent(), [("count", 1), ("get", 3), ("query", 1)]);
    assert_eq!(sent(), [("count", 1), ("get", 1), ("query", 1)]);
}

#[test]
fn a_deleted_hit_is_left_out() {
    let notes = Scratch::new();
    notes
        .add([note("1", "red apples"), note("2", "apples and pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    // The count stays the same, so only the hits show it.
    other.delete().ids("1").run().unwrap();
    other.add([note("3", "plums")]).unwrap();
    let select = Search::new().rank(Knn::words("apples")).select_all();
    let run = notes.search(select).words(&words);
    let hits = run.freshness(Freshness::Snapshot).run().unwrap();
    assert_eq!(hits.ids().collect::<Vec<_>>(), ["2"]);
    assert_eq!(checked(&notes, &words, "apples"), ["2"]);
    // The index has one record less than the server now, so the next look finds the new one.
    assert_eq!(checked(&notes, &words, "plums"), ["3"]);
    assert_same_as_fresh(&notes, &words, "apples plums");
}

/// What the table says is not seen, until something else leads to it.
#[test]
fn as_many_additions_as_deletions_without_stamps_are_not_seen() {
    let notes = Scratch::new();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    other.delete().ids("2").run().unwrap();
    other.add([note("3", "plums")]).unwrap();
    assert!(checked(&notes, &words, "plums").is_empty());
    other.add([note("4", "cherries")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["3"]);
    assert!(checked(&notes, &words, "pears").is_empty());
    assert_eq!(words.len(), 3);
}

#[test]
fn records_keep_the_order_in_which_they_were_added() {
    let notes = Scratch::new();
    notes.add([note("1", "red apples")]).unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    // The index reads own writes before it learns of those of others.
    other.add([note("z", "plums")]).unwrap();
    notes.add([note("b", "plums")]).unwrap();
    other.add([note("a", "plums")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["z", "b", "a"]);
    // A record that is deleted and added again is the last one, even with the same document.
    notes.delete().ids(["z", "missing"]).run().unwrap();
    notes.add([note("z", "plums")]).unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["b", "a", "z"]);
    // One that a filter has kept has its place.
    let is_pear = Key::document().contains("pear");
    let of_both = notes.delete().ids(["a", "b"]).filter(is_pear);
    of_both.run().unwrap();
    assert_eq!(checked(&notes, &words, "plums"), ["b", "a", "z"]);
    assert_same_as_fresh(&notes, &words, "plums");
}

#[test]
fn a_look_reaches_back_as_far_as_lookback_says() {
    let scratch = Scratch::new();
    scratch
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let builder = client().collection(scratch.name()).stamp_writes(true);
    let notes = builder
        .embedding_function(Hashing::default())
        .get()
        .unwrap();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let open = |seconds| {
        let builder = notes.word_index();
        let builder = builder.lookback(Duration::from_secs(seconds));
        builder.open().unwrap()
    };
    let (far, near) = (open(600), open(1));
    // As if this write had taken five minutes.
    let stamp = since_1970.as_micros() as i64 - 300_000_000;
    scratch
        .update([note("1", "blue plums").metadata(STAMP, stamp)])
        .unwrap();
    assert_eq!(checked(&notes, &far, "plums"), ["1"]);
    assert!(checked(&notes, &near, "plums").is_empty());
}

#[test]
fn stamps_are_hidden_unless_they_are_asked_for() {
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

#[test]
fn more_own_writes_than_are_remembered_are_seen() {
    for stamps in [false, true] {
        let builder = client().collection(unique_name()).stamp_writes(stamps);
        let notes = Scratch(builder.create().unwrap());
        let record =
            |n: usize, text: &str| Record::new(n.to_string()).embedding([1.0]).document(text);
        let all = |text: &str| (0..10_050).map(|n| record(n, text)).collect::<Vec<_>>();
        notes.add(all("apples")).unwrap();
        let words = notes.word_index().open().unwrap();
        notes.upsert(all("plums")).unwrap();
        assert_eq!(checked(&notes, &words, "plums").len(), 16, "{stamps}");
        assert!(checked(&notes, &words, "apples").is_empty());
        notes
            .delete()
            .filter(Key::document().contains("plums"))
            .run()
            .unwrap();
        notes.add([record(7, "pears")]).unwrap();
        assert_eq!(checked(&notes, &words, "pears"), ["7"]);
        assert_eq!(words.len(), 1);
    }
}

#[test]
fn a_look_without_stamps_hides_no_stamped_write() {
    let notes = Scratch::new();
    notes
        .add([note("1", "red apples"), note("2", "green pears")])
        .unwrap();
    let words = notes.word_index().lookback(Duration::ZERO).open().unwrap();
    let stamping = || {
        let builder = client().collection(notes.name()).stamp_writes(true);
        builder
            .embedding_function(Hashing::default())
            .get()
            .unwrap()
    };
    stamping().update([note("1", "blue plums")]).unwrap();
    // This handle reads no stamps.
    assert!(!notes.stamps_writes());
    assert!(checked(&notes, &words, "cherries").is_empty());
    assert_eq!(checked(&stamping(), &words, "plums"), ["1"]);
}

#[test]
fn every_hit_is_compared_also_those_that_take_the_place_of_others() {
    let notes = Scratch::new();
    let texts = [
        "apple apple apple",
        "apple apple",
        "an apple in a garden",
        "a garden",
    ];
    let records = texts
        .iter()
        .enumerate()
        .map(|(n, text)| note(&n.to_string(), text));
    notes.add(records.collect::<Vec<_>>()).unwrap();
    let words = notes.word_index().open().unwrap();
    let other = notes.other_handle();
    other
        .update(["0", "1"].map(|id| note(id, "a pear")))
        .unwrap();
    let search = Search::new().rank(Knn::words("apple")).limit(1);
    let hits = notes.search(search).words(&words).run().unwrap();
    assert_eq!(hits.ids().collect::<Vec<_>>(), ["2"]);
}
