//! Reads that are split over several requests, and errors about the limits of a server.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::stand_in::{Answer, Request};
use crate::support::{LIMITS, builder, chroma, chroma_error, collection, ids, ids_of, scripted};
use chroma_blocking::{Error, Include, Key, MetadataValue, Record};

/// The number of records with metadata that are requested at a time.
const PAGE: usize = 30_000;

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// Answers a `get` with these ids, and with metadata if it was requested.
fn rows(request: &Request, ids: &[String]) -> Answer {
    let metadatas = !body(request)["include"].as_array().unwrap().is_empty();
    let metadatas = metadatas.then(|| vec![Value::Null; ids.len()]);
    Answer::ok(json!({ "ids": ids, "metadatas": metadatas }).to_string())
}

#[test]
fn field_01_a_read_of_one_page_is_one_request() {
    let server = chroma(LIMITS, |request| rows(request, &ids(0..PAGE - 1)));
    let get = collection(&server).get().include([Include::Metadatas]);
    assert_eq!(get.run().unwrap().len(), PAGE - 1);
    let requests = server.requests_to("/get");
    assert_eq!(requests.len(), 1);
    assert_eq!(body(&requests[0])["limit"], PAGE);
}

#[test]
fn field_01_writes_during_a_read_neither_repeat_nor_hide_a_record() {
    let calls = AtomicUsize::new(0);
    // After the first request, id0 is deleted and added again, and id1 to id4 are deleted. After the second
    // one, the last of the others is deleted.
    let server = chroma(LIMITS, move |request| {
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => rows(request, &ids(0..PAGE)),
            1 => {
                let mut listed = ids(5..PAGE + 10);
                listed.push("id0".to_owned());
                rows(request, &listed)
            }
            _ => {
                let mut requested = ids_of(request);
                requested.pop();
                rows(request, &requested)
            }
        }
    });
    let get = collection(&server).get().include([Include::Metadatas]);
    let found = get.filter(Key::field("k").gte(0)).run().unwrap();
    assert_eq!(found.ids, ids(0..PAGE + 9));
    let requests = server.requests_to("/get");
    let [first, listing, others] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(body(first)["limit"], PAGE);
    assert_eq!(body(listing)["include"], json!([]));
    assert_eq!(body(listing)["limit"], Value::Null);
    assert_eq!(body(listing)["where"], body(first)["where"]);
    assert_eq!(ids_of(others), ids(PAGE..PAGE + 10));
    assert_eq!(body(others)["where"], Value::Null);
}

#[test]
fn field_01_a_hit_that_is_deleted_after_a_large_query_is_left_out() {
    let server = chroma(LIMITS, |request| {
        if request.path.ends_with("/query") {
            assert_eq!(body(request)["include"], json!(["embeddings", "distances"]));
            let vectors = [[[0.5], [0.25], [0.125]]];
            let hits = json!({
                "ids": [ids(0..3)], "distances": [[0.1, 0.2, 0.3]], "embeddings": vectors,
            });
            return Answer::ok(hits.to_string());
        }
        // A server returns records in the order in which they were added.
        let found = json!({ "ids": ["id2", "id0"], "metadatas": [{ "k": 2 }, { "k": 0 }] });
        Answer::ok(found.to_string())
    });
    let query = collection(&server).query([0.5]).n_results(PAGE + 1);
    let include = [Include::Metadatas, Include::Embeddings];
    let hits = query.include(include).run().unwrap();
    assert_eq!(hits.ids().collect::<Vec<_>>(), ["id0", "id2"]);
    assert_eq!(hits.distances().collect::<Vec<_>>(), [0.1, 0.3]);
    let vectors: Vec<_> = hits.embeddings().map(Option::unwrap).collect();
    assert_eq!(vectors, [[0.5], [0.125]]);
    for (hit, k) in hits.iter().zip([0, 2]) {
        let found = hit.metadata.get("k").and_then(MetadataValue::as_int);
        assert_eq!(found, Some(k));
    }
    assert_eq!(ids_of(&server.requests_to("/get")[0]), ids(0..3));
}

#[test]
fn field_01_queries_are_split_by_the_number_of_hits() {
    let server = chroma(LIMITS, |request| {
        let count = body(request)["query_embeddings"].as_array().unwrap().len();
        let hits = vec![Vec::<f32>::new(); count];
        Answer::ok(json!({ "ids": hits, "distances": hits }).to_string())
    });
    let questions = |request: &Request| body(request)["query_embeddings"].as_array().unwrap().len();
    let queries = vec![vec![0.5]; 20];
    for (n_results, include, expected) in [
        (8_000, vec![Include::Metadatas], vec![3, 3, 3, 3, 3, 3, 2]),
        (1_500, vec![Include::Documents], vec![20]),
        (30_000, vec![Include::Uris], vec![1; 20]),
        (8_000, vec![Include::Embeddings], vec![20]),
        (8_000, vec![], vec![20]),
    ] {
        let before = server.requests_to("/query").len();
        let query = collection(&server).query_many(&queries).include(include);
        assert_eq!(query.n_results(n_results).run().unwrap().len(), 20);
        let requests = server.requests_to("/query");
        let sent: Vec<usize> = requests[before..].iter().map(questions).collect();
        assert_eq!(sent, expected, "{n_results}");
    }
}

