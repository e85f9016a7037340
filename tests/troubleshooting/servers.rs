//! Servers that are down, busy, broken, old, or not Chroma.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chroma_blocking::{
    Client, Collection, Key, Record, RetryPolicy, Search,
    client::CircuitBreaker,
    schema::{InvertedIndex, Schema},
};

use crate::messages::Messages;
use crate::support::stand_in::{Answer, StandIn, script};
use crate::support::{
    COLLECTION, LIMITS, OLD_LIMITS, builder, chroma, chroma_error, client_without_retries,
    closed_port, collection, lost_answers, records, scripted,
};

pub fn all(seen: &mut Messages) {
    away(seen);
    something_else(seen);
    statuses(seen);
    recorded(seen);
    late(seen);
    lost(seen);
    old(seen);
    wrong(seen);
}

fn away(seen: &mut Messages) {
    let (_reserved, address) = closed_port();
    let client = builder(&address.to_string()).retry(RetryPolicy::none());
    seen.of(client.clone().build().unwrap().heartbeat());
    let breaker = CircuitBreaker::new().failures(1);
    let breaker = breaker.open_for(Duration::from_secs(600));
    let guarded = client.circuit_breaker(breaker).build().unwrap();
    seen.of(guarded.heartbeat());
    seen.of(guarded.heartbeat());
    for lost in lost_answers() {
        let server = scripted([lost]);
        seen.of(client_without_retries(&server).count_collections());
    }
    through_proxies(seen, &address.to_string());
}

fn through_proxies(seen: &mut Messages, closed: &str) {
    let servers = if cfg!(feature = "tls") {
        &["http://db.example.com", "https://db.example.com"][..]
    } else {
        &["http://db.example.com"]
    };
    for server in servers {
        let client = |proxy: &str| {
            let client = builder(server).proxy(proxy).retry(RetryPolicy::none());
            client
                .connection_timeout(Duration::from_millis(200))
                .build()
        };
        seen.of(client(closed).unwrap().heartbeat());
        for answer in [
            Answer::new(403, "not there"),
            Answer::new(407, ""),
            Answer::new(502, ""),
            Answer::raw("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
            Answer::close(),
        ] {
            let proxy = StandIn::start(move |_| answer.clone());
            seen.of(client(&proxy.url()).unwrap().heartbeat());
        }
        if server.starts_with("https") {
            let proxy = StandIn::start(|_| Answer::hang());
            seen.of(client(&proxy.url()).unwrap().heartbeat());
        }
    }
}

fn something_else(seen: &mut Messages) {
    for answer in [
        Answer::html(200),
        Answer::html(404),
        Answer::ok("{}"),
        Answer::raw("SSH-2.0-OpenSSH_9.6\r\n"),
        Answer::new(301, "").header("location", "https://db.example.com/api/v2/heartbeat"),
    ] {
        let server = StandIn::start(move |_| answer.clone());
        seen.of(client_without_retries(&server).heartbeat());
        seen.of(client_without_retries(&server).version());
    }
}

/// Starts a server that gives this error to every request.
fn refusing(status: u16, body: &str) -> StandIn {
    let answer = Answer::new(status, body);
    chroma(LIMITS, move |_| answer.clone())
}

fn statuses(seen: &mut Messages) {
    let error = |name: &str, message: &str| {
        serde_json::json!({ "error": name, "message": message }).to_string()
    };
    let conflict = error(
        "ConditionalWriteConflictError",
        "somebody else has written it",
    );
    let locked = "Database error: error returned from database: (code: 5) database is locked";
    // From Chroma 1.0.0, for a write above its limit.
    let many = "Query error: Database error: error returned from database: (code: 1) too many SQL variables";
    let full = "error returned from database: (code: 13) database or disk is full";
    let broken = "Error executing plan: Error sending backfill request to compactor: Error constructing hnsw segment reader: Error creating hnsw segment reader: Error deserializing pickle file: eval error at offset 0: EOF while parsing";
    let no_index = "Error executing plan: Internal error: Error creating hnsw segment reader: Nothing found on disk";
    let sparse = "Failed to reconcile schema: Invalid schema input: Sparse vector indexing is not enabled in local";
    let gone = "Error executing plan: Error finding id: not found";
    for (status, body) in [
        (401, error("ChromaError", "no key")),
        (400, error("InvalidArgumentError", sparse)),
        (409, conflict),
        (413, "Payload too large".to_owned()),
        (429, "slow down".to_owned()),
        (500, error("InternalError", locked)),
        (500, error("InternalError", many)),
        (500, error("InternalError", no_index)),
        (500, error("InternalError", full)),
        (500, error("InternalError", broken)),
        (500, error("InternalError", gone)),
        (500, "oops".to_owned()),
        (502, "<html>bad gateway</html>".to_owned()),
        (503, "no healthy upstream".to_owned()),
        (504, "<html>timeout</html>".to_owned()),
        (524, String::new()),
    ] {
        let server = refusing(status, &body);
        seen.of(client_without_retries(&server).count_collections());
    }
    let busy = Answer::new(429, "slow down").header("retry-after", 30);
    seen.of(client_without_retries(&scripted([busy])).count_collections());
}

/// Recorded errors of real servers, with their statuses.
fn recorded(seen: &mut Messages) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/answers");
    for version in ["1.0.0", "1.5.9"] {
        for file in fs::read_dir(folder.join(version)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let Some(kind) = name.strip_prefix("error.") else {
                continue;
            };
            let body = fs::read_to_string(&path).unwrap();
            let status = match kind {
                // An unknown operation.
                _ if body.is_empty() => 404,
                "body" => 422,
                "dimension" | "filter" | "name" => 400,
                "fork" | "search" => 501,
                "indexing_status" => 500,
                "not_found" => 404,
                "reset" => 403,
                "taken" => 409,
                other => panic!("{other}: with which status does it come?"),
            };
            let server = refusing(status, &body);
            seen.of(client_without_retries(&server).count_collections());
        }
    }
}

