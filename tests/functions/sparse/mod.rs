//! Sparse vectors that a schema asks for: writes fill them in, and searches by text embed them. A distributed
//! server stores them; the stand-in records what it is sent.

mod given;
mod jobs;
mod python;
mod searches;
mod writes;

use std::sync::{Arc, Mutex};

use chroma_blocking::embed::{Bm25, EmbeddingError, SparseEmbeddingFunction};
use chroma_blocking::record::SparseVector;
use chroma_blocking::schema::{EmbeddingFunctionConfiguration, Schema, SparseVectorIndexConfig};
use chroma_blocking::{Collection, Record};
use serde_json::{Value, json};

use crate::support::client;
use crate::support::stand_in::{Answer, Request, StandIn, lock};

const ID: &str = "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";

/// Starts a distributed server with one collection that has this schema.
pub fn server(schema: &Schema) -> StandIn {
    server_with(schema, |_| None)
}

/// Like [`server`], with other answers to some requests.
pub fn server_with(
    schema: &Schema,
    mut answer: impl FnMut(&Request) -> Option<Answer> + Send + 'static,
) -> StandIn {
    let description = described(schema);
    StandIn::start(move |request| {
        if let Some(answer) = answer(request) {
            return answer;
        }
        let path = request.path.as_str();
        let answer = if request.method == "GET" && path.contains("/collections/")
            || path.ends_with("/collections")
        {
            description.clone()
        } else if path.ends_with("/pre-flight-checks") {
            json!({ "max_batch_size": 1000, "supports_base64_encoding": true })
        } else if path.ends_with("/openapi.json") {
            json!({ "components": { "schemas": {} }, "paths": {} })
        } else if path.ends_with("/search") {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let empty = vec![json!([]); body["searches"].as_array().unwrap().len()];
            json!({ "ids": empty, "scores": empty })
        } else {
            json!({})
        };
        Answer::ok(answer.to_string())
    })
}

/// The description of a collection with this schema.
fn described(schema: &Schema) -> Value {
    json!({
        "id": ID, "name": "abc", "metadata": null, "dimension": 2, "configuration_json": {},
        "schema": schema,
    })
}

fn index(function: impl Into<EmbeddingFunctionConfiguration>) -> SparseVectorIndexConfig {
    SparseVectorIndexConfig::new().embedding_function(function)
}

/// A schema whose key `words` has the vectors of documents.
pub fn words(function: impl Into<EmbeddingFunctionConfiguration>) -> Schema {
    let index = index(function).source_key("#document");
    Schema::new().create_sparse_vector_index("words", index)
}

pub fn abc(server: &StandIn) -> Collection {
    client(server).collection("abc").get().unwrap()
}

/// Opens the collection with the function for the key `words`.
pub fn abc_with(server: &StandIn, function: impl SparseEmbeddingFunction + 'static) -> Collection {
    let abc = client(server).collection("abc");
    abc.sparse_embedding_function("words", function)
        .get()
        .unwrap()
}

pub fn record(id: &str) -> Record {
    Record::new(id).embedding([0.0, 1.0])
}

/// Returns the bodies of the requests to a path with this end.
pub fn bodies(server: &StandIn, end: &str) -> Vec<Value> {
    let requests = server.requests_to(end);
    let body = |request: &Request| serde_json::from_slice(&request.body).unwrap();
    requests.iter().map(body).collect()
}

/// Returns the body of the only request to a path with this end.
pub fn body(server: &StandIn, end: &str) -> Value {
    let bodies = bodies(server, end);
    assert_eq!(bodies.len(), 1, "{end}");
    bodies[0].clone()
}

/// Returns a vector with the floats that its JSON has.
pub fn printed(vector: &SparseVector) -> Value {
    serde_json::from_str(&serde_json::to_string(vector).unwrap()).unwrap()
}

fn bm25(text: &str) -> Value {
    let vectors = Bm25::default().embed_documents(&[text]).unwrap();
    printed(&vectors[0])
}

/// A function that keeps the texts of each call. The vector of a text is its length.
#[derive(Clone, Default)]
struct Lengths(Arc<Mutex<Vec<Vec<String>>>>);

impl Lengths {
    fn calls(&self) -> Vec<Vec<String>> {
        lock(&self.0).clone()
    }

    fn note(&self, prefix: &str, texts: &[&str]) -> Vec<SparseVector> {
        let text = |text: &&str| format!("{prefix}{text}");
        lock(&self.0).push(texts.iter().map(text).collect());
        texts.iter().map(|text| length(text)).collect()
    }
}

fn length(text: &str) -> SparseVector {
    if text.is_empty() {
        return SparseVector::default();
    }
    SparseVector::new([text.len() as u32], [1.0])
}

impl SparseEmbeddingFunction for Lengths {
    fn name(&self) -> &str {
        "lengths"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        Ok(self.note("", documents))
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        Ok(self.note("query: ", queries))
    }
}

/// A function whose answer to documents the test decides.
struct Answers<F>(F);

impl<F> SparseEmbeddingFunction for Answers<F>
where
    F: Fn(&[&str]) -> Result<Vec<SparseVector>, EmbeddingError> + Send + Sync,
{
    fn name(&self) -> &str {
        "lengths"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        (self.0)(documents)
    }
}
