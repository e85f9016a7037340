//! Features of distributed servers and Chroma Cloud: forks, functions, indexing, transactions, keys,
//! discovery of the tenant. The stand-in follows the OpenAPI description of 1.5.9 and, for transactions,
//! Chroma's source.

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::*;
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::collection::STAMP;
use chroma_blocking::{Client, Error, Include, InvalidInput, Key, Metadata, Record};
use serde_json::{Value, json};

const COLLECTION: &str = "/api/v2/tenants/default_tenant/databases/default_database/collections/6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";

fn answering(answer: &Value) -> StandIn {
    scripted([Answer::ok(answer.to_string())])
}

/// Returns the method, the path after the collection, and the body of the only request whose path ends with
/// `end`.
fn asked(server: &StandIn, end: &str) -> (String, String, Value) {
    let requests = server.requests_to(end);
    assert_eq!(requests.len(), 1, "{end}");
    let path = requests[0].path.strip_prefix(COLLECTION).unwrap();
    let body = serde_json::from_slice(&requests[0].body).unwrap_or(Value::Null);
    (requests[0].method.clone(), path.to_owned(), body)
}

#[test]
fn forks_are_created_and_counted() {
    let forked = json!({
        "id": "0b7d9f0a-1c2d-4e3f-8a9b-112233445566", "name": "abc-2", "configuration_json": {},
        "tenant": "default_tenant", "database": "default_database", "log_position": 7, "version": 1, "dimension": 2
    });
    let server = answering(&forked);
    let fork = collection(&server).fork("abc-2").unwrap();
    assert_eq!((fork.name(), fork.dimension()), ("abc-2", Some(2)));
    assert_eq!(
        asked(&server, "/fork"),
        ("POST".into(), "/fork".into(), json!({"new_name": "abc-2"}))
    );
    let server = answering(&json!({"count": 3}));
    assert_eq!(collection(&server).fork_count().unwrap(), 3);
    let refused = collection(&server).fork("a b").unwrap_err();
    assert!(matches!(
        refused,
        Error::Invalid {
            reason: InvalidInput::Name { .. },
            ..
        }
    ));
}

#[test]
fn the_indexing_status_is_read() {
    let server = answering(&json!({
        "op_indexing_progress": 0.75, "num_unindexed_ops": 1, "num_indexed_ops": 3, "total_ops": 4
    }));
    let status = collection(&server).indexing_status().unwrap();
    assert_eq!(status.op_indexing_progress, 0.75);
    assert_eq!(
        (
            status.num_unindexed_ops,
            status.num_indexed_ops,
            status.total_ops
        ),
        (1, 3, 4)
    );
}

#[test]
fn an_attached_function_gets_another_input() {
    // As chroma-core/chroma at 93652ec describes it.
    let server = answering(&json!({"created": true, "attached_function": {
        "id": "f1", "name": "my counter", "function_name": "record_counter", "tenant_id": "t", "database_id": "d",
        "input_collection_id": "c1", "output_collection": "counts", "output_collection_id": null,
        "params": null, "completion_offset": 0, "min_records_for_invocation": 100
    }}));
    let abc = collection(&server);
    let added = abc.add_function_input("my counter", &abc).unwrap();
    assert_eq!(
        (&*added.id, &*added.function_name),
        ("f1", "record_counter")
    );
    assert!(added.created);
    let error = abc.add_function_input("", &abc).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert_eq!(
        asked(&server, "/add_input"),
        (
            "POST".into(),
            "/attached_functions/my%20counter/add_input".into(),
            json!({"input_collection_id": abc.id()})
        )
    );
}

