//! A scan returns each record once, despite concurrent writes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use chroma_blocking::{Error, Include, Key, Record, Result, Where, collection::Scan};

use crate::Scratch;

fn id(number: u16) -> String {
    format!("{number:05}")
}

fn record(number: u16) -> Record {
    Record::new(id(number))
        .embedding([f32::from(number), 0.5])
        .metadata("n", number)
        .metadata("open", true)
}

/// Creates a collection with the records 0 to `count`, not in the order of their ids.
fn filled(count: u16) -> Scratch {
    let notes = Scratch::new();
    notes.add((0..count).rev().map(record)).unwrap();
    notes
}

fn ids(scan: Scan) -> Vec<String> {
    let ids = scan.map(|record| record.map(|r| r.id));
    ids.collect::<Result<_>>().unwrap()
}

fn open() -> Where {
    Key::field("open").eq(true)
}

/// Asserts that these include all of the numbers, without duplicates.
fn assert_has_once(ids: &[String], numbers: impl IntoIterator<Item = u16>) {
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "none twice");
    let missing: Vec<_> = numbers.into_iter().map(id).collect();
    let missing: Vec<_> = missing.iter().filter(|id| !unique.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn returns_every_record_once_newest_first() {
    let notes = filled(250);
    let expected: Vec<_> = (0..250).map(id).collect();
    for page_size in [0, 7, 25, 26, 250, usize::MAX] {
        for read_ahead in [false, true] {
            // A page size of 1 would need 250 requests.
            let scan = match page_size {
                0 => notes.scan().filter(Key::field("n").lt(250)),
                size => notes.scan().page_size(size),
            };
            assert_eq!(ids(scan.read_ahead(read_ahead)), expected, "{page_size}");
        }
    }
    let mut backwards = notes.get().run().unwrap().ids;
    backwards.reverse();
    assert_eq!(backwards, expected);
}

#[test]
fn records_and_pages_have_the_included_columns() {
    let notes = Scratch::new();
    let whole = |n: u16| record(n).document(format!("text {n}")).uri("file:///x");
    notes.add((0..30).map(whole)).unwrap();

    // Documents and metadata, like a get.
    let plain: Vec<Record> = notes.scan().collect::<Result<_>>().unwrap();
    let mut expected: Vec<Record> = notes.get().run().unwrap().into_iter().collect();
    expected.reverse();
    assert_eq!(plain, expected);
    assert_eq!(plain[0].document.as_deref(), Some("text 29"));

    let everything = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    let mut left: Vec<_> = (0..30).map(whole).collect();
    for page in notes.scan().include(everything).page_size(8).pages() {
        let page = page.unwrap();
        assert!((1..=8).contains(&page.len()));
        for record in page {
            assert_eq!(Some(record), left.pop());
        }
    }
    assert!(left.is_empty());

    let mut pages = notes.scan().include([]).page_size(20).pages();
    let page = pages.next().unwrap().unwrap();
    assert_eq!(
        (page.len(), page.documents, page.metadatas),
        (20, None, None)
    );
    assert_eq!(pages.next().unwrap().unwrap().len(), 10);
    assert!(pages.next().is_none() && pages.next().is_none());
}

#[test]
fn a_scan_without_records_ends_without_an_error() {
    let empty = Scratch::new();
    assert_eq!(empty.scan().count(), 0);
    assert_eq!(empty.scan().read_ahead(true).pages().count(), 0);
    let notes = filled(5);
    assert_eq!(ids(notes.scan().filter(Key::field("n").gt(9))), [""; 0]);
    assert_eq!(
        ids(notes.scan().filter(Key::id().is_in(["nobody"]))),
        [""; 0]
    );
    let two = Key::id().is_in(["00003", "00001"]);
    assert_eq!(ids(notes.scan().filter(two)), ["00001", "00003"]);
    let scan = notes.scan().filter(Key::field("n").gt(1)).filter(open());
    assert_eq!(ids(scan), ["00002", "00003", "00004"]);
}

#[test]
fn a_filter_may_match_more_records_than_one_listing_holds() {
    // With pages of 5, a listing has 45 new ids and 1,000 old ones.
    let notes = filled(1_200);
    let expected: Vec<_> = (0..1_150).map(id).collect();
    let some = Key::field("n").lt(1_150);
    let scan = notes.scan().filter(some).include([]).page_size(5);
    assert_eq!(ids(scan), expected);
}

#[test]
fn records_can_be_deleted_during_the_scan() {
    for (read_ahead, filter) in [(false, false), (true, true)] {
        let notes = filled(30);
        let scan = notes.scan().page_size(1).read_ahead(read_ahead);
        let scan = scan.filter(filter.then(open));
        let mut found = Vec::new();
        for record in scan {
            let id = record.unwrap().id;
            notes.delete().ids(&id).run().unwrap();
            found.push(id);
        }
        let expected: Vec<_> = (0..30).map(id).collect();
        assert_eq!(found, expected);
        assert_eq!(notes.count().unwrap(), 0);
    }
}

#[test]
fn records_may_stop_matching_the_filter_during_the_scan() {
    // With pages of 5, a listing has 45 new ids and 1,000 old ones, so the scan needs several listings. Fewer
    // records match the filter each time.
    let notes = filled(1_100);
    let mut scan = notes.scan().filter(open()).page_size(5);
    let mut found = Vec::new();
    loop {
        let some: Vec<_> = scan.by_ref().take(100).map(|r| r.unwrap().id).collect();
        if some.is_empty() {
            break;
        }
        let closed = |id: &String| Record::new(id.as_str()).metadata("open", false);
        notes.update(some.iter().map(closed)).unwrap();
        found.extend(some);
    }
    assert_eq!(found, (0..1_100).map(id).collect::<Vec<_>>());
    assert_eq!(ids(notes.scan().filter(open())), [""; 0]);
}

#[test]
fn concurrent_writes_do_not_disturb_a_scan() {
    for filter in [false, true] {
        let notes = filled(120);
        let scan = notes.scan().page_size(2).include([]);
        let scan = scan.filter(filter.then(open));
        let mut found = Vec::new();
        // 119 is the oldest record, so the scan returns it last.
        let mut oldest = 120;
        for (number, page) in (0..).zip(scan.pages()) {
            found.extend(page.unwrap().ids);
            // Once for each listing.
            if number % 9 == 4 && oldest > 90 {
                oldest -= 10;
                let gone: Vec<_> = (oldest..oldest + 10).map(id).collect();
                notes.delete().ids(gone).run().unwrap();
                let changed = |n| record(n).embedding([9.0, 9.0]).metadata("more", 1);
                notes.upsert([5, 60, 80].map(changed)).unwrap();
                let new = 1_000 + number;
                notes.add((new..new + 5).map(record)).unwrap();
            }
        }
        assert_eq!(oldest, 90);
        assert_has_once(&found, 0..oldest);
    }
}

#[test]
fn records_that_start_to_match_do_not_hide_others() {
    let notes = filled(400);
    let closed = |n| Record::new(id(n)).metadata("open", false);
    notes.update((350..400).map(closed)).unwrap();
    // More records match than one listing can contain.
    notes.add((1_000..2_000).map(record)).unwrap();
    let scan = notes.scan().filter(open()).page_size(5).include([]);
    let mut found = Vec::new();
    let mut reopened = 400;
    for (number, page) in (0..).zip(scan.pages()) {
        found.extend(page.unwrap().ids);
        if number % 9 == 4 && reopened > 350 {
            reopened -= 10;
            let again = |n| Record::new(id(n)).metadata("open", true);
            notes.update((reopened..reopened + 10).map(again)).unwrap();
        }
    }
    assert_eq!(reopened, 350);
    assert_has_once(&found, (0..350).chain(1_000..2_000));
}

#[test]
fn concurrent_deletes_do_not_disturb_pages_with_vectors() {
    let notes = filled(600);
    let over = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..600).filter(|n| n % 3 == 0) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                notes.delete().ids([id(n)]).run().unwrap();
            }
        });
        let mut found = Vec::new();
        for _ in 0..2 {
            let scan = notes.scan().include([Include::Embeddings]).page_size(20);
            found.push(ids(scan.read_ahead(true)));
        }
        over.store(true, Ordering::SeqCst);
        found
    });
    for found in found {
        assert_has_once(&found, (0..600).filter(|n| n % 3 != 0));
    }
}

#[test]
fn an_error_is_returned_once_and_ends_the_scan() {
    let notes = filled(5);
    for read_ahead in [false, true] {
        let bad = Key::field("").eq(1);
        let mut scan = notes.scan().filter(bad).read_ahead(read_ahead);
        let error = scan.next().unwrap().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert!(scan.next().is_none() && scan.next().is_none());
    }
}

#[test]
fn a_scan_that_reads_ahead_can_be_dropped() {
    let notes = filled(100);
    let mut scan = notes.scan().page_size(2).read_ahead(true);
    assert_eq!(scan.next().unwrap().unwrap().id, "00000");
    drop(scan);
    assert_eq!(notes.count().unwrap(), 100);
}
