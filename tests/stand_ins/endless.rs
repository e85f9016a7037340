//! Loops whose end a server decides: lists, scans, waits, and requests that it refuses as too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::*;
use chroma_blocking::{Client, Error, Include, Result, RetryPolicy};
use serde_json::{Value, json};

/// The number of entries per page of a list.
const PAGE: usize = 100;

/// Returns a parameter in the query of a path.
fn parameter(request: &Request, name: &str) -> usize {
    let (_, query) = request.path.split_once('?').unwrap();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(key, _)| *key == name).unwrap().1;
    value.parse().unwrap()
}

/// Returns the descriptions of the collections with these numbers.
fn collections(numbers: impl IntoIterator<Item = usize>) -> Answer {
    let described = |number: usize| {
        let id = format!("6f4c0b6e-9f3c-4d43-8d0e-{number:012x}");
        json!({ "id": id, "name": format!("name{number}"), "configuration_json": {} })
    };
    let all: Vec<Value> = numbers.into_iter().map(described).collect();
    Answer::ok(json!(all).to_string())
}

/// Returns the descriptions of the databases with these numbers.
fn databases(numbers: impl IntoIterator<Item = usize>) -> Answer {
    let described =
        |number: usize| json!({ "id": "0", "name": format!("db{number}"), "tenant": "t" });
    let all: Vec<Value> = numbers.into_iter().map(described).collect();
    Answer::ok(json!(all).to_string())
}

/// Returns the positions of the page that was requested, of an endless list.
fn page(request: &Request) -> std::ops::Range<usize> {
    let offset = parameter(request, "offset");
    offset..offset + parameter(request, "limit")
}

/// Starts a server that answers `answer`, and heartbeats like Chroma.
fn serving(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> StandIn {
    StandIn::start(move |request| match request.path.as_str() {
        "/api/v2/heartbeat" => Answer::ok(r#"{"nanosecond heartbeat":1}"#),
        _ => answer(request),
    })
}

fn is_count(request: &Request) -> bool {
    request.path.ends_with("/collections_count")
}

/// Lists the collections. Returns the numbers in their names.
fn list(client: &Client) -> Result<Vec<usize>> {
    let listed = client.list_collections().run()?;
    let number = |name: &str| name.strip_prefix("name").unwrap().parse().unwrap();
    Ok(listed.iter().map(|one| number(one.name())).collect())
}

#[track_caller]
fn assert_decode<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!error.is_retryable(), "{error}");
}

#[test]
fn secure_10_a_list_ends_if_its_pages_bring_nothing_new() {
    // Some of these servers also count more entries than anybody could read.
    for count in ["100", "18446744073709551615", "no"] {
        let server = serving(move |request| {
            if is_count(request) {
                return Answer::ok(count);
            }
            if request.path.contains("/collections?") {
                collections(0..PAGE)
            } else {
                databases(0..PAGE)
            }
        });
        let client = client(&server);
        assert_decode(list(&client), "had no new entry");
        assert_decode(client.list_databases().run(), "had no new entry");
        let requests = server.requests().len();
        assert!(requests < 450, "{count}: {requests}");
    }
}

#[test]
fn secure_10_a_list_ends_if_it_has_more_entries_than_the_server_counts() {
    // Every page is full of new entries.
    let server = serving(|request| {
        if is_count(request) {
            return Answer::ok("5000");
        }
        collections(page(request))
    });
    assert_decode(list(&client(&server)), "but reports a count of 5000");
    let requests = server.requests().len();
    assert!((50..100).contains(&requests), "{requests}");
}

#[test]
fn secure_10_all_pages_of_a_list_are_at_most_as_large_as_a_response_may_be() {
    // New entries forever, of a server that counts as many.
    let server = serving(|request| {
        if is_count(request) {
            return Answer::ok("18446744073709551615");
        }
        if request.path.contains("/collections?") {
            collections(page(request))
        } else {
            databases(page(request))
        }
    });
    let client = builder(&server.url()).max_response_size(200_000);
    let client = client.build().unwrap();
    let words = "the pages of the list have more than 200000 bytes in total";
    assert_decode(list(&client), words);
    assert_decode(client.list_databases().run(), words);
    // A part of it can be read.
    assert_eq!(
        client.list_collections().limit(250).run().unwrap().len(),
        250
    );
}