#[test]
fn functions_are_attached_described_and_detached() {
    let info = json!({"id": "f1", "name": "my counter", "function_name": "record_counter"});
    let server = answering(&json!({"attached_function": info, "created": true}));
    let attached = collection(&server)
        .attach_function("my counter", "record_counter", "counts")
        .params(json!({"every": 10}))
        .run()
        .unwrap();
    assert!(attached.created);
    assert_eq!(
        (attached.id.as_str(), attached.function_name.as_str()),
        ("f1", "record_counter")
    );
    let body = json!({
        "name": "my counter", "function_id": "record_counter", "output_collection": "counts", "params": {"every": 10}
    });
    assert_eq!(
        asked(&server, "/attach"),
        ("POST".into(), "/functions/attach".into(), body)
    );

    let server = answering(&json!({"attached_function": {
        "id": "f1", "name": "my counter", "function_name": "record_counter", "tenant_id": "t", "database_id": "d",
        "input_collection_id": "c1", "output_collection": "counts", "output_collection_id": null,
        "params": "{}", "completion_offset": 5, "min_records_for_invocation": 100
    }}));
    let function = collection(&server)
        .get_attached_function("my counter")
        .unwrap();
    assert_eq!(function.output_collection_name, "counts");
    assert_eq!(
        (
            function.completion_offset,
            function.min_records_for_invocation
        ),
        (5, 100)
    );
    assert_eq!(asked(&server, "/my%20counter").1, "/functions/my%20counter");

    let server = answering(&json!({"success": true}));
    assert!(
        collection(&server)
            .detach_function("my counter")
            .delete_output(true)
            .run()
            .unwrap()
    );
    assert_eq!(
        asked(&server, "/detach"),
        (
            "POST".into(),
            "/attached_functions/my%20counter/detach".into(),
            json!({"delete_output": true})
        )
    );
    let refused = collection(&server)
        .attach_function("n", "f", "counts")
        .params(json!([1]))
        .run();
    assert!(matches!(refused, Err(Error::Invalid { .. })));
}

fn found(ids: &[&str], token: u64) -> Answer {
    Answer::ok(
        json!({"ids": ids, "documents": null, "include": [], "read_token": token}).to_string(),
    )
}

