//! Scans of servers that fail, give wrong answers, store large records, or change between requests.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::*;
use chroma_blocking::{Error, Include, Key, Result};
use serde_json::{Value, json};

/// The parameters of a `get`.
struct Asked {
    ids: Option<Vec<String>>,
    filtered: bool,
    offset: usize,
    limit: usize,
}

/// Reads the parameters of a `get`. Returns `None` for a count.
fn asked(request: &Request) -> Option<Asked> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let number = |name: &str| body[name].as_u64().map(|number| number as usize);
    Some(Asked {
        ids: serde_json::from_value(body["ids"].clone()).unwrap(),
        filtered: !body["where"].is_null(),
        offset: number("offset").unwrap_or(0),
        limit: number("limit").unwrap_or(usize::MAX),
    })
}

/// Starts a server with these records: ids, and whether they pass every filter. Documents have this length.
/// The server calls `meanwhile` with the records before each answer.
fn holding(
    mut records: Vec<(String, bool)>,
    document: usize,
    mut meanwhile: impl FnMut(&mut Vec<(String, bool)>) + Send + 'static,
) -> StandIn {
    chroma(LIMITS, move |request| {
        meanwhile(&mut records);
        let Some(asked) = asked(request) else {
            return Answer::ok(records.len().to_string());
        };
        let with_text = asked.ids.is_some();
        let found: Vec<_> = records
            .iter()
            .filter(|(id, _)| asked.ids.as_ref().is_none_or(|ids| ids.contains(id)))
            .filter(|(_, passes)| *passes || !asked.filtered)
            .map(|(id, _)| id)
            .skip(asked.offset)
            .take(asked.limit)
            .collect();
        let texts = with_text.then(|| vec!["x".repeat(document); found.len()]);
        Answer::ok(json!({ "ids": found, "documents": texts }).to_string())
    })
}

fn numbered(range: std::ops::Range<usize>) -> Vec<(String, bool)> {
    ids(range).into_iter().map(|id| (id, true)).collect()
}

/// Returns the sizes of the pages that were read by id.
fn page_sizes(server: &StandIn) -> Vec<usize> {
    let asked = server.requests_to("/get");
    let asked = asked.iter().filter_map(asked_ids);
    asked.map(|ids| ids.len()).collect()
}

fn asked_ids(request: &Request) -> Option<Vec<String>> {
    asked(request)?.ids
}

/// Returns pseudo-random numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

#[test]
fn unchanged_records_are_returned_once_despite_concurrent_writes() {
    for seed in 0..24 {
        let mut dice = Dice(seed);
        // A third of them do not change.
        let mut records = numbered(0..300 + 50 * seed as usize);
        let stays = |id: &str| id[2..].parse::<usize>().is_ok_and(|n| n % 3 == 0);
        for (id, passes) in &mut records {
            *passes = stays(id) || dice.below(2) == 0;
        }
        let expected: BTreeSet<_> = records.iter().map(|(id, _)| id.clone()).collect();
        let expected: BTreeSet<_> = expected.into_iter().filter(|id| stays(id)).collect();
        let mut new = 0;
        let server = holding(records, 1, move |records| {
            for _ in 0..dice.below(40) {
                let index = dice.below(records.len());
                match dice.below(3) {
                    _ if stays(&records[index].0) => {}
                    0 => drop(records.remove(index)),
                    1 => records[index].1 ^= true,
                    _ => {
                        new += 1;
                        records.push((format!("new{new}"), true));
                    }
                }
            }
        });
        let scan = collection(&server)
            .scan()
            .page_size(10 + seed as usize % 20);
        let scan = match seed % 2 {
            0 => scan,
            _ => scan.filter(Key::field("passes").eq(true)),
        };
        let found = scan.read_ahead(seed % 3 == 0);
        let found: Vec<_> = found.map(|r| r.unwrap().id).collect();
        let unique: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(unique.len(), found.len(), "{seed}: none twice");
        let missing: Vec<_> = expected.difference(&unique).collect();
        assert!(missing.is_empty(), "{seed}: {missing:?}");
    }
}

#[test]
fn pages_shrink_for_large_records() {
    let server = holding(numbered(0..230), 100_000, |_| {});
    let mut found = 0;
    for page in collection(&server).scan().pages() {
        found += page.unwrap().len();
    }
    assert_eq!(found, 230);
    // At most 8 MiB each, once the size of records is known.
    assert_eq!(page_sizes(&server), [100, 83, 47]);

    let server = holding(numbered(0..2_500), 10, |_| {});
    assert_eq!(collection(&server).scan().count(), 2_500);
    assert_eq!(page_sizes(&server), [100, 1_000, 1_000, 400]);
    assert_eq!(server.requests_to("/get").len(), 5, "one listing");
}

#[test]
fn requests_stay_within_the_limits_of_the_server() {
    let server = holding(numbered(0..25_000), 1, |_| {});
    let scan = collection(&server).scan().include([]);
    assert_eq!(scan.count(), 25_000);
    let asked: Vec<_> = server
        .requests_to("/get")
        .iter()
        .filter_map(asked)
        .collect();
    let asked: Vec<_> = asked
        .iter()
        .map(|asked| (asked.offset, asked.limit))
        .collect();
    assert_eq!(asked, [(16_000, 10_000), (7_000, 10_000), (0, 8_000)]);
}

