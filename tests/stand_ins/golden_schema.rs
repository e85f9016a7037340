//! Schemas are sent as Chroma's Python client 1.5.9 sends them (`data/golden-1.5.9.json`).

use std::collections::BTreeMap;

use crate::support;
use crate::support::stand_in::{Answer, StandIn};
use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error, Space,
    embed::EmbeddingError,
    schema::{HnswConfig, InvertedIndex, Schema, SparseVectorIndexConfig, VectorIndexConfig},
};
use serde_json::{Value, json};

/// The embedding function that the Python client sets in every schema.
struct Default;

impl EmbeddingFunction for Default {
    fn name(&self) -> &'static str {
        "default"
    }

    fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Err("never asked".into())
    }

    fn config(&self) -> Option<Value> {
        Some(json!({}))
    }
}

/// Starts a server that returns the schema of the request.
fn echo() -> StandIn {
    StandIn::start(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let answer = json!({
            "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": body["name"], "metadata": null, "dimension": null,
            "configuration_json": null, "schema": body["schema"],
        });
        Answer::ok(answer.to_string())
    })
}

#[test]
fn schemas_equal_those_of_the_python_client() {
    let golden: Value = serde_json::from_str(include_str!("../data/golden-1.5.9.json")).unwrap();
    let golden = golden["schema"].as_array().unwrap();
    let hnsw = HnswConfig::new()
        .ef_construction(200)
        .max_neighbors(32)
        .ef_search(150);
    let cosine = VectorIndexConfig::new().space(Space::Cosine).hnsw(hnsw);
    let bm25 = SparseVectorIndexConfig::new().bm25(true);
    let mut ours = BTreeMap::from([
        ("default", Schema::new()),
        (
            "sparse index on \"sparse\", bm25",
            Schema::new().create_sparse_vector_index("sparse", bm25),
        ),
        (
            "vector index cosine, hnsw ef_construction 200 max_neighbors 32 ef_search 150",
            Schema::new().create_vector_index(cosine),
        ),
        (
            "string index off for \"title\"",
            Schema::new().delete_index("title", InvertedIndex::String),
        ),
    ]);

    let server = echo();
    let client = support::client(&server);
    for entry in golden {
        let expression = entry["expression"].as_str().unwrap();
        let schema = ours.remove(expression).unwrap();
        let builder = client.collection("abc").embedding_function(Default);
        let made = builder.schema(schema).create().unwrap();
        let body: Value = serde_json::from_slice(&server.requests().last().unwrap().body).unwrap();
        assert_eq!(body["schema"], entry["json"], "{expression}");
        assert_eq!(body.get("configuration"), None);
        let read = serde_json::to_value(made.schema().unwrap()).unwrap();
        assert_eq!(read, entry["json"], "the schema is read back unchanged");
    }
    assert_eq!(ours, BTreeMap::new());
}

#[test]
fn schemas_are_unsupported_by_older_servers() {
    let server = StandIn::start(|_| Answer::ok(support::COLLECTION));
    let builder = support::client(&server).collection("abc");
    let error = builder.schema(Schema::new()).get_or_create().unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(
        error.to_string().contains("schemas need Chroma 1.3"),
        "{error}"
    );
}
