//! Each row of the table of operations, with a fault before, during and after the request: the number of
//! attempts and the error.

use std::sync::{Arc, Mutex};

use crate::support::builder;
use crate::support::operations::{ID, Row, call, good, table};
use crate::support::stand_in::{Answer, Request, StandIn, lock};
use chroma_blocking::{Error, Result};
use serde_json::json;

/// A server on which the tested operation creates or deletes `made`. Its first request fails.
struct Server {
    row: Row,
    fault: Option<Answer>,
    /// Whether the server executes the request that fails.
    acts: bool,
    done: bool,
}

impl Server {
    fn answer(&mut self, request: &Request) -> Answer {
        let rows = table();
        let row = rows.iter().find(|row| row.is(request));
        let row = row.unwrap_or_else(|| panic!("no such operation: {request:?}"));
        if *row == self.row {
            let fault = self.fault.take();
            self.done |= fault.is_none() || self.acts;
            if let Some(fault) = fault {
                return fault;
            }
        }
        let deletes = ["DELETE_", "DETACH"];
        let deleted = deletes.iter().any(|d| self.row.constant.starts_with(d));
        let named = request.path.split('/').any(|part| part == "made");
        if row.reads() && named && self.done == deleted {
            return Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#);
        }
        let name = if request.path.ends_with("/abc") {
            "abc"
        } else {
            "made"
        };
        let has_resource = self.row.constant != "UPDATE_TENANT" || self.done;
        Answer::ok(good(&row.constant, name, has_resource).to_string())
    }
}

/// Makes a call whose first request fails with this fault. Returns the result, and the number of times that
/// the server received the request.
fn call_with_fault(row: &Row, fault: Answer, acts: bool) -> (Result<()>, usize) {
    let state = Arc::new(Mutex::new(Server {
        row: row.clone(),
        fault: None,
        acts,
        done: false,
    }));
    let answering = state.clone();
    let server = StandIn::start(move |request| match request.path.as_str() {
        "/openapi.json" => Answer::ok(DESCRIPTION),
        _ => lock(&answering).answer(request),
    });
    let client = builder(&server.url()).build().unwrap();
    let abc = client.collection("abc").get().unwrap();
    if row.constant != "PRE_FLIGHT_CHECKS" {
        client.pre_flight_checks().unwrap();
    }
    let seen = || server.requests().iter().filter(|r| row.is(r)).count();
    let before = seen();
    {
        let mut state = lock(&state);
        (state.fault, state.done) = (Some(fault), false);
    }
    let result = call(&row.constant, &abc);
    (result, seen() - before)
}

/// The OpenAPI description of a server that supports a limit in a delete.
const DESCRIPTION: &str = r#"{"openapi":"3.1.0","paths":{},"components":{"schemas":{"DeleteCollectionRecordsPayload":
    {"allOf":[{"type":"object","properties":{"limit":{"type":"integer"}}}]}}}}"#;

/// An answer after which the server has certainly not executed the request.
fn refusal() -> Answer {
    Answer::new(503, "busy").header("retry-after", 0)
}

/// Answers that do not arrive or say nothing about the outcome: the client cannot know whether the
/// server executed the request.
fn unclear_answers() -> [Answer; 4] {
    [
        Answer::close(),
        Answer::reset(),
        Answer::new(500, r#"{"error":"InternalError","message":"oops"}"#),
        Answer::ok(r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11"}"#).then_reset(),
    ]
}

#[test]
fn the_table_lists_every_operation() {
    let table = table();
    assert_eq!(table.len(), 40);
    let kinds = ["Reads", "ReadsRows", "Idempotent", "Once"];
    for row in &table {
        assert!(kinds.contains(&row.kind.as_str()), "{row:?}");
        assert!(row.path.starts_with("/api/v2/"), "{row:?}");
    }
}

#[test]
fn every_operation_is_repeated_if_the_server_refused_to_execute_it() {
    for row in table() {
        let (result, seen) = call_with_fault(&row, refusal(), false);
        assert!(result.is_ok(), "{row:?} {result:?}");
        assert_eq!(seen, 2, "{row:?}");
    }
}

#[test]
fn reads_and_idempotent_operations_are_repeated() {
    for row in table().iter().filter(|row| row.kind != "Once") {
        for (fault, acts) in unclear_answers()
            .into_iter()
            .zip([true, false, true, false])
        {
            let (result, seen) = call_with_fault(row, fault.clone(), acts);
            assert!(result.is_ok(), "{row:?} {fault:?} {result:?}");
            assert_eq!(seen, 2, "{row:?} {fault:?}");
        }
    }
}

#[test]
fn other_operations_are_repeated_only_after_a_check() {
    for row in table().iter().filter(|row| row.kind == "Once") {
        for fault in unclear_answers() {
            let (acted, seen_acted) = call_with_fault(row, fault.clone(), true);
            let (not, seen_not) = call_with_fault(row, fault.clone(), false);
            let shown = format!("{row:?} {fault:?} {acted:?} {not:?}");
            assert_eq!(seen_acted, 1, "{shown}");
            let unknown = |result: &Result<()>| {
                let call = |error: &Error| error.call().is_some_and(|call| call.may_have_acted);
                result.as_ref().is_err_and(call)
            };
            match row.constant.as_str() {
                // Another request cannot answer that.
                "RESET" | "DELETE_SOME" | "CONDITIONAL_COMMIT" => {
                    assert!(unknown(&acted) && unknown(&not) && seen_not == 1, "{shown}");
                }
                // The existing one may be a different one.
                "DELETE_DATABASE" | "DELETE_COLLECTION" | "DETACH_FUNCTION" => {
                    assert!(acted.is_ok() && unknown(&not) && seen_not == 1, "{shown}");
                }
                _ => assert!(acted.is_ok() && not.is_ok() && seen_not == 2, "{shown}"),
            }
        }
    }
}

#[test]
fn a_different_collection_of_that_name_is_not_the_created_one() {
    let mut first = true;
    let server =
        StandIn::start(
            move |request| match (request.method.as_str(), request.path.as_str()) {
                ("POST", _) if std::mem::take(&mut first) => Answer::close(),
                ("GET", path) if path.ends_with("/count") => Answer::ok("3"),
                _ => Answer::ok(
                    json!({ "id": ID, "name": "made", "metadata": null, "configuration_json": {} })
                        .to_string(),
                ),
            },
        );
    let client = builder(&server.url()).build().unwrap();
    let error = client.collection("made").create().unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert!(error.to_string().contains("made"), "{error}");
}

#[test]
fn a_creation_that_completes_late_is_recognized() {
    // The answer is lost, the collection is not there yet, the client repeats the request, and the first one
    // has created it.
    let mut step = 0;
    let server = StandIn::start(move |_| {
        step += 1;
        let stored = json!({ "id": ID, "name": "made", "configuration_json": {} });
        match step {
            1 => Answer::close(),
            2 => Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#),
            3 => Answer::new(409, r#"{"error":"ChromaError","message":"it is there"}"#),
            4 => Answer::ok(stored.to_string()),
            5 => Answer::ok("0"),
            _ => Answer::new(418, "over"),
        }
    });
    let client = builder(&server.url()).build().unwrap();
    assert_eq!(client.collection("made").create().unwrap().id(), ID);
    assert_eq!(server.requests().len(), 5);
}