#[test]
fn an_error_is_returned_once_and_ends_the_scan() {
    for read_ahead in [false, true] {
        let mut requests = 0;
        let mut good = numbered(0..30);
        good.reverse();
        let server = chroma(LIMITS, move |request| {
            requests += 1;
            match asked(request) {
                None => Answer::ok("30"),
                Some(_) if requests > 4 => chroma_error(500),
                Some(Asked { ids: Some(ids), .. }) => Answer::ok(json!({ "ids": ids }).to_string()),
                Some(_) => Answer::ok(json!({ "ids": ids(0..30) }).to_string()),
            }
        });
        let mut scan = collection(&server)
            .scan()
            .page_size(5)
            .read_ahead(read_ahead);
        let found: Vec<_> = scan.by_ref().take(10).map(|r| r.unwrap().id).collect();
        let mut expected = ids(20..30);
        expected.reverse();
        assert_eq!(found, expected);
        let error = scan.next().unwrap().unwrap_err();
        assert_eq!(error.status(), Some(500));
        assert_eq!(error.call().unwrap().attempts, 3);
        let before = server.requests().len();
        assert!(scan.next().is_none() && scan.next().is_none());
        assert_eq!(server.requests().len(), before);
    }
}

#[test]
fn more_records_than_requested_are_an_error() {
    // A server that ignores the limit, and one that ignores the ids.
    for with_ids in [false, true] {
        let server = chroma(LIMITS, move |request| match asked(request) {
            None => Answer::ok("20"),
            Some(Asked { ids: None, .. }) if with_ids => {
                Answer::ok(json!({ "ids": ids(0..20) }).to_string())
            }
            Some(_) => Answer::ok(json!({ "ids": ids(0..9_000) }).to_string()),
        });
        let found: Result<Vec<_>> = collection(&server).scan().collect();
        let error = found.unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error}");
        let words = error.to_string();
        let named = words.contains("; the request allows at most ")
            || words.contains(", which was not requested");
        assert!(named, "{words}");
    }
}

#[test]
fn a_scan_ends_even_if_the_server_returns_records_without_end() {
    // A server that counts records, and returns none.
    let server = chroma(LIMITS, |request| match asked(request) {
        None => Answer::ok(u64::MAX.to_string()),
        Some(_) => Answer::ok(r#"{"ids":[]}"#),
    });
    assert_eq!(collection(&server).scan().count(), 0);
    assert!(server.requests().len() < 40, "{}", server.requests().len());

    // A server that lists ids, and then returns none of them.
    let server = chroma(LIMITS, |request| match asked(request) {
        None => Answer::ok("1000"),
        Some(Asked { ids: None, .. }) => Answer::ok(json!({ "ids": ids(0..1_000) }).to_string()),
        Some(_) => Answer::ok(r#"{"ids":[]}"#),
    });
    assert_eq!(collection(&server).scan().pages().count(), 0);
}

#[test]
fn records_deleted_during_the_scan_are_left_out() {
    let mut failed = 0;
    let server = chroma(LIMITS, move |request| match asked(request) {
        None => Answer::ok("2"),
        Some(Asked { ids: None, .. }) => Answer::ok(r#"{"ids":["a","b"]}"#),
        Some(_) if failed < 2 => {
            failed += 1;
            let words = json!({ "error": "InternalError", "message": "Error finding id" });
            Answer::new(500, words.to_string())
        }
        Some(_) => Answer::ok(r#"{"ids":["a"],"embeddings":[[1.0]]}"#),
    });
    let scan = collection(&server).scan().include([Include::Embeddings]);
    let found: Vec<_> = scan.collect::<Result<_>>().unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn the_first_request_is_sent_by_next_and_one_page_is_read_ahead() {
    let server = holding(numbered(0..100), 1, |_| {});
    let notes = collection(&server);
    let before = server.requests().len();
    let scan = notes.scan().page_size(10);
    let _ = scan.pages();
    assert_eq!(server.requests().len(), before);
    let mut records = notes.scan().page_size(10);
    assert_eq!(server.requests().len(), before);
    assert_eq!(records.next().unwrap().unwrap().id, "id99");
    assert!(server.requests().len() > before);

    let mut pages = notes.scan().page_size(10).read_ahead(true).pages();
    pages.next().unwrap().unwrap();
    wait_until("a page is read ahead", || page_sizes(&server).len() >= 3);
    drop(pages);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(page_sizes(&server), [10, 10, 10]);
}

#[test]
fn a_filter_with_too_many_ids_is_refused() {
    let server = holding(Vec::new(), 0, |_| {});
    let many = Key::id().is_in(ids(0..10_001));
    let mut pages = collection(&server).scan().filter(many).pages();
    let words = pages.next().unwrap().unwrap_err().to_string();
    assert!(
        words.contains("the filter of a scan can list at most 10000 ids"),
        "{words}"
    );
    assert!(pages.next().is_none());
}

#[test]
fn field_02_the_values_of_a_filter_of_a_scan_leave_room_for_fewer_ids() {
    let server = holding(numbered(0..5), 1, |_| {});
    let of_ids = Key::id().is_in(ids(0..10_000));
    let of_field = Key::field("k").is_in(ids(0..31_000));
    let scan = collection(&server).scan().filter(of_ids & of_field);
    let error = scan.pages().next().unwrap().unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, Error::Invalid { .. }), "{words}");
    assert!(
        words.contains("the filter of a scan can list at most 1699 ids"),
        "{words}"
    );
    assert!(server.requests_to("/get").is_empty());
}

#[test]
fn records_that_were_not_requested_are_an_error() {
    for wrong in [r#"["c"]"#, r#"["a","a"]"#] {
        let server = chroma(LIMITS, move |request| {
            let by_id = asked(request).map(|asked| asked.ids.is_some());
            Answer::ok(match by_id {
                None => "2".to_owned(),
                Some(true) => format!(r#"{{"ids":{wrong},"documents":null}}"#),
                Some(false) => r#"{"ids":["a","b"]}"#.to_owned(),
            })
        });
        let page = collection(&server).scan().pages().next().unwrap();
        assert!(matches!(page, Err(Error::Decode { .. })), "{page:?}");
    }
}