fn late(seen: &mut Messages) {
    let hanging = || StandIn::start(|_| Answer::hang());
    let hasty = Duration::from_millis(100);
    let none = RetryPolicy::none();
    let server = hanging();
    let client = builder(&server.url()).retry(none);
    seen.of(client
        .clone()
        .request_timeout(hasty)
        .build()
        .unwrap()
        .heartbeat());
    seen.of(client
        .clone()
        .retry(none.deadline(hasty))
        .build()
        .unwrap()
        .heartbeat());
    seen.of(client
        .retry(none.deadline(Duration::ZERO))
        .build()
        .unwrap()
        .heartbeat());
}

fn lost(seen: &mut Messages) {
    // A write in several requests. The answer to the second one is lost.
    let server = scripted([Answer::ok("{}"), Answer::close(), Answer::close()]);
    let abc = collection(&server).with_retry(RetryPolicy::none());
    seen.of(abc.upsert(records(1_500)));
    // The answer to a creation is lost, and a different collection has the name.
    let count = |request: &crate::support::stand_in::Request| request.path.ends_with("/count");
    let mut first = true;
    let server = StandIn::start(move |request| match request.method.as_str() {
        "POST" if std::mem::take(&mut first) => Answer::close(),
        _ if count(request) => Answer::ok("3"),
        _ => Answer::ok(COLLECTION),
    });
    seen.of(client_without_retries(&server).collection("abc").create());
    // A collection that was renamed.
    let other = COLLECTION.replace("6f4c", "0000");
    let server = StandIn::start(script([
        Answer::ok(COLLECTION),
        Answer::ok("{}"),
        Answer::ok(other),
    ]));
    let abc = collection(&server);
    seen.of(abc.modify().metadata([("k", 1)]).run());
}

