//! Collections that Chroma's Python client and this crate share, both with Chroma's default function.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use chroma_blocking::embed::Onnx;
use chroma_blocking::{Client, Collection, Record};
use serde::Deserialize;
use serde_json::json;

use crate::collections::TOPICS;
use crate::support::{builder, model, other_client, server};
use crate::text;

/// The hits of each question.
#[derive(Debug, Deserialize)]
struct Found {
    ids: Vec<Vec<String>>,
    distances: Vec<Vec<f64>>,
}

/// Returns documents by their ids, among them two that are cut off.
fn documents() -> BTreeMap<String, String> {
    let topics = TOPICS.iter().map(|(document, _)| (*document).to_owned());
    let others = ["Привет, мир", "你好，世界 👍🏽", "Cafe\u{301} [SEP] \u{200b}"].map(str::to_owned);
    let texts = topics.chain(others).chain([text(300, 1), text(1_000, 2)]);
    let ids = (0..).map(|id| format!("id{id}"));
    ids.zip(texts).collect()
}

fn questions() -> Vec<&'static str> {
    let questions = TOPICS.iter().map(|(_, question)| *question);
    questions
        .chain(["hello world", "a river and stones"])
        .collect()
}

/// Runs Chroma's Python client.
fn python(name: &str, documents: Option<&BTreeMap<String, String>>) -> Found {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/client.py");
    let mut client = other_client("PYTHON_CLIENT", script)
        .args([server::client().url(), name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let command = json!({ "documents": documents, "questions": questions() });
    let mut input = client.stdin.take().unwrap();
    input.write_all(command.to_string().as_bytes()).unwrap();
    drop(input);
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns a client that opens collections with the model.
fn client() -> Client {
    let onnx = Onnx::mini_lm_from(model::folder().unwrap()).unwrap();
    let builder = builder(server::client().url()).allow_onnx_model(onnx);
    builder.build().unwrap()
}

/// Asserts that a collection has the same hits as in Python, with distances that are the same to five decimals.
#[track_caller]
fn assert_same(collection: &Collection, expected: &Found) {
    for ((question, ids), distances) in questions()
        .iter()
        .zip(&expected.ids)
        .zip(&expected.distances)
    {
        let hits = collection
            .query(*question)
            .n_results(ids.len())
            .run()
            .unwrap();
        assert_eq!((ids.len(), hits.len()), (11, 11));
        for ((hit, id), distance) in hits.iter().zip(ids).zip(distances) {
            assert_eq!(&hit.id, id, "{question}");
            let difference = (f64::from(hit.distance) - distance).abs();
            assert!(difference < 5e-6, "{question}: {difference} for {id}");
        }
    }
}

#[test]
#[ignore = "scripts/test-clients.sh installs the Python client"]
fn what_python_made_is_queried_here() {
    let name = server::unique_name();
    let expected = python(&name, Some(&documents()));
    assert_same(&client().collection(&name).get().unwrap(), &expected);
}

#[test]
#[ignore = "scripts/test-clients.sh installs the Python client"]
fn what_is_made_here_is_queried_in_python() {
    let name = server::unique_name();
    let onnx = Onnx::mini_lm_from(model::folder().unwrap()).unwrap();
    let collection = client().collection(&name);
    let collection = collection.embedding_function(onnx).create().unwrap();
    let records: Vec<_> = documents()
        .into_iter()
        .map(|(id, text)| Record::new(id).document(text))
        .collect();
    collection.add(records).unwrap();
    assert_same(&collection, &python(&name, None));
}
