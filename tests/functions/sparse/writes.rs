//! Writes fill in the sparse vectors.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::embed::{Bm25, EmbeddingError};
use chroma_blocking::record::{Columns, SparseVector};
use chroma_blocking::schema::{EmbeddingFunctionConfiguration, Schema};
use chroma_blocking::{Error, InvalidInput, Metadata, Record, RetryPolicy};
use serde_json::{Value, json};

use super::{
    Answers, Lengths, abc, abc_with, bm25, bodies, body, index, length, printed, record, server,
    server_with, words,
};
use crate::support::client;
use crate::support::stand_in::{Answer, lock};

#[test]
fn writes_fill_in_the_vectors_of_documents_and_of_metadata() {
    let schema = words(Bm25::default())
        .create_sparse_vector_index("title_words", index(Bm25::default()).source_key("title"));
    let server = server(&schema);
    let own = SparseVector::new([7], [0.5]);
    abc(&server)
        .upsert([
            record("1").document("memory safety"),
            record("2").metadata("title", "A garbage collector"),
            record("3").document("x y").metadata("words", own.clone()),
            record("4").document("the of and"),
            record("5").document("both").metadata("title", "of them"),
        ])
        .unwrap();
    let metadatas = &body(&server, "/upsert")["metadatas"];
    assert_eq!(metadatas[0], json!({ "words": bm25("memory safety") }));
    let title = "A garbage collector";
    assert_eq!(
        metadatas[1],
        json!({ "title": title, "title_words": bm25(title) })
    );
    let of_the_caller = json!({ "words": printed(&own) });
    assert_eq!(metadatas[2], of_the_caller);
    // Only stop words: the empty vector replaces that of an earlier text.
    let empty = printed(&SparseVector::default());
    assert_eq!(metadatas[3], json!({ "words": empty }));
    let both = json!({ "title": "of them", "title_words": empty, "words": bm25("both") });
    assert_eq!(metadatas[4], both);
}

/// The rules of Chroma's Python client 1.5.9 (`_apply_sparse_embeddings_to_metadatas`).
#[test]
fn a_record_gets_a_vector_under_the_conditions_of_the_python_client() {
    let title = index(EmbeddingFunctionConfiguration::known("lengths", json!({})));
    let server = server(
        &words(title.embedding_function.clone().unwrap())
            .create_sparse_vector_index("title_words", title.source_key("title")),
    );
    let (documents, titles) = (Lengths::default(), Lengths::default());
    let abc = client(&server)
        .collection("abc")
        .sparse_embedding_function("words", documents.clone())
        .sparse_embedding_function("title_words", titles.clone())
        .get()
        .unwrap();
    let records = || {
        [
            record("no document"),
            record("a null").document("x").remove_metadata("words"),
            record("another value")
                .document("x")
                .metadata("words", "mine"),
            record("a number").metadata("title", 7),
            record("a list").metadata("title", ["a", "b"]),
            record("no title").remove_metadata("title"),
            record("both").document("four").metadata("title", "three"),
            record("an empty one").document(""),
        ]
    };
    abc.add(records()).unwrap();
    abc.upsert(records()).unwrap();
    abc.update(records()).unwrap();
    assert_eq!(
        documents.calls(),
        [["four", ""], ["four", ""], ["four", ""]]
    );
    assert_eq!(titles.calls(), [["three"], ["three"], ["three"]]);
    let both = json!({
        "title": "three",
        "title_words": printed(&length("three")), "words": printed(&length("four")),
    });
    for (end, nulls) in [("/add", false), ("/upsert", true), ("/update", true)] {
        let metadatas = &body(&server, end)["metadatas"];
        assert_eq!(metadatas[0], Value::Null, "{end}");
        let null = if nulls {
            json!({ "words": null })
        } else {
            Value::Null
        };
        assert_eq!(metadatas[1], null, "{end}");
        assert_eq!(metadatas[2], json!({ "words": "mine" }), "{end}");
        assert_eq!(metadatas[3], json!({ "title": 7 }), "{end}");
        assert_eq!(metadatas[6], both, "{end}");
        let empty = printed(&SparseVector::default());
        assert_eq!(metadatas[7], json!({ "words": empty }), "{end}");
    }
}

#[test]
fn columns_are_filled_in() {
    let server = server(&words(Bm25::default()));
    let metadatas = [Metadata::from([("year", 1)]), Metadata::new()];
    let columns = Columns::new(&["1", "2"])
        .embeddings(&[[0.0, 1.0], [1.0, 0.0]])
        .documents(&["memory", "safety"])
        .metadatas(&metadatas);
    abc(&server).add(columns).unwrap();
    assert_eq!(
        body(&server, "/add")["metadatas"],
        json!([{ "words": bm25("memory"), "year": 1 }, { "words": bm25("safety") }])
    );
}