/// Operations that a server does not support, by its error or by its description.
fn old(seen: &mut Messages) {
    let described = |schemas: &str, answer: Answer| {
        let schemas = format!(r#"{{"components":{{"schemas":{schemas}}}}}"#);
        chroma(LIMITS, move |request| match request.path.as_str() {
            "/openapi.json" => Answer::ok(schemas.as_str()),
            _ => answer.clone(),
        })
    };
    let scalars = r##"{"HashMap":{"oneOf":[{"$ref":"#/components/schemas/SparseVector"}]},"DeleteCollectionRecordsPayload":{}}"##;
    let server = described(scalars, Answer::ok("{}"));
    let abc = collection(&server);
    seen.of(abc.get().filter(Key::field("tags").contains("a")).run());
    seen.of(abc.delete().filter(Key::field("k").eq(1)).limit(1).run());
    let sparse = chroma_blocking::record::SparseVector::new([1], [1.0]);
    let record = Record::new("a").embedding([1.0]).metadata("words", sparse);
    seen.of(abc.upsert([record]));

    let schemaless = r#"{"CreateCollectionPayload":{"properties":{"configuration":{}}}}"#;
    let server = described(schemaless, Answer::ok("{}"));
    let nothing = r#"{"ids":[],"embeddings":[],"include":["embeddings"]}"#;
    let oldest = chroma(OLD_LIMITS, move |_| Answer::ok(nothing));
    let like = client_without_retries(&server).collection("copy");
    let like = like.like(&collection(&oldest));
    let unindexed = Schema::new().delete_index("title", InvertedIndex::String);
    seen.of(like.schema(unindexed).create());

    for hidden in [
        Answer::new(404, "<html>"),
        Answer::new(403, ""),
        Answer::ok("<html>"),
    ] {
        let gateway = chroma(LIMITS, move |_| hidden.clone());
        let few = collection(&gateway).delete().filter(Key::field("k").eq(1));
        seen.of(few.limit(1).run());
    }

    let oldest = chroma(OLD_LIMITS, |_| chroma_error(400));
    let regex = Key::document().regex("a+");
    seen.of(collection(&oldest).get().filter(regex).run());
    let lists = r#"{"error":"ChromaError","message":"unknown variant of MetadataValue"}"#;
    let server = described("{}", Answer::new(422, lists));
    let record = Record::new("a")
        .embedding([1.0])
        .metadata("tags", vec!["a"]);
    seen.of(collection(&server).upsert([record]));
    let gateway = chroma(LIMITS, |_| Answer::new(405, "not here"));
    seen.of(client_without_retries(&gateway).count_collections());
    let unknown = chroma(LIMITS, |_| Answer::new(404, ""));
    seen.of(client_without_retries(&unknown).count_collections());
    let forgetful = chroma(LIMITS, |_| Answer::ok(COLLECTION));
    let client = Client::new(forgetful.url()).unwrap();
    seen.of(client.collection("abc").schema(Schema::new()).create());
    let tenant = StandIn::start(|request| match request.method.as_str() {
        "GET" => Answer::ok(r#"{"name":"team"}"#),
        _ => Answer::ok("{}"),
    });
    seen.of(client_without_retries(&tenant).update_tenant("team", "res"));
}

/// Answers that do not match the request.
fn wrong(seen: &mut Messages) {
    let query = |abc: &Collection| abc.query([1.0, 2.0]).run().map(drop);
    let get = |abc: &Collection| abc.get().run().map(drop);
    let search = |abc: &Collection| abc.search(Search::new().limit(1)).run().map(drop);
    type Ask<'a> = &'a dyn Fn(&Collection) -> chroma_blocking::Result<()>;
    let cases: [(Ask<'_>, &str); 5] = [
        (&query, r#"{"ids":[],"distances":[]}"#),
        (&query, "[1"),
        (&get, r#"{"ids":["a"],"documents":["x","y"]}"#),
        (&get, r#"{"ids":["a"],"embeddings":[[1.0"#),
        (&search, "{}"),
    ];
    for (ask, answer) in cases {
        let server = chroma(LIMITS, move |_| Answer::ok(answer));
        seen.of(ask(&collection(&server)));
    }
    for stored in [
        r#"{"id":"..","name":"other"}"#,
        r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":".."}"#,
    ] {
        let server = chroma(LIMITS, move |_| Answer::ok(stored));
        let client = builder(&server.url()).build().unwrap();
        seen.of(client.collection("other").get());
    }
    let large = chroma(LIMITS, |_| Answer::ok(" ".repeat(10_000)));
    let client = builder(&large.url()).max_response_size(1_000).build();
    let abc = client.unwrap().collection("abc").get().unwrap();
    seen.of(abc.get().run());
    // A secret that is cut off at the end of a quote cannot be replaced.
    let echo = StandIn::start(|_| Answer::ok("[\"ck-5ecret-t0ken\""));
    let client = builder(&echo.url())
        .api_key("ck-5ecret-t0ken")
        .retry(RetryPolicy::none());
    seen.of(client.build().unwrap().pre_flight_checks());
}