#[test]
fn field_01_a_limit_of_sqlite_is_not_retried() {
    let words = "Error executing plan: Internal error: error returned from database: (code: 1) too many SQL variables";
    let error = json!({ "error": "InternalError", "message": words }).to_string();
    let server = chroma(LIMITS, move |_| Answer::new(500, error.clone()));
    let abc = collection(&server);
    for error in [
        abc.get().include([]).run().unwrap_err(),
        abc.query([0.5]).run().unwrap_err(),
        abc.delete()
            .filter(Key::field("k").eq(1))
            .run()
            .unwrap_err(),
        abc.count().unwrap_err(),
        abc.upsert([Record::new("a").embedding([0.5])]).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(
            matches!(error, Error::TooLarge { status: 500, .. }),
            "{message}"
        );
        assert!(!error.is_retryable());
        assert_eq!((error.status(), error.kind()), (Some(500), "too_large"));
        let call = error.call().unwrap();
        assert_eq!(
            (call.attempts, call.may_have_acted),
            (1, false),
            "{message}"
        );
        assert!(message.contains("too many SQL variables") && message.contains("scan()"));
    }
}

#[test]
fn field_02_lists_are_split_and_a_record_in_two_parts_is_returned_once() {
    // Each part finds the same record, as if it had changed in between.
    let server = chroma(LIMITS, |request| rows(request, &ids(0..1)));
    let values = || 0..40_000_i64;
    let found = collection(&server)
        .get()
        .filter(Key::field("k").is_in(values()));
    assert_eq!(found.include([]).run().unwrap().ids, ["id0"]);
    let listed = |request: &Request| -> Vec<i64> {
        serde_json::from_value(body(request)["where"]["k"]["$in"].clone()).unwrap()
    };
    let requests = server.requests_to("/get");
    assert_eq!(requests.len(), 3);
    let sent: Vec<i64> = requests.iter().flat_map(listed).collect();
    assert_eq!(sent, values().collect::<Vec<_>>());
}

#[test]
fn field_02_a_deletion_of_several_requests_says_that_it_may_have_acted() {
    let answers = [Answer::ok(r#"{"deleted":7}"#), chroma_error(400)];
    let server = scripted(answers);
    let filter = Key::field("k").is_in(0..40_000_i64);
    let error = collection(&server)
        .delete()
        .filter(filter)
        .run()
        .unwrap_err();
    assert!(error.call().unwrap().may_have_acted);
    assert_eq!(server.requests_to("/delete").len(), 2);
}

#[test]
fn field_02_servers_other_than_single_nodes_get_long_lists_as_they_are() {
    let open = r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"abc","metadata":null,"dimension":null,"configuration_json":{"spann":{"space":"l2"}}}"#;
    let server = chroma(LIMITS, move |request| match request.path.as_str() {
        path if path.ends_with("/get") => rows(request, &[]),
        path if path.ends_with("/collections/spann") => Answer::ok(open),
        _ => Answer::ok("{}"),
    });
    let client = builder(&server.url()).build().unwrap();
    let spann = client.collection("spann").get().unwrap();
    let filter = Key::field("k").not_in(0..40_000_i64);
    spann.get().filter(filter).run().unwrap();
    let request = &server.requests_to("/get")[0];
    assert_eq!(body(request)["limit"], Value::Null);
    let list = Record::new("a").metadata("l", vec![1_i64; 6_000]);
    spann.upsert([list.embedding([0.5])]).unwrap();
    assert_eq!(server.requests_to("/upsert").len(), 1);
}

#[test]
fn field_02_a_transaction_reads_many_ids_in_several_requests_of_one_snapshot() {
    let server = chroma(LIMITS, |request| {
        let ids = ids_of(request);
        Answer::ok(json!({ "ids": ids, "read_token": 42 }).to_string())
    });
    let mut transaction = collection(&server).transaction();
    let mut all = ids(0..12_000);
    all.push("id0".to_owned());
    let found = transaction.get_ids(&all, []).unwrap();
    assert_eq!(found.ids, ids(0..12_000));
    let requests = server.requests_to("/conditional/get");
    let sent: Vec<usize> = requests.iter().map(|sent| ids_of(sent).len()).collect();
    assert_eq!(sent, [10_000, 2_000], "each id once");
    assert_eq!(body(&requests[1])["read_token"], 42);
}

#[test]
fn field_02_a_deletion_by_many_ids_is_halved_if_the_server_takes_fewer() {
    // Chroma 1.0.0 deletes at most 5,461 records at a time.
    let error = json!({ "error": "InternalError", "message": "(code: 1) too many SQL variables" });
    let server = chroma(LIMITS, move |request| match ids_of(request).len() {
        0..=5_461 => Answer::ok("{}"),
        _ => Answer::new(500, error.to_string()),
    });
    let all = ids(0..12_000);
    collection(&server).delete().ids(&all).run().unwrap();
    let requests = server.requests_to("/delete");
    let sent: Vec<Vec<String>> = requests.iter().map(ids_of).collect();
    assert_eq!(sent[0].len(), 10_000);
    assert_eq!(sent[1..].concat(), all);
}
