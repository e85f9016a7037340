//! Responses that are not what was asked for.

use super::provider::{Provider, in_order};
use super::{CohereRerank, TextEmbeddingsInferenceRerank};

/// Reads a response for two documents, whose list is that of `list`.
fn hostile(provider: &dyn Provider, score: &str, list: fn(&str) -> String) {
    let rank = |index: &str, value: &str| format!(r#"{{"index":{index},"{score}":{value}}}"#);
    let two = |a: &str, b: &str| list(&format!("{a},{b}"));
    let good = rank("1", "0.5");
    let read = |response: &str| provider.read(response.as_bytes(), 2);
    let scores = read(&two(&good, &rank("0", "-2"))).unwrap();
    assert_eq!(scores, [-2.0, 0.5]);
    for (response, words) in [
        (list(""), "0 scores for 2 documents"),
        (list(&good), "1 scores for 2 documents"),
        (
            list(&format!("{good},{good},{}", rank("0", "1"))),
            "3 scores for 2 documents",
        ),
        (
            two(&good, &rank("2", "1")),
            "a score of document 2 (counted from 0) of 2",
        ),
        (
            two(&good, &good),
            "two scores of document 1 (counted from 0)",
        ),
        (two(&good, &rank("-1", "1")), "-1"),
        (two(&good, &rank("0.5", "1")), "0.5"),
        (two(&good, &rank("18446744073709551616", "1")), ""),
        (two(&good, &rank("0", "1e39")), "number out of range"),
        (two(&good, &rank("0", "1e999")), "number out of range"),
        (two(&good, &rank("0", "null")), "null"),
        (two(&good, &rank("0", "\"0.5\"")), "string"),
        (two(&good, &rank("0", "NaN")), ""),
        (two(&good, r#"{"index":0}"#), score),
        (two(&good, "null"), ""),
        (format!("{} x", two(&good, &rank("0", "1"))), ""),
        (r#"{"error":"no capacity"}"#.to_owned(), "no capacity"),
        ("null".to_owned(), "null"),
        (String::new(), "an empty response"),
        ("<html>".to_owned(), "<html>"),
    ] {
        let error = read(&response).unwrap_err();
        assert!(error.contains(words), "{words} for {response}: {error}");
    }
}

#[test]
fn a_response_of_cohere_has_one_score_for_each_document() {
    hostile(&CohereRerank::new("m"), "relevance_score", |ranks| {
        format!(r#"{{"id":"x","results":[{ranks}],"meta":{{"billed_units":{{}}}}}}"#)
    });
}

#[test]
fn a_response_of_text_embeddings_inference_has_one_score_for_each_document() {
    let server = TextEmbeddingsInferenceRerank::new("http://tei");
    hostile(&server, "score", |ranks| format!("[{ranks}]"));
}

#[test]
fn the_url_may_have_the_path() {
    for url in [
        "http://tei/a",
        "http://tei/a/",
        "http://tei/a/rerank",
        "http://tei/a/rerank/",
    ] {
        let server = TextEmbeddingsInferenceRerank::new(url);
        assert_eq!(server.base_url(), "http://tei/a");
    }
}

#[test]
fn scores_are_finite() {
    let scores = [(0, 1.0), (1, f32::INFINITY)];
    let error = in_order(b"{}", 2, scores.into_iter()).unwrap_err();
    assert!(
        error.contains("document 1 (counted from 0) is inf"),
        "{error}"
    );
}
