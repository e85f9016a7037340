//! Ids and names from a server become parts of later paths. These servers return some that would change a
//! path.

use chroma_blocking::{Client, Error, Result};
use serde_json::{Value, json};

use crate::support::stand_in::{Answer, StandIn};
use crate::support::{COLLECTION, LIMITS, builder, client};

const ID: &str = "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";

/// Starts a server that describes the collection `abc` as a real one does, and every other one as `stored`.
fn server(stored: Value) -> StandIn {
    StandIn::start(move |request| {
        let last = request.path.rsplit(['/', '?']).next();
        match (request.method.as_str(), last) {
            (_, Some("heartbeat")) => Answer::ok(r#"{"nanosecond heartbeat":1}"#),
            (_, Some("pre-flight-checks")) => Answer::ok(LIMITS),
            (_, Some("abc")) => Answer::ok(COLLECTION),
            ("GET", Some(query)) if query.starts_with("limit=") => {
                Answer::ok(json!([stored]).to_string())
            }
            ("PUT", _) => Answer::ok("{}"),
            _ => Answer::ok(stored.to_string()),
        }
    })
}

/// Opens a collection in each way, and lets each handle be used.
fn open_in_each_way(client: &Client) -> Vec<(&'static str, Result<()>)> {
    let abc = client.collection("abc").get().unwrap();
    let count = |opened: Result<chroma_blocking::Collection>| opened?.count().map(drop);
    let listed = client.list_collections().run();
    vec![
        ("get", count(client.collection("other").get())),
        ("create", count(client.collection("other").create())),
        (
            "get_or_create",
            count(client.collection("other").get_or_create()),
        ),
        ("by id", count(client.collection_by_id(ID).get())),
        ("by crn", count(client.collection_by_crn("t:d:other").get())),
        ("fork", count(abc.fork("other"))),
        ("modify", count(abc.modify().name("other").run())),
        (
            "list",
            listed.and_then(|all| all.iter().try_for_each(|one| one.count().map(drop))),
        ),
    ]
}

#[test]
fn secure_13_no_request_is_sent_for_an_id_or_a_name_that_would_change_a_path() {
    let good = json!({ "id": ID, "name": "other", "tenant": "t", "database": "d" });
    for (field, bad) in [
        ("id", ".."),
        ("id", ""),
        ("id", "../../../../../reset"),
        ("id", "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11/.."),
        ("id", "\u{1b}[2J"),
        ("name", ".."),
        ("tenant", ".."),
        ("database", "."),
        ("database", ""),
    ] {
        let mut stored = good.clone();
        stored[field] = json!(bad);
        let server = server(stored);
        for (way, result) in open_in_each_way(&client(&server)) {
            let error = result.unwrap_err();
            assert!(
                matches!(error, Error::Decode { .. }),
                "{way}, {field} {bad:?}: {error}"
            );
            let message = error.to_string();
            assert!(message.contains(&format!("{bad:?}")), "{way}: {message}");
            assert!(!message.contains(char::is_control), "{way}: {message:?}");
        }
        let counts = server.requests_to("/count");
        assert!(counts.is_empty(), "{field} {bad:?}: {:?}", counts[0].path);
    }
}

#[test]
fn secure_13_each_form_of_a_uuid_is_accepted() {
    for id in [ID.to_owned(), ID.to_uppercase(), ID.replace('-', "")] {
        let server = server(json!({ "id": id, "name": "other" }));
        let opened = client(&server).collection("other").get().unwrap();
        assert_eq!(opened.id(), id);
    }
}

#[test]
fn secure_13_a_tenant_or_database_of_a_key_that_would_change_a_path_is_an_error() {
    for (tenant, database) in [("..", "d"), (".", "d"), ("", "d"), ("t", ".."), ("t", "")] {
        let server = StandIn::start(move |_| {
            let identity = json!({ "user_id": "u", "tenant": tenant, "databases": [database] });
            Answer::ok(identity.to_string())
        });
        let builder = builder(&server.url()).find_database(true);
        let error = builder.clone().build().unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error}");
        assert!(error.to_string().contains("identity"), "{error}");
        // The client does not ask for names that the program sets.
        let named = builder.tenant("team").database("notes").build().unwrap();
        assert_eq!((named.tenant(), named.database()), ("team", "notes"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn secure_13_an_error_that_lists_names_from_a_server_is_short() {
    let server = StandIn::start(|_| {
        let names: Vec<String> = (0..50_000).map(|i| format!("\u{1b}[2J{i}")).collect();
        let identity = json!({ "tenant": "t".repeat(1 << 20), "databases": names });
        Answer::ok(identity.to_string())
    });
    let builder = builder(&server.url()).find_database(true);
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("choose one with database"), "{error}");
    assert!(error.len() < 4_000, "{} bytes", error.len());
    assert!(!error.contains(char::is_control), "{error:?}");
}
