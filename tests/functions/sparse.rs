//! Sparse vectors that a schema asks for: writes fill them in, and searches by text embed them. A distributed
//! server stores them; the stand-in records what it is sent.

use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use chroma_blocking::record::SparseVector;
use chroma_blocking::schema::{EmbeddingFunctionConfiguration, Schema, SparseVectorIndexConfig};
use chroma_blocking::search::Knn;
use chroma_blocking::{Collection, Error, InvalidInput, Record, Search};
use serde_json::{Value, json};

use crate::support::client;
use crate::support::stand_in::{Answer, StandIn};

/// Starts a distributed server with one collection that has this schema.
fn server(schema: &Schema) -> StandIn {
    let schema = json!(schema);
    StandIn::start(move |request| {
        let path = request.path.as_str();
        let answer = if path.ends_with("/collections/abc") {
            json!({
                "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": "abc", "metadata": null, "dimension": 2,
                "configuration_json": {}, "schema": schema,
            })
        } else if path.ends_with("/pre-flight-checks") {
            json!({ "max_batch_size": 1000, "supports_base64_encoding": true })
        } else if path.ends_with("/openapi.json") {
            json!({ "components": { "schemas": {} }, "paths": {} })
        } else if path.ends_with("/search") {
            json!({ "ids": [[]], "scores": [[]] })
        } else {
            json!({})
        };
        Answer::ok(answer.to_string())
    })
}

fn index(function: impl Into<EmbeddingFunctionConfiguration>) -> SparseVectorIndexConfig {
    SparseVectorIndexConfig::new().embedding_function(function)
}

fn abc(server: &StandIn) -> Collection {
    client(server).collection("abc").get().unwrap()
}

/// Returns the body of the only request to a path with this end.
fn body(server: &StandIn, end: &str) -> Value {
    let requests = server.requests_to(end);
    assert_eq!(requests.len(), 1, "{end}");
    serde_json::from_slice(&requests[0].body).unwrap()
}

/// Returns a vector with the floats that its JSON has.
fn printed(vector: &SparseVector) -> Value {
    serde_json::from_str(&serde_json::to_string(vector).unwrap()).unwrap()
}

fn vector(text: &str) -> Value {
    let vectors = Bm25::default().embed_documents(&[text]).unwrap();
    printed(&vectors[0])
}

#[test]
fn writes_fill_in_the_vectors_of_documents_and_of_metadata() {
    let schema = Schema::new()
        .create_sparse_vector_index("words", index(Bm25::default()).source_key("#document"))
        .create_sparse_vector_index("title_words", index(Bm25::default()).source_key("title"));
    let server = server(&schema);
    let given = abc(&server);
    let own = SparseVector::new([7], [0.5]);
    given
        .upsert([
            Record::new("1")
                .embedding([0.0, 1.0])
                .document("memory safety"),
            Record::new("2")
                .embedding([0.0, 1.0])
                .metadata("title", "A garbage collector"),
            Record::new("3")
                .embedding([0.0, 1.0])
                .document("x y")
                .metadata("words", own.clone()),
            Record::new("4")
                .embedding([0.0, 1.0])
                .document("the of and"),
        ])
        .unwrap();
    let metadatas = &body(&server, "/upsert")["metadatas"];
    assert_eq!(metadatas[0], json!({ "words": vector("memory safety") }));
    assert_eq!(
        metadatas[1],
        json!({ "title": "A garbage collector", "title_words": vector("A garbage collector") })
    );
    assert_eq!(
        metadatas[2],
        json!({ "words": printed(&own) }),
        "that of the caller"
    );
    // Only stop words: `null` removes the vector of an earlier text.
    assert_eq!(metadatas[3], json!({ "words": null }));
}

#[test]
fn searches_by_text_embed_the_query_for_the_key() {
    let words = index(Bm25::default()).source_key("#document");
    let server = server(&Schema::new().create_sparse_vector_index("words", words));
    let search = Search::new()
        .rank(Knn::text("memory safety").key("words"))
        .limit(3);
    abc(&server).search(search).run().unwrap();
    let sent = body(&server, "/search");
    assert_eq!(
        sent["searches"][0]["rank"]["$knn"]["query"],
        vector("memory safety")
    );
}

#[test]
fn a_function_that_cannot_run_here_is_named_before_anything_is_sent() {
    let fastembed = EmbeddingFunctionConfiguration::known("fastembed_sparse", json!({}));
    let words = index(fastembed).source_key("#document");
    let server = server(&Schema::new().create_sparse_vector_index("words", words));
    let abc = abc(&server);
    let record = || Record::new("1").embedding([0.0, 1.0]);
    let error = abc.upsert([record().document("memory")]).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Invalid { reason: InvalidInput::StoredEmbeddingFunction { name, .. }, .. } if name == "fastembed_sparse"
        ),
        "{error}"
    );
    assert_eq!(server.requests_to("/upsert").len(), 0);
    // Without a text there is nothing to embed.
    abc.upsert([record()]).unwrap();
    let error = abc
        .search(Search::new().rank(Knn::text("a").key("other")))
        .run();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("Knn::sparse(key, vector)")
    );
}