/// Each page is small, and takes a hundred times its bytes in memory.
#[test]
fn secure_04_all_pages_of_a_list_take_no_more_memory_than_one_response() {
    let tiny = vec!["{\"\":0}"; 110_000].join(",");
    let server = serving(move |request| {
        if is_count(request) {
            return Answer::ok("18446744073709551615");
        }
        let last = page(request).end;
        let last = format!(
            r#"{{"id":"6f4c0b6e-9f3c-4d43-8d0e-{last:012x}","name":"name{last}","configuration_json":{{"x":[{tiny}]}}}}"#
        );
        let mut entries = vec![last; PAGE];
        for (number, entry) in page(request).zip(&mut entries[1..]) {
            *entry = format!(
                r#"{{"id":"6f4c0b6e-9f3c-4d43-8d0e-{number:012x}","name":"name{number}"}}"#
            );
        }
        Answer::ok(format!("[{}]", entries.join(",")))
    });
    let client = builder(&server.url()).max_response_size(9_000_000);
    let client = client.build().unwrap();
    assert_decode(list(&client), "would take too much memory in total");
    let mut requests = server.requests();
    requests.retain(|request| request.path.contains("/collections?"));
    assert_eq!(requests.len(), 2);
}

#[test]
fn secure_10_a_page_with_more_entries_than_requested_is_an_error() {
    let server = serving(|_| collections(0..3));
    let list = client(&server).list_collections();
    assert_decode(
        list.limit(2).run(),
        "3 records; the request allows at most 2",
    );
}

#[test]
fn secure_10_a_list_is_read_while_others_create_and_delete() {
    // A server with these collections. Before each page, others are created in front of all (negative) or
    // deleted from there, far more of them than a page has.
    for changes in [
        vec![0],
        vec![-1],
        vec![1],
        vec![-100],
        vec![100],
        vec![-500],
        vec![-999, 0, 0],
        vec![-300, 300],
        vec![300, -300],
        vec![0, 0, 0, 0, 5_000],
    ] {
        let shown = format!("{changes:?}");
        let mut changes = changes.into_iter().cycle();
        let (mut first, last) = (1_000_000_i64, 1_000_000 + 2_543);
        let mut pages = 0;
        let server = serving(move |request| {
            if is_count(request) {
                return Answer::ok((last - first).max(0).to_string());
            }
            // At some point, the others have nothing more to do.
            pages += 1;
            if pages < 40 {
                first = (first + changes.next().unwrap()).min(last);
            }
            let offset = first + parameter(request, "offset") as i64;
            let end = last.min(offset + PAGE as i64);
            collections((offset..end).map(|number| number as usize))
        });
        let listed = list(&client(&server)).expect(&shown);
        let mut distinct = listed.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), listed.len(), "each once: {shown}");
        if !shown.contains("00") && shown != "[1]" {
            assert!(
                (1_000_000..1_002_543).all(|n| distinct.binary_search(&n).is_ok()),
                "{shown}"
            );
        }
    }
}