#[test]
fn a_transaction_fills_in_the_vectors_when_it_is_written_to() {
    let server = server_with(&words(Bm25::default()), |request| {
        let is_commit = request.path.ends_with("/conditional/commit");
        is_commit.then(|| Answer::ok(r#"{"record_count":1}"#))
    });
    let mut transaction = abc(&server).transaction();
    transaction.upsert(record("1").document("memory")).unwrap();
    transaction.commit().unwrap();
    let commit = &bodies(&server, "/conditional/commit")[0]["operations"][0];
    let metadatas = &commit["payload"]["metadatas"];
    assert_eq!(metadatas[0], json!({ "words": bm25("memory") }));

    let server = super::server(&lengths());
    let function = Lengths::default();
    let mut transaction = abc_with(&server, function.clone()).transaction();
    transaction.upsert(record("1").document("once")).unwrap();
    // Refused before its text is embedded.
    let twice = transaction.upsert(record("1").document("twice"));
    assert!(twice.unwrap_err().to_string().contains('1'));
    assert_eq!(function.calls(), [["once"]]);
}

fn lengths() -> Schema {
    words(EmbeddingFunctionConfiguration::known("lengths", json!({})))
}

#[test]
fn nothing_is_embedded_for_records_that_are_refused() {
    let server = server(&lengths());
    let function = Lengths::default();
    let abc = abc_with(&server, function.clone());
    for bad in [
        vec![record("1").document("a"), record("1").document("b")],
        vec![record("1").document("a").metadata("x", f64::NAN)],
        vec![record("1").document("a"), Record::new("2")],
        vec![Record::new("1").embedding([0.5]).document("a")],
        vec![record("").document("a")],
    ] {
        let error = abc.upsert(bad).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
    // There is no function for the vectors of documents.
    let documents = || vec![Record::new("1").document("a"), record("2").document("b")];
    for error in [
        abc.upsert(documents()).unwrap_err(),
        abc.ingest(documents()).run().unwrap_err(),
    ] {
        let error = format!("{error:#}");
        assert!(error.contains("without an embedding function"), "{error}");
    }
    let (ids, documents) = (["1", "2"], ["a"]);
    let columns = Columns::new(&ids).documents(&documents);
    abc.add(columns.embeddings(&[[0.0, 1.0], [1.0, 0.0]]))
        .unwrap_err();
    assert_eq!(function.calls().len(), 0);
}

#[test]
fn nothing_is_embedded_if_the_server_is_not_there_or_would_break() {
    for (path, answer) in [
        ("/pre-flight-checks", Answer::new(503, "")),
        // Chroma 1.0.21 and 1.1 describe themselves so.
        (
            "/openapi.json",
            Answer::ok(
                r#"{"paths":{"/api/v2/x":{}},"components":{"schemas":{"HashMap":{"x":"SparseVector"}}}}"#,
            ),
        ),
    ] {
        let server = server_with(&lengths(), move |request| {
            request.path.ends_with(path).then(|| answer.clone())
        });
        let function = Lengths::default();
        let abc = abc_with(&server, function.clone()).with_retry(RetryPolicy::none());
        abc.upsert(record("1").document("a")).unwrap_err();
        assert_eq!(function.calls().len(), 0, "{path}");
        assert_eq!(server.requests_to("/upsert").len(), 0);
    }
}

#[test]
fn a_function_that_cannot_run_here_is_named_before_anything_is_sent() {
    let fastembed = EmbeddingFunctionConfiguration::known("fastembed_sparse", json!({}));
    let server = server(&words(fastembed));
    let abc = abc(&server);
    let error = abc.upsert(record("1").document("memory")).unwrap_err();
    let Error::Invalid { reason, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(reason, InvalidInput::StoredSparseFunction { name, .. } if name == "fastembed_sparse"),
        "{error}"
    );
    assert!(error.to_string().contains(".sparse_embedding_function("));
    for path in ["/upsert", "/pre-flight-checks", "/openapi.json"] {
        assert_eq!(server.requests_to(path).len(), 0, "{path}");
    }
    // Without a text there is nothing to embed.
    abc.upsert(record("1")).unwrap();
}

#[test]
fn failures_of_a_function_name_it() {
    let server = server(&lengths());
    let upsert = |answer: fn() -> Result<Vec<SparseVector>, EmbeddingError>| {
        let abc = abc_with(&server, Answers(move |_: &[&str]| answer()));
        abc.upsert([
            record("a"),
            record("b").document("x"),
            record("c").document("y"),
        ])
        .unwrap_err()
    };
    let broken = upsert(|| Err("no model".into()));
    assert_eq!(
        format!("{broken:#}"),
        "upsert \"abc\": the embedding function lengths failed: no model"
    );
    let few = upsert(|| Ok(vec![SparseVector::new([1], [1.0])]));
    assert!(
        format!("{few:#}").ends_with("1 vectors for 2 texts"),
        "{few:#}"
    );
    assert_eq!(server.requests_to("/upsert").len(), 0);
}

#[test]
fn the_embedding_of_sparse_vectors_is_cancelled_reported_and_counted() {
    let server = server(&lengths());
    let function = Lengths::default();
    let abc = abc_with(&server, function.clone());
    let records = || [record("1").document("a"), record("2").document("b")];
    let reports = Arc::new(Mutex::new(Vec::new()));
    let to = reports.clone();
    abc.with_progress(move |progress| lock(&to).push(progress.to_string()))
        .upsert(records())
        .unwrap();
    assert_eq!(lock(&reports)[0], "upsert: 2 of 2 embedded");
    let counted = &abc.client().metrics().embeddings["lengths"];
    assert_eq!((counted.calls, counted.texts, counted.errors), (1, 2, 0));

    let flag = Arc::new(AtomicBool::new(true));
    let cancelled = abc.with_cancel(flag.clone()).upsert(records()).unwrap_err();
    assert!(matches!(cancelled, Error::Cancelled { .. }), "{cancelled}");
    assert_eq!(function.calls().len(), 1);
    // The function may notice it in its own way.
    flag.store(false, Ordering::Relaxed);
    let set = flag.clone();
    let stopped = Answers(move |_: &[&str]| {
        set.store(true, Ordering::Relaxed);
        Err("stopped".into())
    });
    let abc = abc_with(&server, stopped).with_cancel(flag);
    let cancelled = abc.upsert(records()).unwrap_err();
    assert!(matches!(cancelled, Error::Cancelled { .. }), "{cancelled}");
}
