//! A collection stores its embedding function. These tests open collections with functions that Chroma's
//! other clients stored. Chroma and Google are stand-ins on loopback.

use crate::support;
use crate::support::stand_in::{Answer, StandIn};
use chroma_blocking::{ClientBuilder, Error, Gemini, InvalidInput, Record};
use serde_json::{Value, json};

/// Starts a stand-in for Chroma with a collection that stores this function.
fn chroma(function: Value) -> StandIn {
    StandIn::start(move |request| {
        match request.path.rsplit('/').next() {
        Some("pre-flight-checks") => Answer::ok(support::LIMITS),
        Some("query") => Answer::ok(
            r#"{"ids":[[]],"distances":[[]],"documents":[[]],"metadatas":[[]],"embeddings":null,"uris":null}"#,
        ),
        Some("abc") => Answer::ok(
            json!({
                "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": "abc", "metadata": null, "dimension": null,
                "configuration_json": { "embedding_function": function },
            })
            .to_string(),
        ),
        _ => Answer::ok("{}"),
    }
    })
}

fn google() -> StandIn {
    StandIn::start(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let items = body["requests"].as_array().unwrap();
        let vector = |item: &Value| {
            let floats = item["outputDimensionality"].as_u64().unwrap();
            json!({ "values": vec![0.5; floats.try_into().unwrap()] })
        };
        let vectors: Vec<Value> = items.iter().map(vector).collect();
        Answer::ok(json!({ "embeddings": vectors }).to_string())
    })
}

/// Returns the configuration that Chroma's Python client stores.
fn python_configuration(variable: &str) -> Value {
    json!({ "type": "known", "name": "google_gemini", "config": {
        "model_name": "gemini-embedding-001", "dimension": 256, "task_type": "RETRIEVAL_DOCUMENT",
        "api_key_env_var": variable, "vertexai": null, "project": null, "location": null,
    } })
}

fn invalid(error: Error) -> InvalidInput {
    match error {
        Error::Invalid { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

/// Tests share the environment of the process, so this test starts a child process.
#[test]
fn gemini_is_created_from_the_configuration_of_the_python_client() {
    let (chroma, google) = (chroma(python_configuration("SOME_GEMINI_KEY")), google());
    let output = support::child("travels::child_process_with_a_key")
        .env("CHROMA_HOST", chroma.url())
        .env("GOOGLE_GEMINI_BASE_URL", google.url())
        .env("SOME_GEMINI_KEY", "the-right-one")
        .env("GOOGLE_API_KEY", "another-one")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(words.contains("1 passed"), "{words}");

    let asked = google.requests();
    let tasks: Vec<Value> = asked
        .iter()
        .map(|request| {
            assert_eq!(request.header("x-goog-api-key"), Some("the-right-one"));
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["requests"][0]["taskType"].clone()
        })
        .collect();
    assert_eq!(tasks, ["RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"]);
}

#[test]
#[ignore = "started by gemini_is_created_from_the_configuration_of_the_python_client"]
fn child_process_with_a_key() {
    let client = ClientBuilder::from_env()
        .unwrap()
        .allow_key_variable("SOME_GEMINI_KEY")
        .build()
        .unwrap();
    let opened = client.collection("abc").get().unwrap();
    let function = opened.embedding_function().unwrap();
    assert_eq!(
        (function.name(), function.dimension()),
        ("google_gemini", Some(256))
    );
    opened.upsert([Record::new("1").document("a")]).unwrap();
    opened.query("a").run().unwrap();
}

#[test]
fn without_a_key_vectors_work_and_errors_name_the_variable() {
    let chroma = chroma(python_configuration("NO_SUCH_GEMINI_KEY"));
    let client = support::builder(&chroma.url()).allow_key_variable("NO_SUCH_GEMINI_KEY");
    let opened = client.build().unwrap().collection("abc").get().unwrap();
    opened.query([0.5; 256]).run().unwrap();
    let error = opened.query("a").run().unwrap_err();
    assert!(error.to_string().contains("NO_SUCH_GEMINI_KEY"), "{error}");
    let InvalidInput::StoredEmbeddingFunction { name, .. } = invalid(error) else {
        panic!();
    };
    assert_eq!(name, "google_gemini");
    assert!(chroma.requests_to("/query").len() == 1, "nothing was sent");
}

#[test]
fn with_an_unknown_function_vectors_work() {
    for (stored, words) in [
        (
            json!({ "type": "known", "name": "text2vec", "config": {} }),
            "\"text2vec\"",
        ),
        (
            json!({ "type": "known", "name": "instructor", "config": {} }),
            "does not include",
        ),
        (
            json!({ "type": "known", "name": "google_gemini", "config": { "model_name": "m", "vertexai": true } }),
            "Vertex AI",
        ),
        (json!({ "type": "legacy" }), "without an embedding function"),
        (
            json!({ "type": "unknown" }),
            "without an embedding function",
        ),
        (
            json!({ "type": "newer", "parts": [] }),
            "without an embedding function",
        ),
        (json!("odd"), "without an embedding function"),
        (json!(null), "without an embedding function"),
    ] {
        let chroma = chroma(stored);
        let opened = support::client(&chroma).collection("abc").get().unwrap();
        assert!(opened.embedding_function().is_none());
        opened.query([0.5]).run().unwrap();
        let error = opened.query("a").run().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_different_model_or_dimension_is_a_conflict() {
    let chroma = chroma(python_configuration("ANY"));
    let open = |gemini: chroma_blocking::embed::GeminiBuilder| {
        let gemini: Gemini = gemini.api_key("k").build().unwrap();
        let builder = support::client(&chroma).collection("abc");
        builder.embedding_function(gemini).get()
    };
    open(Gemini::builder().dimension(256)).unwrap();
    let conflict = invalid(open(Gemini::builder()).unwrap_err());
    let InvalidInput::EmbeddingFunctionConflict { stored, given, .. } = conflict else {
        panic!("{conflict}");
    };
    assert_eq!(stored, "google_gemini, gemini-embedding-001, 256 floats");
    assert_eq!(given, "google_gemini, gemini-embedding-001, 768 floats");
    let other = Gemini::builder().model("gemini-embedding-2").dimension(256);
    assert!(open(other).is_err());
}
