//! Each row of the table of operations, with a fault before, during and after the request: the number of
//! attempts and the error.

use std::sync::{Arc, Mutex};

use crate::support::stand_in::{Answer, Request, StandIn, lock};
use crate::support::{LIMITS, builder};
use chroma_blocking::{Collection, Error, Key, Record, Result, Search};
use serde_json::{Value, json};

const ID: &str = "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";

/// A row of the table in the source of the library.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    constant: String,
    method: String,
    path: String,
    kind: String,
}

/// Reads the rows from the source, so that the test covers new rows.
fn table() -> Vec<Row> {
    let source = include_str!("../../src/client/operations.rs");
    let row = |line: &str| {
        let (constant, rest) = line.trim().strip_suffix(';')?.split_once(": \"")?;
        let [_, method, path, kind] = rest.split(", ").collect::<Vec<_>>()[..] else {
            return None;
        };
        let prefix = match path.split_once("!(") {
            Some(("in_database", _)) => "/api/v2/tenants/{tenant}/databases/{database}",
            Some(("in_collection", _)) => {
                "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection}"
            }
            _ => "",
        };
        Some(Row {
            constant: constant.to_owned(),
            method: method.to_owned(),
            path: prefix.to_owned() + path.split('"').nth(1)?,
            kind: kind.to_owned(),
        })
    };
    source.lines().filter_map(row).collect()
}

impl Row {
    fn is(&self, request: &Request) -> bool {
        let path = request.path.split('?').next().unwrap_or_default();
        let (path, form): (Vec<_>, Vec<_>) =
            (path.split('/').collect(), self.path.split('/').collect());
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let told_apart = match self.constant.as_str() {
            "CREATE_COLLECTION" => body["get_or_create"] == false,
            "GET_OR_CREATE_COLLECTION" => body["get_or_create"] == true,
            "DELETE" => body["limit"].is_null(),
            "DELETE_SOME" => !body["limit"].is_null(),
            _ => true,
        };
        let same_part = |(part, form): (&&str, &&str)| form.starts_with('{') || part == form;
        self.method == request.method
            && path.len() == form.len()
            && path.iter().zip(&form).all(same_part)
            && told_apart
    }

    fn reads(&self) -> bool {
        self.kind.starts_with("Reads")
    }
}

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
        Answer::ok(self.good(row, request).to_string())
    }

    fn good(&self, row: &Row, request: &Request) -> Value {
        let name = if request.path.ends_with("/abc") {
            "abc"
        } else {
            "made"
        };
        match row.constant.as_str() {
            "HEARTBEAT" => json!({ "nanosecond heartbeat": 1 }),
            "VERSION" => json!("1.0.0"),
            "PRE_FLIGHT_CHECKS" => serde_json::from_str(LIMITS).unwrap(),
            "IDENTITY" => json!({ "user_id": "", "tenant": "t", "databases": [] }),
            "GET_TENANT" => {
                let named = self.row.constant != "UPDATE_TENANT" || self.done;
                json!({ "name": "made", "resource_name": named.then_some("res") })
            }
            "GET_DATABASE" => json!({ "id": ID, "name": "made", "tenant": "t" }),
            "LIST_DATABASES" | "LIST_COLLECTIONS" => json!([]),
            "COUNT" | "COUNT_COLLECTIONS" => json!(0),
            "QUERY" => json!({ "ids": [[]], "distances": [[]] }),
            "SEARCH" => json!({ "ids": [[]], "documents": [null], "embeddings": [null],
                "metadatas": [null], "scores": [[]], "select": [[]] }),
            "GET" | "CONDITIONAL_GET" => json!({ "ids": [], "read_token": 1 }),
            "FORK_COUNT" => json!({ "count": 0 }),
            "INDEXING_STATUS" => json!({ "op_indexing_progress": 1.0, "num_unindexed_ops": 0,
                "num_indexed_ops": 0, "total_ops": 0 }),
            "ATTACH_FUNCTION" => json!({ "created": true,
                "attached_function": { "id": ID, "name": "made", "function_name": "f" } }),
            "GET_ATTACHED_FUNCTION" => json!({ "attached_function": { "id": ID, "name": "made",
                "function_name": "f", "input_collection_id": ID, "output_collection": "out" } }),
            "DETACH_FUNCTION" => json!({ "success": true }),
            "DELETE" | "DELETE_SOME" => json!({ "deleted": 1 }),
            "CONDITIONAL_COMMIT" => {
                json!({ "first_inserted_record_offset": 0, "commit_token": 2, "record_count": 1 })
            }
            _ => json!({ "id": ID, "name": name, "metadata": null, "configuration_json": {} }),
        }
    }
}

