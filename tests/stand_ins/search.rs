//! `search` with a stand-in, because only distributed servers support it. Requests and answers follow the
//! OpenAPI description of 1.5.9.

use std::sync::{Arc, Mutex};

use crate::support::stand_in::{Answer, StandIn};
use crate::support::*;
use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error, InvalidInput, Key, Metadata, Search,
    embed::EmbeddingError,
    record::SparseVector,
    search::{Knn, ReadLevel, Rrf},
};
use serde_json::{Value, json};

const SEARCH: &str = "/api/v2/tenants/default_tenant/databases/default_database/collections/6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11/search";

/// Starts a server that gives this answer to every search.
fn answering(answer: &Value) -> StandIn {
    scripted([Answer::ok(answer.to_string())])
}

/// Returns the body of the only search.
fn asked(server: &StandIn) -> Value {
    let requests = server.requests_to("/search");
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", SEARCH)
    );
    serde_json::from_slice(&requests[0].body).unwrap()
}

#[test]
fn one_search_is_sent_and_its_rows_are_read() {
    let server = answering(&json!({
        "ids": [["a", "b"]],
        "documents": [["Rust", null]],
        "embeddings": [null],
        "metadatas": [[{"title": "T", "words": {"#type": "sparse_vector", "indices": [1], "values": [0.5]}}, null]],
        "scores": [[0.25, 1.5]],
        "select": [["#document", "#score", "title"]]
    }));
    let search = Search::new()
        .filter(Key::id().is_in(["a", "b"]) & Key::document().contains("Rust"))
        .rank(Knn::dense([0.5, -1.0]))
        .limit(2)
        .offset(1)
        .select([Key::document(), Key::score(), Key::field("title")]);
    let sent = serde_json::to_value(&search).unwrap();
    let hits = collection(&server).search(search);
    let hits = hits.read_level(ReadLevel::IndexOnly).run().unwrap();

    assert_eq!(
        asked(&server),
        json!({"searches": [sent], "read_level": "index_only"})
    );
    assert_eq!(
        sent["filter"],
        json!({"$and": [{"#id": {"$in": ["a", "b"]}}, {"#document": {"$contains": "Rust"}}]})
    );
    assert_eq!(hits.ids().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(hits.scores().collect::<Vec<_>>(), [Some(0.25), Some(1.5)]);
    assert_eq!(hits[0].document.as_deref(), Some("Rust"));
    assert_eq!(hits[0].metadata.get("title"), Some(&"T".into()));
    assert_eq!(hits[1].document, None);
    assert_eq!(hits[1].metadata, Metadata::new());
    assert_eq!(hits[1].embedding, None);
}

#[test]
fn two_searches_are_sent_in_one_request() {
    let server = answering(&json!({
        "ids": [["a"], ["b", "c"]],
        "documents": [null, null],
        "embeddings": [[[1.0, 2.0]], null],
        "metadatas": [null, null],
        "scores": [null, [0.5, null]],
        "select": [["#embedding"], ["#score"]]
    }));
    let searches = [
        Search::new()
            .filter(Key::field("k").eq(1))
            .select([Key::embedding()]),
        Search::new()
            .rank(Knn::dense([1.0]) / 0)
            .select([Key::score()]),
    ];
    let sent = serde_json::to_value(&searches).unwrap();
    let results = collection(&server).search_many(searches).run().unwrap();

    assert_eq!(asked(&server), json!({ "searches": sent }));
    assert_eq!(results.len(), 2);
    assert_eq!(results[0][0].embedding, Some(vec![1.0, 2.0]));
    assert_eq!(results[0][0].score, None);
    assert_eq!(
        results[1].scores().collect::<Vec<_>>(),
        [Some(0.5), None],
        "a score that is not a number"
    );
}

#[test]
fn a_call_without_searches_sends_no_request() {
    let server = scripted([]);
    let results = collection(&server).search_many([]).run().unwrap();
    assert_eq!(results, []);
    assert_eq!(server.requests_to("/search").len(), 0);
}

#[test]
fn inconsistent_answers_are_errors() {
    for answer in [
        json!({}),
        json!({"ids": []}),
        json!({"ids": [["a"], ["b"]]}),
        json!({"ids": [["a"]], "scores": [[1.0, 2.0]]}),
        json!({"ids": [["a"]], "documents": []}),
        json!({"ids": [[null]]}),
        json!([]),
    ] {
        let server = answering(&answer);
        let error = collection(&server).search(Search::new()).run().unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error} {answer}");
        assert!(error.to_string().starts_with("search \"abc\""), "{error}");
    }
}

