//! Records answers of a real server, which the fuzz test mutates. Each answer is a file in
//! `tests/data/answers/VERSION`, named after the operation and the request. `CHROMA_VERSION=1.0.0` records
//! the answers of another server.
//!
//! ```text
//! cargo test --test record_answers -- --ignored
//! ```

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use chroma_blocking::LocalServer;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

struct Recorder {
    agent: Agent,
    url: String,
    folder: PathBuf,
    /// Whether the server is Chroma 1.0.0, which lacks lists in metadata and collections by id.
    oldest: bool,
}

impl Recorder {
    fn get(&self, name: &str, path: &str) -> String {
        self.keep(name, "GET", path, Value::Null)
    }

    fn delete(&self, name: &str, path: &str) {
        self.keep(name, "DELETE", path, Value::Null);
    }

    fn post(&self, name: &str, path: &str, body: Value) {
        self.keep(name, "POST", path, body);
    }

    /// Sends a request, writes the answer to the file `name`, and returns it.
    #[allow(clippy::needless_pass_by_value, reason = "callers write json!(…)")]
    fn keep(&self, name: &str, method: &str, path: &str, body: Value) -> String {
        let answer = self.ask(method, path, &body);
        self.write(name, &answer);
        answer
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        let answer = match body {
            Value::Null => self.agent.run(request.body(()).unwrap()),
            body => self.agent.run(request.body(body.to_string()).unwrap()),
        };
        answer.unwrap().into_body().read_to_string().unwrap()
    }

    fn write(&self, name: &str, answer: &str) {
        fs::write(self.folder.join(format!("{name}.json")), answer).unwrap();
    }
}

#[test]
#[ignore = "writes files of this repository"]
fn record() {
    let version = std::env::var("CHROMA_VERSION").unwrap_or_else(|_| "1.5.9".to_owned());
    let server = LocalServer::builder().version(&version).install(true);
    let server = server.start().unwrap();
    let config = Agent::config_builder().http_status_as_error(false);
    let answers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/answers");
    let recorder = Recorder {
        agent: config.build().into(),
        url: server.url().to_owned(),
        folder: PathBuf::from(answers).join(&version),
        oldest: version == "1.0.0",
    };
    let _ = fs::remove_dir_all(&recorder.folder);
    fs::create_dir_all(&recorder.folder).unwrap();
    server_and_tenants(&recorder);
    collections(&recorder);
    records(&recorder);
    refusals(&recorder);
}

const TENANT: &str = "/api/v2/tenants/default_tenant";
const DATABASE: &str = "/api/v2/tenants/default_tenant/databases/default_database";

fn server_and_tenants(to: &Recorder) {
    to.get("heartbeat", "/api/v2/heartbeat");
    to.get("healthcheck", "/api/v2/healthcheck");
    to.get("version", "/api/v2/version");
    to.get("pre_flight_checks", "/api/v2/pre-flight-checks");
    to.get("identity", "/api/v2/auth/identity");
    to.post(
        "create_tenant",
        "/api/v2/tenants",
        json!({ "name": "team" }),
    );
    to.get("get_tenant", "/api/v2/tenants/team");
    let databases = &format!("{TENANT}/databases");
    to.post("create_database", databases, json!({ "name": "second" }));
    to.get("get_database", &format!("{databases}/second"));
    to.get("list_databases", databases);
    to.delete("delete_database", &format!("{databases}/second"));
    // Only the parts that the client reads. The whole answer has 100 KB.
    let description = to.ask("GET", "/openapi.json", &Value::Null);
    let mut description: Value = serde_json::from_str(&description).unwrap();
    let schemas = description["components"]["schemas"]
        .as_object_mut()
        .unwrap();
    schemas.retain(|name, _| {
        ["HashMap", "Schema", "DeleteCollectionRecordsPayload"].contains(&name.as_str())
    });
    to.write(
        "openapi",
        &json!({ "components": { "schemas": schemas } }).to_string(),
    );
}