/// Executes the operation.
fn call(constant: &str, abc: &Collection) -> Result<()> {
    let client = abc.client();
    let record = || [Record::new("a").embedding([1.0, 2.0])];
    match constant {
        "HEARTBEAT" => client.heartbeat().map(drop),
        "HEALTHCHECK" => client.healthcheck(),
        "VERSION" => client.version().map(drop),
        "PRE_FLIGHT_CHECKS" => client.pre_flight_checks().map(drop),
        "IDENTITY" => client.identity().map(drop),
        "RESET" => client.reset(),
        "CREATE_TENANT" => client.create_tenant("made"),
        "GET_TENANT" => client.get_tenant("ten").map(drop),
        "UPDATE_TENANT" => client.update_tenant("ten", "res"),
        "LIST_DATABASES" => client.list_databases().run().map(drop),
        "CREATE_DATABASE" => client.create_database("made"),
        "GET_DATABASE" => client.get_database("dat").map(drop),
        "DELETE_DATABASE" => client.delete_database("made"),
        "LIST_COLLECTIONS" => client.list_collections().run().map(drop),
        "COUNT_COLLECTIONS" => client.count_collections().map(drop),
        "CREATE_COLLECTION" => client.collection("made").create().map(drop),
        "GET_OR_CREATE_COLLECTION" => client.collection("made").get_or_create().map(drop),
        "GET_COLLECTION" => client.collection("other").get().map(drop),
        "GET_COLLECTION_BY_ID" => client.collection_by_id(ID).get().map(drop),
        "GET_COLLECTION_BY_CRN" => client.collection_by_crn("t:d:c").get().map(drop),
        "MODIFY" => abc.modify().metadata([("k", 1)]).run().map(drop),
        "DELETE_COLLECTION" => client.delete_collection("made"),
        "ADD" => abc.add(record()),
        "UPSERT" => abc.upsert(record()),
        "UPDATE" => abc.update(record()),
        "DELETE" => abc.delete().ids(["a"]).run().map(drop),
        "DELETE_SOME" => {
            let some = abc.delete().filter(Key::field("k").eq(1)).limit(1);
            some.run().map(drop)
        }
        "GET" => abc.get().run().map(drop),
        "QUERY" => abc.query(vec![1.0, 2.0]).run().map(drop),
        "SEARCH" => abc.search(Search::new().limit(1)).run().map(drop),
        "COUNT" => abc.count().map(drop),
        "INDEXING_STATUS" => abc.indexing_status().map(drop),
        "FORK" => abc.fork("made").map(drop),
        "FORK_COUNT" => abc.fork_count().map(drop),
        "ATTACH_FUNCTION" => abc.attach_function("made", "f", "out").run().map(drop),
        "GET_ATTACHED_FUNCTION" => abc.get_attached_function("fun").map(drop),
        "DETACH_FUNCTION" => abc.detach_function("made").run().map(drop),
        "CONDITIONAL_GET" => abc.transaction().get_ids(["a"], []).map(drop),
        "CONDITIONAL_COMMIT" => {
            let mut transaction = abc.transaction();
            transaction.upsert(record())?;
            transaction.commit().map(drop)
        }
        other => panic!("no call for {other}: add it here"),
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
    assert_eq!(table.len(), 39);
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