#[test]
fn secure_10_a_list_does_not_need_a_count() {
    let server = serving(|request| {
        if is_count(request) {
            return Answer::new(501, "");
        }
        let page = page(request);
        collections(page.start..3_210.min(page.end))
    });
    assert_eq!(list(&client(&server)).unwrap().len(), 3_210);
    // A short list is not counted at all.
    let server = serving(|request| {
        let page = page(request);
        collections(page.start..321.min(page.end))
    });
    assert_eq!(list(&client(&server)).unwrap().len(), 321);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn secure_10_a_scan_ends_if_its_pages_bring_nothing_new() {
    let page = json!({ "ids": ids(0..50) }).to_string();
    for include in [vec![], vec![Include::Documents]] {
        let page = page.clone();
        // It counts as many records as a server can have.
        let server = chroma(LIMITS, move |request| {
            if request.path.ends_with("/count") {
                return Answer::ok("18446744073709551615");
            }
            Answer::ok(page.clone())
        });
        let mut scan = collection(&server).scan().include(include);
        let error = scan.find_map(Result::err).unwrap();
        assert!(matches!(error, Error::Decode { .. }), "{error}");
        assert!(scan.next().is_none());
        assert!(server.requests().len() < 200, "{}", server.requests().len());
    }
}

#[test]
fn secure_10_a_scan_ends_if_none_of_the_listed_records_can_be_read() {
    // Each listing has new ids, and no record has any of them.
    let mut next = 0..;
    let server = chroma(LIMITS, move |request| {
        if request.path.ends_with("/count") {
            return Answer::ok("18446744073709551615");
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body.get("ids").is_some() {
            return Answer::ok(r#"{"ids":[],"documents":[]}"#);
        }
        let ids: Vec<String> = next
            .by_ref()
            .take(2)
            .map(|id: usize| id.to_string())
            .collect();
        Answer::ok(json!({ "ids": ids }).to_string())
    });
    let mut scan = collection(&server).scan().include([Include::Documents]);
    let error = scan.find_map(Result::err).unwrap();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    assert!(scan.next().is_none());
    assert!(server.requests().len() < 300, "{}", server.requests().len());
}

#[test]
fn secure_10_a_wait_that_a_server_asks_for_is_not_endless() {
    for (status, wait) in [
        (429, "1000000000"),
        (503, "1000000000"),
        (503, "18446744073709551615"),
        (429, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let server = StandIn::start(move |_| Answer::new(status, "").header("retry-after", wait));
        // The default policy.
        let client = builder(&server.url()).retry(RetryPolicy::default());
        let client = client.build().unwrap();
        client.version().unwrap_err();
        client.collection("abc").create().unwrap_err();
        client.collection("abc").get_or_create().unwrap_err();
        assert_eq!(server.requests().len(), 3, "{status} {wait}");
    }
}

#[test]
fn secure_10_redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = StandIn::start(move |request| {
            Answer::new(status, "").header("location", &request.path)
        });
        let client = client(&server);
        client.version().unwrap_err();
        client.collection("abc").get_or_create().unwrap_err();
        assert_eq!(server.requests().len(), 2, "{status}");
    }
}

#[test]
fn secure_10_requests_that_are_refused_as_too_large_are_halved_down_to_one_record() {
    for limits in [
        LIMITS,
        r#"{"max_batch_size":0,"supports_base64_encoding":true}"#,
        r#"{"max_batch_size":1}"#,
        r#"{"max_batch_size":18446744073709551615}"#,
    ] {
        let server = chroma(limits, |_| Answer::new(413, "Payload too large"));
        let abc = collection(&server);
        for error in [
            abc.upsert(records(1_000)).unwrap_err(),
            abc.get().ids(ids(0..1_000)).run().map(drop).unwrap_err(),
            abc.delete().ids(ids(0..1_000)).run().map(drop).unwrap_err(),
            abc.query_many(vec![[0.5]; 100])
                .run()
                .map(drop)
                .unwrap_err(),
        ] {
            assert!(!error.is_retryable(), "{error}");
        }
        assert!(server.requests().len() < 60, "{}", server.requests().len());
    }
}

#[test]
fn secure_10_limits_of_zero_and_one_still_write_everything() {
    for (limits, requests) in [
        (r#"{"max_batch_size":0}"#, 5),
        (r#"{"max_batch_size":1}"#, 5),
        (r#"{"max_batch_size":18446744073709551615}"#, 1),
    ] {
        let server = chroma(limits, |_| Answer::ok("{}"));
        collection(&server).upsert(records(5)).unwrap();
        assert_eq!(server.requests_to("/upsert").len(), requests, "{limits}");
    }
    for limits in [
        r#"{"max_batch_size":-1}"#,
        r#"{"max_batch_size":1e99}"#,
        "{}",
    ] {
        let server = chroma(limits, |_| Answer::ok("{}"));
        let error = collection(&server).upsert(records(5)).unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error}");
    }
}

#[test]
fn secure_10_a_write_whose_response_is_always_lost_is_checked_only_as_often_as_the_policy_allows() {
    // The look-up always says that nothing was created.
    let sent = Arc::new(AtomicUsize::new(0));
    let seen = sent.clone();
    let server = StandIn::start(move |request| {
        seen.fetch_add(1, Ordering::SeqCst);
        if request.method == "POST" {
            Answer::close()
        } else {
            Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#)
        }
    });
    let policy = fast().max_retries(5).max_delay(Duration::from_millis(2));
    let client = builder(&server.url()).retry(policy).build().unwrap();
    client.collection("abc").create().unwrap_err();
    client.create_database("abc").unwrap_err();
    let requests = sent.load(Ordering::SeqCst);
    assert!(requests <= 2 * 6 * 2, "{requests}");
}

#[test]
fn secure_10_numbers_of_a_server_do_not_overflow() {
    const MANY: &str = "18446744073709551615";
    let server = chroma(LIMITS, |request| {
        if request.path.ends_with("/delete") {
            return Answer::ok(format!(r#"{{"deleted":{MANY}}}"#));
        }
        if request.path.ends_with("/get") {
            return Answer::ok(r#"{"ids":[]}"#);
        }
        Answer::ok(MANY)
    });
    let abc = collection(&server);
    assert_eq!(abc.count().unwrap(), usize::MAX);
    assert_eq!(abc.client().count_collections().unwrap(), usize::MAX);
    // This filter has too many values for one request.
    let filter = chroma_blocking::Key::field("k").is_in((0..70_000).map(i64::from));
    let deleted = abc.delete().filter(filter).run().unwrap();
    assert_eq!(deleted, Some(usize::MAX));
    // An export with progress reports its total, and the scan starts at the last position.
    let mut out = Vec::new();
    let export = abc.export().on_progress(|progress| {
        assert_eq!(progress.total, Some(u64::MAX));
    });
    assert_eq!(export.write_to(&mut out).unwrap(), 0);
    for bad in ["-1", "1.5", "1e3", "18446744073709551616", "null", "\"1\""] {
        let server = chroma(LIMITS, move |_| Answer::ok(bad));
        let abc = collection(&server);
        assert_decode(abc.count(), "");
        assert_decode(abc.scan().next().unwrap(), "");
    }
}