// With the feature, the client evaluates the search: see tests/hybrid.
#[cfg(not(feature = "hybrid"))]
#[test]
fn search_is_unsupported_by_single_node_servers() {
    let words = "Search operation is not implemented for local executor";
    let answers = [
        Answer::new(
            501,
            json!({"error": "ChromaError", "message": words}).to_string(),
        ),
        Answer::new(404, ""),
    ];
    for answer in answers {
        let server = scripted([answer]);
        let error = collection(&server).search(Search::new()).run().unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
}

/// An embedding function with two dimensions that records its texts.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Vec<String>>>>);

impl EmbeddingFunction for Noting {
    fn name(&self) -> &'static str {
        "noting"
    }

    fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Err("asked for documents".into())
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        let texts = queries.iter().map(|text| (*text).to_owned());
        self.0.lock().unwrap().push(texts.collect());
        let vector = |text: &&str| [text.len() as f32, 0.5];
        Ok(Embeddings::from_rows(queries.iter().map(vector))?)
    }
}

#[test]
fn texts_are_embedded_as_queries_in_one_call() {
    let server = answering(&json!({"ids": [[], []]}));
    let noting = Noting::default();
    let notes = client(&server).collection("abc");
    let notes = notes.embedding_function(noting.clone()).get().unwrap();
    let searches = [
        Search::new().rank(0.5 * Knn::text("one") + Knn::dense([0.0, 1.0])),
        Search::new().rank(Rrf::new([Knn::text("three"), Knn::text("seventh")])),
    ];
    notes.search_many(searches).run().unwrap();

    assert_eq!(*noting.0.lock().unwrap(), [["one", "three", "seventh"]]);
    let body = asked(&server).to_string();
    for vector in ["[3.0,0.5]", "[0.0,1.0]", "[5.0,0.5]", "[7.0,0.5]"] {
        let query = format!(r#""query":{vector}"#);
        assert!(body.contains(&query), "{query} {body}");
    }
}

#[test]
fn invalid_searches_are_refused_before_a_request() {
    let server = scripted([]);
    let noting = Noting::default();
    let notes = client(&server).collection("abc");
    let notes = notes.embedding_function(noting.clone()).get().unwrap();
    let fine = || Search::new().rank(Knn::text("one"));
    let twice = SparseVector::new([1, 1], [0.5, 0.5]);
    for bad in [
        Search::new().limit(0),
        Search::new().rank(Knn::dense([])),
        Search::new().rank(Knn::sparse("words", twice)),
        Search::new().rank(Rrf::new([Knn::text("one")]).weights([1, 2])),
        Search::new().select(["#distance"]),
        Search::new().filter(Key::field("year").gt("2020")),
    ] {
        let error = notes.search_many([fine(), bad]).run().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
    let error = notes.search_many([fine(), fine().limit(0)]).run();
    assert_eq!(
        error.unwrap_err().to_string(),
        "search \"abc\": search 1: limit 0 finds nothing; it must be at least 1"
    );

    let without = collection(&server).search(fine()).run().unwrap_err();
    assert!(
        matches!(
            &without,
            Error::Invalid { reason: InvalidInput::NoEmbeddingFunction { of, .. }, .. } if of.contains("one")
        ),
        "{without}"
    );
    assert!(noting.0.lock().unwrap().is_empty());
    assert_eq!(server.requests_to("/search").len(), 0);
}
