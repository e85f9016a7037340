//! Large and interrupted writes: split by size, lost in the middle, answered by another server.

use crate::support::stand_in::{Answer, Habits, StandIn, script};
use crate::support::*;
use chroma_blocking::{Error, Key, Record};
use serde_json::{Value, json};

#[test]
fn records_of_a_lost_answer_stay_unknown_after_a_later_error() {
    let limits = r#"{"max_batch_size":2,"supports_base64_encoding":true}"#;
    let mut answers = script([Answer::ok("{}"), Answer::close(), chroma_error(400)]);
    let server = chroma(limits, move |request| answers(request));
    let error = collection(&server).upsert(records(6)).unwrap_err();
    assert_eq!(ids_by_outcome(&error), [ids(0..2), ids(2..4), ids(4..6)]);
    assert!(error.call().unwrap().may_have_acted);
    assert_eq!(error.call().unwrap().attempts, 2);
}

#[test]
fn a_request_that_is_too_large_is_halved() {
    let server = chroma(LIMITS, |request| match ids_of(request).len() {
        0..=6 => Answer::ok("{}"),
        _ => Answer::new(413, "Payload too large"),
    });
    collection(&server).upsert(records(35)).unwrap();
    let sent = server.requests_to("/upsert");
    let taken: Vec<_> = sent
        .iter()
        .map(ids_of)
        .filter(|ids| ids.len() <= 6)
        .collect();
    assert_eq!(taken.concat(), ids(0..35), "each once, in order");
    assert!(sent.len() > taken.len());

    // A record that is too large by itself is an error, which lists the outcome of the others.
    let server = chroma(LIMITS, |request| {
        if ids_of(request).contains(&"id2".to_owned()) {
            Answer::new(413, "Payload too large")
        } else {
            Answer::ok("{}")
        }
    });
    let error = collection(&server).upsert(records(5)).unwrap_err();
    assert_eq!(ids_by_outcome(&error), [ids(0..2), ids(0..0), ids(2..5)]);
    assert_eq!(error.status(), Some(413));
}

#[test]
fn a_large_request_that_is_refused_unread_is_halved() {
    // Chroma 1.5.9 does this: it reads only the length, answers, and closes the connection.
    let habits = Habits {
        longest_read: 1_000_000,
        ..Habits::default()
    };
    let server = StandIn::with_habits(habits, |request| match request.path.as_str() {
        "/api/v2/pre-flight-checks" => Answer::ok(LIMITS),
        path if path.ends_with("/abc") => Answer::ok(COLLECTION),
        _ if request.body.is_empty() => Answer::new(413, "Payload too large"),
        _ => Answer::ok("{}"),
    });
    let large = records(16)
        .into_iter()
        .map(|r| r.document("x".repeat(400_000)));
    let error = collection(&server).upsert(large).err();
    assert!(error.is_none(), "{}", error.unwrap());
    let mut taken = server.requests_to("/upsert");
    taken.retain(|request| !request.body.is_empty());
    let taken: Vec<_> = taken.iter().map(ids_of).collect();
    assert_eq!(taken.concat(), ids(0..16));
}

#[test]
fn after_a_413_all_later_requests_are_smaller() {
    let server = chroma(LIMITS, |request| match ids_of(request).len() {
        0..=60 => Answer::ok("{}"),
        _ => Answer::new(413, "Payload too large"),
    });
    let abc = collection(&server);
    let sizes = || -> Vec<usize> {
        let sent = server.requests_to("/upsert");
        sent.iter().map(|request| ids_of(request).len()).collect()
    };
    abc.upsert(records(400)).unwrap();
    let first = sizes();
    let refused = first.iter().filter(|size| **size > 60).count();
    assert_eq!(refused, 3, "400, half of it, and half of that: {first:?}");
    assert!(first[3..].iter().all(|size| *size <= 60), "{first:?}");
    abc.upsert(records(400)).unwrap();
    let second = &sizes()[first.len()..];
    assert!(second.iter().all(|size| *size <= 60), "{second:?}");
}