#[test]
fn a_transaction_reads_one_snapshot_and_commits_once() {
    let server = scripted([
        found(&["a"], 42),
        found(&["c"], 42),
        Answer::ok(json!({"first_inserted_record_offset": 43, "record_count": 3}).to_string()),
    ]);
    let mut transaction = collection(&server).transaction();
    assert_eq!(transaction.get_ids(["a", "b"], []).unwrap().ids, ["a"]);
    transaction
        .get_filtered(Key::field("n").gt(1), 10, [])
        .unwrap();
    transaction
        .upsert([Record::new("d").embedding([1.0, 2.0])])
        .unwrap();
    transaction
        .update([Record::new("e").metadata("k", 1)])
        .unwrap();
    transaction.delete(["f"]).unwrap();
    let committed = transaction.commit().unwrap();
    assert_eq!(
        (
            committed.first_inserted_record_offset,
            committed.record_count
        ),
        (Some(43), 3)
    );

    let reads = server.requests_to("/conditional/get");
    let body = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    assert_eq!(body(&reads[0]), json!({"ids": ["a", "b"], "include": []}));
    assert_eq!(
        body(&reads[1]),
        json!({"where": {"n": {"$gt": 1}}, "limit": 10, "include": [], "read_token": 42})
    );
    let commit = body(&server.requests_to("/conditional/commit")[0]);
    assert_eq!(
        (&commit["read_token"], &commit["read_ids"]),
        (&json!(42), &json!(["a", "b", "c"]))
    );
    let operations = commit["operations"].as_array().unwrap();
    let names: Vec<_> = operations
        .iter()
        .map(|o| o["operation"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["upsert", "update", "delete"]);
    assert_eq!(operations[0]["payload"]["ids"], json!(["d"]));
    assert_eq!(
        operations[1]["payload"],
        json!({"ids": ["e"], "metadatas": [{"k": 1}]})
    );
    assert_eq!(operations[2]["payload"], json!({"ids": ["f"]}));
}

#[test]
fn a_transaction_stamps_its_records_with_the_time_of_the_commit() {
    let read = json!({"ids": ["a"], "metadatas": [{"k": 1, STAMP: 5}], "include": ["metadatas"], "read_token": 42});
    let server = chroma(LIMITS, move |request| {
        Answer::ok(if request.path.ends_with("/get") {
            read.to_string()
        } else {
            r#"{"record_count":3}"#.to_owned()
        })
    });
    let abc = client(&server).collection("abc").stamp_writes(true);
    let abc = abc.get().unwrap();
    let mut transaction = abc.transaction();
    let found = transaction.get_ids("a", [Include::Metadatas]).unwrap();
    assert_eq!(found.metadatas.unwrap(), [Metadata::from([("k", 1)])]);
    let point = |id: &str| Record::new(id).embedding([1.0, 2.0]);
    transaction
        .add([point("b").metadata("k", "\u{0}"), point("c")])
        .unwrap();
    transaction.update([Record::new("d")]).unwrap();
    let now = || {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        since_1970.as_micros() as i64
    };
    let before = now();
    transaction.commit().unwrap();
    let commit: Value =
        serde_json::from_slice(&server.requests_to("/conditional/commit")[0].body).unwrap();
    let metadatas = |operation: usize| &commit["operations"][operation]["payload"]["metadatas"];
    let stamp = metadatas(0)[0][STAMP].as_i64().unwrap();
    assert!(before <= stamp && stamp <= now());
    assert_eq!(
        metadatas(0),
        &json!([{"k": "\u{0}", STAMP: stamp}, {STAMP: stamp}])
    );
    assert_eq!(metadatas(1), &json!([{STAMP: stamp}]));
}

#[test]
fn a_transaction_refuses_unsupported_operations() {
    let server = scripted([]);
    let mut transaction = collection(&server).transaction();
    let point = |id| Record::new(id).embedding([1.0, 2.0]);
    transaction.add([point("a")]).unwrap();
    for again in [
        transaction.upsert([point("b"), point("a")]),
        transaction.delete(["a"]),
        transaction.get_ids(["a"], []).map(drop),
    ] {
        let Err(Error::Invalid { reason, .. }) = again else {
            panic!("{again:?}");
        };
        assert!(
            matches!(&reason, InvalidInput::WrittenInTransaction { id, .. } if id == "a"),
            "{reason}"
        );
    }
    // The refused write is not part of the transaction.
    transaction.upsert([point("b")]).unwrap();
    let nothing = collection(&server).transaction().commit().unwrap();
    assert_eq!(nothing.record_count, 0);
    assert!(server.requests_to("/conditional/commit").is_empty());
}

#[test]
fn a_concurrent_write_is_a_conflict_and_a_lost_commit_is_not_repeated() {
    let refused = Answer::new(
        409,
        r#"{"error":"ConditionalWriteConflictError","message":"conditional write conflict"}"#,
    );
    let stale = chroma_error(412);
    for (answer, conflict) in [(refused, true), (stale, true), (Answer::close(), false)] {
        let server = scripted([answer]);
        let mut transaction = collection(&server).transaction();
        transaction.delete(["a"]).unwrap();
        let error = transaction.commit().unwrap_err();
        assert_eq!(matches!(error, Error::Conflict { .. }), conflict, "{error}");
        assert_eq!(error.call().unwrap().may_have_acted, !conflict);
        assert_eq!(server.requests_to("/conditional/commit").len(), 1);
    }
}

#[test]
fn transactions_are_unsupported_by_older_servers() {
    let server = scripted([Answer::new(404, "")]);
    let error = collection(&server)
        .transaction()
        .get_ids(["a"], [])
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn updates_the_resource_name_of_a_tenant() {
    let server = StandIn::script([
        Answer::ok("{}"),
        Answer::ok(json!({"name": "team", "resource_name": "team-eu"}).to_string()),
    ]);
    client(&server).update_tenant("team", "team-eu").unwrap();
    let update = &server.requests()[0];
    assert_eq!(
        (update.method.as_str(), update.path.as_str()),
        ("PATCH", "/api/v2/tenants/team")
    );
    assert_eq!(update.body, br#"{"resource_name":"team-eu"}"#);
}

fn identity(databases: &[&str]) -> Answer {
    Answer::ok(json!({"user_id": "u", "tenant": "team", "databases": databases}).to_string())
}

#[test]
fn finds_the_tenant_and_database_of_a_key() {
    let cloud = |server: &StandIn| builder(&server.url()).api_key("ck-secret");
    let server = StandIn::start(|request| match request.path.as_str() {
        "/api/v2/auth/identity" => identity(&["only"]),
        _ => Answer::ok("3"),
    });
    // With another host than Chroma Cloud, the client sends no request for the tenant.
    let client = cloud(&server).build().unwrap();
    assert_eq!(
        (client.tenant(), client.database()),
        ("default_tenant", "default_database")
    );
    assert!(server.requests().is_empty());

    let client = cloud(&server).find_database(true).build().unwrap();
    assert_eq!((client.tenant(), client.database()), ("team", "only"));
    assert_eq!(client.count_collections().unwrap(), 3);
    let last = server.requests().pop().unwrap();
    assert_eq!(
        last.path,
        "/api/v2/tenants/team/databases/only/collections_count"
    );
    assert_eq!(last.header("x-chroma-token"), Some("ck-secret"));
    // The client sends no request if tenant and database are set.
    let set = cloud(&server)
        .find_database(true)
        .tenant("t")
        .database("d")
        .build()
        .unwrap();
    assert_eq!((set.tenant(), set.database()), ("t", "d"));

    for databases in [&[][..], &["one", "two"][..]] {
        let server = StandIn::script([identity(databases)]);
        let error = cloud(&server)
            .find_database(true)
            .build()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("database is empty or not set")
                && error.contains(&format!("{databases:?}")),
            "{error}"
        );
    }
    // A database that is named twice counts once, and the wildcard does not count.
    let server = StandIn::script([identity(&["db", "db"])]);
    assert_eq!(
        cloud(&server)
            .find_database(true)
            .build()
            .unwrap()
            .database(),
        "db"
    );
    let server = StandIn::script([identity(&["*"])]);
    assert!(cloud(&server).find_database(true).build().is_err());
    // The only database of one tenant is not the database of another tenant.
    let server = StandIn::script([identity(&["db"])]);
    assert!(
        cloud(&server)
            .find_database(true)
            .tenant("other")
            .build()
            .is_err()
    );
    let server = StandIn::script([chroma_error(401)]);
    let error = cloud(&server).find_database(true).build().unwrap_err();
    assert!(
        matches!(error, Error::Unauthorized { status: 401, .. }),
        "{error}"
    );
}

#[test]
fn every_kind_of_authentication_sends_its_header() {
    let server = StandIn::start(|_| Answer::ok(r#"{"nanosecond heartbeat":1}"#));
    let header = |client: Client, name: &str| {
        client.heartbeat().unwrap();
        server
            .requests()
            .pop()
            .unwrap()
            .header(name)
            .map(str::to_owned)
    };
    let new = || builder(&server.url());
    let sent = header(
        new().bearer_token("t0ken").build().unwrap(),
        "authorization",
    );
    assert_eq!(sent.as_deref(), Some("Bearer t0ken"));
    let sent = header(new().basic_auth("u", "p").build().unwrap(), "authorization");
    assert_eq!(sent.as_deref(), Some("Basic dTpw"));
    let sent = header(new().header("X-Team", "blue").build().unwrap(), "x-team");
    assert_eq!(sent.as_deref(), Some("blue"));
    assert_eq!(header(new().build().unwrap(), "authorization"), None);
}

#[test]
fn a_crn_opens_a_collection_of_another_tenant() {
    let stored = json!({
        "id": "0b7d9f0a-1c2d-4e3f-8a9b-112233445566", "name": "notes", "tenant": "t", "database": "d",
        "log_position": 0, "version": 0, "configuration_json": {}
    });
    let server = StandIn::script([Answer::ok(stored.to_string()), Answer::ok("5")]);
    let notes = client(&server)
        .collection_by_crn("res name:d:notes")
        .get()
        .unwrap();
    assert_eq!(notes.count().unwrap(), 5);
    let paths: Vec<_> = server.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(
        paths,
        [
            "/api/v2/collections/res%20name%3Ad%3Anotes",
            "/api/v2/tenants/t/databases/d/collections/0b7d9f0a-1c2d-4e3f-8a9b-112233445566/count",
        ]
    );

    // A single-node server closes the connection. The client sends two attempts, and one more on a new
    // connection, fewer than the policy allows.
    let heartbeat = Answer::ok(r#"{"nanosecond heartbeat":1}"#);
    let close = Answer::close;
    let server = StandIn::script([close(), heartbeat, close(), close()]);
    let error = client(&server)
        .collection_by_crn("a:b:c")
        .get()
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(
        error.to_string().contains("the connection broke: "),
        "{error}"
    );
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn malformed_crns_and_ids_are_not_sent() {
    let server = StandIn::script([]);
    let client = client(&server);
    for error in [
        client.collection_by_crn("no crn").get().unwrap_err(),
        client.collection_by_id("no id").get().unwrap_err(),
    ] {
        assert!(matches!(
            error,
            Error::Invalid {
                reason: InvalidInput::Setting { .. },
                ..
            }
        ));
    }
    assert!(server.requests().is_empty());
}
