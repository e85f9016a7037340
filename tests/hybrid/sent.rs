//! Searches of servers that have search are sent to them.

use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use chroma_blocking::record::SparseVector;
use chroma_blocking::schema::{Schema, SparseVectorIndexConfig};
use chroma_blocking::search::{EvaluatedBy, Rrf};
use chroma_blocking::{Collection, Error, Hashing, Search};
use serde_json::{Value, json};

use super::support;
use super::support::stand_in::{Answer, StandIn};

/// Starts a server that has search, with a collection whose schema has an index of the words of documents for
/// each of these keys.
fn server(keys: &[&str]) -> StandIn {
    let index = || {
        let index = SparseVectorIndexConfig::new().embedding_function(Bm25::default());
        index.source_key("#document")
    };
    let schema = keys.iter().fold(Schema::new(), |schema, key| {
        schema.create_sparse_vector_index(*key, index())
    });
    let mut description: Value = serde_json::from_str(support::COLLECTION).unwrap();
    description["schema"] = serde_json::to_value(&schema).unwrap();
    // Only distributed servers have these indexes.
    description["configuration_json"] = json!({ "spann": { "space": "cosine" } });
    StandIn::start(move |request| {
        let path = request.path.as_str();
        let answer = if path.ends_with("/pre-flight-checks") {
            return Answer::ok(support::LIMITS);
        } else if path.ends_with("/search") {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let searches = body["searches"].as_array().unwrap().len();
            json!({ "ids": vec![["a"]; searches], "scores": vec![[-0.5]; searches] })
        } else {
            assert!(path.ends_with("/collections/abc"), "{path}");
            description.clone()
        };
        Answer::ok(answer.to_string())
    })
}

fn abc(server: &StandIn) -> Collection {
    let builder = support::client(server).collection("abc");
    builder
        .embedding_function(Hashing::default())
        .get()
        .unwrap()
}

/// Returns the rank of the only search that the server was sent.
fn sent_rank(server: &StandIn) -> Value {
    let requests = server.requests_to("/search");
    assert_eq!(requests.len(), 1);
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    body["searches"][0]["rank"].clone()
}

/// Returns the operands of all parts with this operator.
fn operands<'a>(rank: &'a Value, operator: &str) -> Vec<&'a Value> {
    let parts: Vec<(Option<&str>, &Value)> = match rank {
        Value::Object(parts) => parts
            .iter()
            .map(|(key, part)| (Some(&**key), part))
            .collect(),
        Value::Array(parts) => parts.iter().map(|part| (None, part)).collect(),
        _ => Vec::new(),
    };
    let all = parts.into_iter().flat_map(|(key, part)| {
        let own = (key == Some(operator)).then_some(part);
        own.into_iter().chain(operands(part, operator))
    });
    all.collect()
}

fn sparse(vector: &Value) -> SparseVector {
    serde_json::from_value(vector.clone()).unwrap()
}

#[test]
fn a_server_with_search_is_sent_the_words_as_a_sparse_vector() {
    let server = server(&["text_words"]);
    let search = Search::new().rank(Rrf::hybrid("memory safety"));
    let hits = abc(&server).search(search.select_all()).run().unwrap();
    assert_eq!(hits.evaluated_by(), EvaluatedBy::Server);
    assert_eq!((&*hits[0].id, hits[0].score), ("a", Some(-0.5)));

    let rank = sent_rank(&server);
    let [dense, words] = operands(&rank, "$knn")[..] else {
        panic!("{rank}")
    };
    assert_eq!(dense["key"], "#embedding");
    assert_eq!(dense["query"].as_array().unwrap().len(), 768);
    assert_eq!(words["key"], "text_words", "the key of the schema");
    let expected = Bm25::default().embed_queries(&["memory safety"]).unwrap();
    assert_eq!(sparse(&words["query"]), expected[0]);
    for side in [dense, words] {
        assert_eq!(side["return_rank"], true);
        assert_eq!(
            (&side["limit"], &side["default"]),
            (&json!(100), &json!(100.0))
        );
    }
}

/// To a server, all recently written records are equally near to an empty vector.
#[test]
fn a_side_without_words_is_sent_as_its_default() {
    let server = server(&["words"]);
    let search = Search::new().rank(Rrf::hybrid("the of"));
    let hits = abc(&server).search(search).run().unwrap();
    assert_eq!(hits.evaluated_by(), EvaluatedBy::Server);
    let rank = sent_rank(&server);
    let knns = operands(&rank, "$knn");
    assert_eq!(knns.len(), 1, "{rank}");
    assert_eq!(knns[0]["key"], "#embedding");
    assert!(
        operands(&rank, "$val").contains(&&json!(100.0)),
        "the default of the words: {rank}"
    );
}

#[test]
fn a_server_with_search_needs_one_index_of_the_words_of_documents() {
    for keys in [&["words", "more_words"][..], &[]] {
        let server = server(keys);
        let search = Search::new().rank(Rrf::hybrid("apples"));
        let error = abc(&server).search(search).run().unwrap_err();
        let Error::Invalid { call, reason, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(call.attempts, 0);
        let count = format!("{} sparse vector indexes", keys.len());
        let reason = reason.to_string();
        assert!(
            reason.contains(&count) && reason.contains(".key("),
            "{reason}"
        );
        assert_eq!(server.requests_to("/search").len(), 0);
    }
}