#[test]
fn field_02_a_write_that_exceeds_a_limit_of_sqlite_is_halved_and_later_ones_stay_large() {
    let message = "error returned from database: (code: 1) too many SQL variables";
    let body = json!({ "error": "InternalError", "message": message }).to_string();
    let mut refusals = 2;
    let server = chroma(LIMITS, move |_| {
        if refusals > 0 {
            refusals -= 1;
            return Answer::new(500, body.clone());
        }
        Answer::ok("{}")
    });
    let abc = collection(&server);
    let sizes = || -> Vec<usize> {
        let sent = server.requests_to("/upsert");
        sent.iter().map(|request| ids_of(request).len()).collect()
    };
    abc.upsert(records(200)).unwrap();
    let first = sizes();
    assert!(first[1] < 150 && first[2] < 100, "{first:?}");
    abc.upsert(records(200)).unwrap();
    assert_eq!(sizes()[first.len()..], [200]);
}

#[test]
fn requests_stay_below_the_payload_limit() {
    let server = chroma(LIMITS, |request| {
        if !request.path.ends_with("/query") {
            return Answer::ok("{}");
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let lists = vec![Vec::<f32>::new(); body["query_embeddings"].as_array().unwrap().len()];
        Answer::ok(json!({"ids": lists, "distances": lists}).to_string())
    });
    let client = builder(&server.url()).max_payload_size(20_000);
    let abc = client.build().unwrap().collection("abc").get().unwrap();

    let record = |i| Record::new(format!("id{i}")).embedding(vec![0.123_456_7; 500]);
    abc.upsert((0..50).map(record)).unwrap();
    let sent = server.requests_to("/upsert");
    let taken: Vec<_> = sent.iter().map(ids_of).collect();
    assert_eq!(taken.concat(), ids(0..50), "each once, in order");
    for request in &sent[..sent.len() - 1] {
        let len = request.body.len();
        assert!((15_000..=20_000).contains(&len), "{len} bytes");
    }
    // A record above the limit is sent alone.
    abc.upsert([record(0).document("x".repeat(30_000)), record(1)])
        .unwrap();
    let sent = server.requests_to("/upsert");
    assert!(sent[sent.len() - 2].body.len() > 30_000);

    let queries = vec![vec![0.25; 500]; 10];
    let results = abc.query_many(&queries).run().unwrap();
    assert_eq!(results.len(), 10);
    let sent = server.requests_to("/query");
    assert_eq!(sent.len(), 4, "three vectors of 6,000 bytes in each");

    let refused = builder(&server.url()).max_payload_size(0).build();
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("max_payload_size is \"0\""), "{words}");
}

#[test]
fn reads_and_deletes_of_many_ids_are_split() {
    let server = chroma(LIMITS, |request| match request.body.len() {
        0..=100_000 if request.path.ends_with("/get") => {
            Answer::ok(json!({ "ids": ids_of(request) }).to_string())
        }
        0..=100_000 => Answer::ok(r#"{"deleted":1}"#),
        _ => Answer::new(413, "Payload too large"),
    });
    let client = builder(&server.url()).max_payload_size(400_000);
    let abc = client.build().unwrap().collection("abc").get().unwrap();
    let all: Vec<String> = (0..9_000).map(|i| format!("{i:0>100}")).collect();
    let found = abc.get().ids(&all).include([]).run().unwrap();
    assert!(found.ids == all);
    abc.delete().ids(&all).run().unwrap();
    let sent = server.requests_to("/delete");
    assert!(sent.iter().all(|request| request.body.len() <= 400_000));
    let taken = sent.iter().filter(|request| request.body.len() <= 100_000);
    assert!(taken.flat_map(ids_of).eq(all));
}

#[test]
fn a_large_filter_does_not_reduce_the_size_of_writes() {
    let server = chroma(LIMITS, |request| match request.body.len() {
        0..=100_000 if request.path.ends_with("/query") => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let lists = vec![Vec::<f32>::new(); body["query_embeddings"].as_array().unwrap().len()];
            Answer::ok(json!({"ids": lists, "distances": lists}).to_string())
        }
        0..=100_000 => Answer::ok("{}"),
        _ => Answer::new(413, "Payload too large"),
    });
    let abc = collection(&server);
    let filter = Key::field("k").eq("x".repeat(95_000));
    let queries = vec![vec![0.25; 100]; 50];
    let results = abc.query_many(&queries).filter(filter).run().unwrap();
    assert_eq!(results.len(), 50);
    abc.upsert(records(500)).unwrap();
    assert_eq!(server.requests_to("/upsert").len(), 1);
}

