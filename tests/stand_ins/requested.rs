//! Responses with records that were not requested, with a record twice, or with too many.

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::*;
use chroma_blocking::{Collection, Error, Include, Key, Result, Search};
use serde_json::{Value, json};

/// Answers every `get` and `query` with these ids, whatever was requested.
fn always(ids: &[&str]) -> StandIn {
    let rows = json!({ "ids": ids, "documents": vec![Value::Null; ids.len()], "read_token": 1 });
    let hits = json!({ "ids": [ids], "distances": [vec![0.5; ids.len()]] });
    chroma(LIMITS, move |request| {
        Answer::ok(match request.path.rsplit('/').next() {
            Some("get") => rows.to_string(),
            _ => hits.to_string(),
        })
    })
}

type Read = fn(&Collection) -> Result<()>;

/// Every read that names the ids `a` and `b`.
fn reads_by_id() -> [(&'static str, Read); 8] {
    const AB: [&str; 2] = ["a", "b"];
    [
        ("get", |abc| abc.get().ids(AB).run().map(drop)),
        ("get without columns", |abc| {
            abc.get().ids(AB).include([]).run().map(drop)
        }),
        ("get with repeated ids", |abc| {
            abc.get().ids(["a", "b", "a"]).run().map(drop)
        }),
        ("get with a limit", |abc| {
            abc.get().ids(AB).limit(10).run().map(drop)
        }),
        ("get by a filter on ids", |abc| {
            abc.get().filter(Key::id().is_in(AB)).run().map(drop)
        }),
        ("get_one", |abc| abc.get_one("a").map(drop)),
        ("transaction", |abc| {
            abc.transaction()
                .get_ids(AB, [Include::Documents])
                .map(drop)
        }),
        ("query", |abc| abc.query([0.5]).ids(AB).run().map(drop)),
    ]
}

#[track_caller]
fn assert_decode(result: Result<()>, what: &str) {
    let Err(error) = result else {
        panic!("{what}: it succeeded");
    };
    assert!(matches!(error, Error::Decode { .. }), "{what}: {error}");
    assert!(
        error.to_string().contains("the server returned"),
        "{what}: {error}"
    );
}

#[test]
fn secure_14_records_that_were_not_requested_are_an_error_in_every_read_by_ids() {
    for wrong in [&["c"][..], &["a", "c"], &["A"], &[""], &["a\u{0}"]] {
        let server = always(wrong);
        let abc = collection(&server);
        for (what, read) in reads_by_id() {
            assert_decode(read(&abc), &format!("{what} {wrong:?}"));
        }
    }
}

#[test]
fn secure_14_a_record_that_comes_twice_is_an_error_in_every_read_by_ids() {
    let server = always(&["a", "a"]);
    let abc = collection(&server);
    for (what, read) in reads_by_id() {
        assert_decode(read(&abc), what);
    }
}

#[test]
fn secure_14_requested_records_are_taken_in_any_order_and_some_may_be_gone() {
    for fine in [&["a"][..], &[]] {
        let server = always(fine);
        let abc = collection(&server);
        for (what, read) in reads_by_id() {
            read(&abc).expect(what);
        }
    }
    let server = always(&["b", "a"]);
    let abc = collection(&server);
    assert_eq!(
        abc.get().ids(["a", "b", "b", "a"]).run().unwrap().ids,
        ["b", "a"]
    );
    // The client sends each id once.
    assert_eq!(ids_of(&server.requests_to("/get")[0]), ["a", "b"]);
    let found = abc.get().ids(["a", "b", "b"]).limit(5).run().unwrap();
    assert_eq!(found.ids, ["b", "a"]);
    assert_eq!(ids_of(&server.requests_to("/get")[1]), ["a", "b"]);
}

#[test]
fn secure_14_a_record_that_comes_twice_is_an_error_in_reads_without_ids() {
    for length in [1, 10, 100] {
        let mut found = ids(0..length);
        found.push("id0".to_owned());
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        let server = always(&found);
        let abc = collection(&server);
        assert_decode(abc.get().run().map(drop), "get");
        let filter = || Key::field("k").gt(1);
        assert_decode(
            abc.get().filter(filter()).run().map(drop),
            "get by a filter",
        );
        assert_decode(
            abc.transaction()
                .get_filtered(filter(), 1_000, [])
                .map(drop),
            "transaction",
        );
        assert_decode(abc.query([0.5]).n_results(1_000).run().map(drop), "query");
        assert_decode(abc.search(Search::new()).run().map(drop), "search");
    }
}

#[test]
fn secure_14_more_records_than_the_limit_are_an_error() {
    let found = ids(0..12);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let server = always(&found);
    let abc = collection(&server);
    let filter = || Key::field("k").gt(1);
    for (what, result) in [
        ("get", abc.get().limit(11).run().map(drop)),
        ("peek", abc.peek().map(drop)),
        ("query", abc.query([0.5]).n_results(11).run().map(drop)),
        ("the default of a query", abc.query([0.5]).run().map(drop)),
        (
            "search",
            abc.search(Search::new().limit(11)).run().map(drop),
        ),
        (
            "transaction",
            abc.transaction().get_filtered(filter(), 11, []).map(drop),
        ),
    ] {
        assert_decode(result, what);
    }
    abc.get().limit(12).run().unwrap();
    abc.query([0.5]).n_results(12).run().unwrap();
    abc.search(Search::new().limit(12)).run().unwrap();
}

#[test]
fn secure_14_every_request_of_a_split_read_is_checked() {
    // The last id of the second request is one of the first.
    let server = chroma(LIMITS, |request| {
        let mut found = ids_of(request);
        if !found.contains(&"id0".to_owned()) {
            found.pop();
            found.push("id0".to_owned());
        }
        Answer::ok(json!({ "ids": found, "read_token": 1 }).to_string())
    });
    let abc = collection(&server);
    let get = abc.get().ids(ids(0..10_001)).include([]);
    assert_decode(get.run().map(drop), "get");
    let get = abc.transaction().get_ids(ids(0..10_001), []);
    assert_decode(get.map(drop), "transaction");
}

#[test]
fn secure_14_the_second_stage_of_a_large_query_takes_only_its_hits() {
    let server = chroma(LIMITS, |request| {
        Answer::ok(if request.path.ends_with("/query") {
            json!({ "ids": [["a", "b"]], "distances": [[0.1, 0.2]] }).to_string()
        } else {
            json!({ "ids": ["b", "c"], "documents": ["x", "y"] }).to_string()
        })
    });
    let query = collection(&server).query([0.5]).n_results(40_000);
    let query = query.include([Include::Documents]);
    assert_decode(query.run().map(drop), "query");
}

#[test]
fn secure_14_a_large_read_takes_only_the_records_that_it_listed() {
    const PAGE: usize = 30_000;
    let answer = |request: &Request, ids: Vec<String>| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let with_uris = !body["include"].as_array().unwrap().is_empty();
        let uris = with_uris.then(|| vec![Value::Null; ids.len()]);
        Answer::ok(json!({ "ids": ids, "uris": uris }).to_string())
    };
    let mut calls = 0;
    let server = chroma(LIMITS, move |request| {
        calls += 1;
        match calls {
            1 => answer(request, ids(0..PAGE)),
            2 => answer(request, ids(0..PAGE + 2)),
            _ => answer(request, ids(0..2)),
        }
    });
    let get = collection(&server).get().include([Include::Uris]);
    assert_decode(get.run().map(drop), "get");
}
