//! The requests of Chroma's Python client 1.5.9 (with snowballstemmer 2.2.0 and mmh3) for a collection with the
//! schema of `words`, recorded on loopback.

use chroma_blocking::embed::Bm25;
use chroma_blocking::record::SparseVector;
use chroma_blocking::search::{Knn, Rank, Rrf};
use chroma_blocking::{MetadataValue, Search};
use serde_json::{Value, json};

use super::{abc, bodies, body, printed, record, server, words};

/// Returns a vector with floats of 32 bits, which are what the server stores.
fn sparse(indices: &[u32], values: &[f64]) -> Value {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    printed(&SparseVector::new(indices, values))
}

fn memory_safety() -> Value {
    let value = 1.683_203_825_463_239_8;
    sparse(&[344_218_078, 1_903_244_910], &[value, value])
}

const ONE_WORD: f64 = 1.687_743_482_169_613_6;

#[test]
fn golden_writes_equal_those_of_the_python_client() {
    let server = server(&words(Bm25::default()));
    let records = [
        record("1").document("memory safety"),
        record("2").document("the of").metadata("a", 1),
        record("3").metadata("b", 2),
        record("4").document("x y").metadata("words", "mine"),
        record("5").document("z").metadata("c", MetadataValue::Null),
    ];
    let abc = abc(&server);
    abc.upsert(&records).unwrap();
    abc.update(&records).unwrap();
    let z = sparse(&[1_040_803_305], &[ONE_WORD]);
    for end in ["/upsert", "/update"] {
        assert_eq!(
            body(&server, end)["metadatas"],
            json!([
                { "words": memory_safety() },
                { "a": 1, "words": sparse(&[], &[]) },
                { "b": 2 },
                { "words": "mine" },
                { "c": null, "words": z },
            ])
        );
    }
}

#[test]
fn golden_searches_equal_those_of_the_python_client() {
    let server = server(&words(Bm25::default()));
    let abc = abc(&server);
    let words = |text: &str| Knn::text(text).key("words");
    let dense = || Knn::dense([1.0, 0.0]);
    let ranks: [Rank; 3] = [
        words("memory safety").into(),
        2 * (words("a cat") + dense()),
        Rrf::new([words("dogs").return_rank(true), dense().return_rank(true)]).into(),
    ];
    for rank in ranks {
        abc.search(Search::new().rank(rank).limit(3)).run().unwrap();
    }
    let sent = bodies(&server, "/search");
    let queries: Vec<Value> = sent.iter().flat_map(queries).collect();
    let one = |index: u32| sparse(&[index], &[ONE_WORD]);
    assert_eq!(
        queries,
        [
            memory_safety(),
            one(1_751_422_759),
            json!([1.0, 0.0]),
            one(1_312_749_093),
            json!([1.0, 0.0]),
        ]
    );
}

/// Returns the queries in a request, in order.
fn queries(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match key.as_str() {
                "query" => vec![value.clone()],
                _ => queries(value),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}
