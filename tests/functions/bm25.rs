//! `Bm25` with the vectors of Chroma's Python client. The numbers before they become `f32` are compared by the
//! unit tests of `Bm25`.

use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use serde_json::{Value, json};

/// Makes the function of a stored configuration, or of none.
fn bm25(config: &Value) -> Bm25 {
    let float = |name: &str, default: f64| config[name].as_f64().unwrap_or(default);
    let mut bm25 = Bm25::default()
        .k(float("k", 1.2))
        .and_then(|bm25| bm25.b(float("b", 0.75)))
        .and_then(|bm25| bm25.avg_doc_length(float("avg_doc_length", 256.0)))
        .unwrap();
    if let Some(length) = config["token_max_length"].as_u64() {
        bm25 = bm25.token_max_length(length as usize);
    }
    if let Some(words) = config["stopwords"].as_array() {
        bm25 = bm25.stopwords(words.iter().map(|word| word.as_str().unwrap()));
    }
    bm25
}

/// Whether the vector of a text equals that of Python.
fn is_equal(example: &Value) -> bool {
    let text = example["text"].as_str().unwrap();
    let vectors = bm25(&example["stored_config"]).embed_documents(&[text]);
    let vector = vectors.unwrap().remove(0);
    let values = example["values"].as_array().unwrap().iter();
    let values: Vec<f32> = values.map(|value| value.as_f64().unwrap() as f32).collect();
    json!(vector.indices) == example["indices"] && vector.values == values
}

/// `GOLDEN_BM25` names another file of the same form, which may have only `examples`.
#[test]
fn golden_bm25_vectors_equal_those_of_the_python_client() {
    let own = || {
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/functions/bm25.json"
        )
        .to_owned()
    };
    let path = std::env::var("GOLDEN_BM25").unwrap_or_else(|_| own());
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let lists = ["examples", "with_options"].map(|name| golden[name].as_array());
    let all: Vec<&Value> = lists.into_iter().flatten().flatten().collect();
    let differ: Vec<_> = all.iter().filter(|example| !is_equal(example)).collect();
    println!(
        "compared {} of {} texts",
        all.len() - differ.len(),
        all.len()
    );
    assert!(!all.is_empty() && differ.is_empty(), "{differ:#?}");
}

/// Words that clients number differently, or cut at other places. This crate agrees with Python.
#[test]
fn golden_words_beyond_ascii_are_those_of_python() {
    let vector = |text: &str| {
        let vectors = Bm25::default().embed_documents(&[text]);
        vectors.unwrap().remove(0)
    };
    assert_eq!(vector("café").indices, [605_818_632]);
    assert_eq!(vector("日本語").indices, [1_515_949_417]);
    // A mark ends a word.
    assert_eq!(vector("हिन्दी"), vector("ह न द"));
    // Python with snowballstemmer 3 has two stems here.
    assert_eq!(vector("university universal").indices.len(), 1);
}