fn collections(to: &Recorder) {
    let path = &format!("{DATABASE}/collections");
    let function = json!({ "type": "known", "name": "google_gemini", "config": {
        "model_name": "gemini-embedding-001", "task_type": "RETRIEVAL_DOCUMENT", "dimension": 768,
    }});
    let hnsw = json!({ "space": "cosine", "ef_construction": 200, "max_neighbors": 32 });
    to.post("create_collection", path, json!({
        "name": "articles", "metadata": { "owner": "me", "year": 2024, "part": 0.25, "open": true },
        "configuration": { "hnsw": hnsw, "embedding_function": function },
    }));
    to.post(
        "get_or_create_collection",
        path,
        json!({ "name": "notes", "get_or_create": true }),
    );
    let stored = to.get("get_collection", &format!("{path}/articles"));
    let id = id(&stored);
    if !to.oldest {
        let by_id = &format!("{path}/by-id/{id}");
        to.get("get_collection_by_id", by_id);
    }
    to.get("list_collections", path);
    to.get("count_collections", &format!("{path}_count"));
    to.keep(
        "modify",
        "PUT",
        &format!("{path}/{id}"),
        json!({ "new_metadata": { "year": 2025 } }),
    );
    to.delete("delete_collection", &format!("{path}/articles"));
}

fn id(stored: &str) -> String {
    let stored: Value = serde_json::from_str(stored).unwrap();
    stored["id"].as_str().unwrap().to_owned()
}

fn records(to: &Recorder) {
    let path = &format!("{DATABASE}/collections");
    let stored = to.ask("POST", path, &json!({ "name": "records" }));
    let path = &format!("{path}/{}", id(&stored));
    let lists = if to.oldest {
        json!({ "tags": 1 })
    } else {
        json!({ "tags": ["a", "b"], "sizes": [1.5, 2.0] })
    };
    let records = json!({
        "ids": ["a", "b\"\u{e9}\\", "\u{1F980}", "4"],
        "embeddings": [[0.25, -0.5, 1.0], [0.1, 0.2, 0.3], [1e-7, 123_456.789, -3.25e20], [0.0, -0.0, 7.0]],
        "documents": ["Rust has no garbage collector", null, "line\nbreak\ttab \u{1F980} \u{1}", ""],
        "uris": [null, "https://example.com/b", null, null],
        "metadatas": [
            { "year": 2015, "lang": "en", "score": 0.5, "open": true },
            null,
            { "big": i64::MAX, "small": -2.5e-8, "text": "\u{e9}\"\\ \u{2028}" },
            lists,
        ],
    });
    to.post("add", &format!("{path}/add"), records.clone());
    to.post("upsert", &format!("{path}/upsert"), records);
    to.post(
        "update",
        &format!("{path}/update"),
        json!({ "ids": ["4"], "embeddings": [[1, 2, 3]] }),
    );
    to.get("count", &format!("{path}/count"));
    let all = json!(["documents", "embeddings", "metadatas", "uris"]);
    let get = &format!("{path}/get");
    to.post("get.all", get, json!({ "include": all }));
    to.post("get.documents", get, json!({ "include": ["documents"] }));
    to.post("get.ids", get, json!({ "include": [] }));
    to.post("get.none", get, json!({ "ids": ["no"], "include": all }));
    let query = &format!("{path}/query");
    let vectors = json!([[0.5, 0.5, 0.5], [1, 2, 3]]);
    let all = json!(["distances", "documents", "embeddings", "metadatas", "uris"]);
    let asked = |n_results: usize, filter: Value, include: Value| json!({ "query_embeddings": vectors, "n_results": n_results, "where": filter, "include": include });
    to.post("query.all", query, asked(3, Value::Null, all.clone()));
    to.post("query.none", query, asked(3, json!({ "lang": "no" }), all));
    // All records. One is so far away that its distance is null.
    let distances = json!(["distances"]);
    to.post("query.distances", query, asked(4, Value::Null, distances));
    to.post(
        "delete",
        &format!("{path}/delete"),
        json!({ "ids": ["a", "4"] }),
    );

    let wrong = json!({ "ids": ["x"], "embeddings": [[1]] });
    to.post("error.dimension", &format!("{path}/add"), wrong);
    to.post("error.body", &format!("{path}/add"), json!({ "ids": [1] }));
    to.post("error.filter", get, json!({ "where": { "$and": 1 } }));
    let search = json!({ "searches": [{}] });
    to.post("error.search", &format!("{path}/search"), search);
    let fork = json!({ "new_name": "other" });
    to.post("error.fork", &format!("{path}/fork"), fork);
    let status = &format!("{path}/indexing_status");
    to.get("error.indexing_status", status);
}

fn refusals(to: &Recorder) {
    let path = &format!("{DATABASE}/collections");
    to.get("error.not_found", &format!("{path}/nope"));
    to.post("error.taken", path, json!({ "name": "records" }));
    to.post("error.name", path, json!({ "name": "a b" }));
    to.post("error.reset", "/api/v2/reset", Value::Null);
    to.get("error.path", "/api/v2/nowhere");
}