/// Upserts 35 records, 10 in a request, without retries. The server gives this answer to the third request.
fn stopped_by(third: Answer) -> Error {
    let server = chroma(
        OLD_LIMITS,
        script([Answer::ok("{}"), Answer::ok("{}"), third.clone(), third]),
    );
    let abc = client_without_retries(&server)
        .collection("abc")
        .get()
        .unwrap();
    let error = abc.upsert(records(35)).unwrap_err();
    // A connection that closes without an answer may have been closed earlier, so the client sends the
    // request again on a new connection.
    let sent = server.requests_to("/upsert").len();
    assert_eq!(sent, 2 + error.call().unwrap().attempts as usize);
    assert!(sent <= 4);
    error
}

#[test]
fn an_error_in_the_middle_reports_what_is_written() {
    for status in [400, 429] {
        let error = stopped_by(chroma_error(status));
        assert_eq!(ids_by_outcome(&error), [ids(0..20), ids(0..0), ids(20..35)]);
        assert_eq!(error.status(), Some(status));
    }
}

#[test]
fn a_lost_answer_in_the_middle_reports_unknown_ids() {
    for lost in lost_answers() {
        let error = stopped_by(lost);
        assert_eq!(
            ids_by_outcome(&error),
            [ids(0..20), ids(20..30), ids(30..35)]
        );
        assert!(error.is_retryable());
    }
}

#[test]
fn a_write_answered_by_another_server_is_an_error() {
    let server = chroma(LIMITS, |_| Answer::html(200));
    assert!(collection(&server).upsert(records(1)).is_err());
    let server = StandIn::start(|_| Answer::html(200));
    assert!(client(&server).delete_collection("abc").is_err());
}

#[test]
fn vectors_are_sent_in_base64_if_the_server_supports_it() {
    let vector = [1.0, -0.5, f32::MIN_POSITIVE, 1e30];
    let sent = |limits| {
        let server = chroma(limits, |_| Answer::ok("{}"));
        let record = Record::new("a").embedding(vector);
        collection(&server).upsert([record]).unwrap();
        let body = &server.requests_to("/upsert")[0].body;
        serde_json::from_slice::<Value>(body).unwrap()["embeddings"].clone()
    };
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    assert_eq!(sent(LIMITS), json!([text]));
    let lists: Vec<Vec<f32>> = serde_json::from_value(sent(OLD_LIMITS)).unwrap();
    assert_eq!(lists, [vector]);
}

#[test]
fn a_large_call_that_writes_nothing_returns_the_plain_error() {
    let limits = r#"{"max_batch_size":2,"supports_base64_encoding":true}"#;
    let server = chroma(limits, |_| chroma_error(404));
    let error = collection(&server).upsert(records(6)).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn a_failed_delete_of_many_ids_reports_what_is_deleted() {
    let mut answers = script([Answer::ok(r#"{"deleted":10000}"#), chroma_error(403)]);
    let server = chroma(LIMITS, move |request| answers(request));
    let all = ids(0..12_000);
    let error = collection(&server)
        .delete()
        .ids(all.clone())
        .run()
        .unwrap_err();
    let [done, unknown, pending] = ids_by_outcome(&error);
    assert_eq!(
        (done, pending),
        (all[..10_000].to_vec(), all[10_000..].to_vec())
    );
    assert!(unknown.is_empty());
}

#[test]
fn a_limited_delete_is_sent_to_a_newer_server() {
    // A newer server, whose description uses other names.
    let server = chroma(LIMITS, |request| match request.path.as_str() {
        "/openapi.json" => Answer::ok(r#"{"components":{"schemas":{}}}"#),
        _ => Answer::ok(r#"{"deleted":2}"#),
    });
    let delete = collection(&server).delete().filter(Key::field("n").gt(1));
    assert_eq!(delete.limit(2).run().unwrap(), Some(2));
}
