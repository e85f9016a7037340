//! Functions of sparse vectors that the program sets for a collection.

use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use chroma_blocking::schema::{EmbeddingFunctionConfiguration, Schema, SparseVectorIndexConfig};
use chroma_blocking::search::Knn;
use chroma_blocking::{Collection, Error, InvalidInput, Search};
use serde_json::{Value, json};

use super::{
    ID, Lengths, abc, bm25, bodies, body, described, index, record, server, server_with, words,
};
use crate::support::client;
use crate::support::stand_in::{Answer, StandIn};

fn write_and_search(abc: &Collection) {
    abc.upsert(record("1").document("a text")).unwrap();
    let search = Search::new().rank(Knn::text("a query").key("words"));
    abc.search(search).run().unwrap();
}

const CALLS: [[&str; 1]; 2] = [["a text"], ["query: a query"]];

fn lengths() -> EmbeddingFunctionConfiguration {
    EmbeddingFunctionConfiguration::known("lengths", json!({ "since": 1 }))
}

#[test]
fn a_given_function_is_used_for_writes_and_searches() {
    // Stored by the same name, or not stored, as by a client that does not know the function.
    let unknown = EmbeddingFunctionConfiguration::new().kind("unknown");
    for stored in [lengths(), unknown] {
        let server = server(&words(stored));
        let function = Lengths::default();
        let opened = client(&server)
            .collection_by_id(ID)
            .sparse_embedding_function("words", function.clone())
            .get()
            .unwrap();
        write_and_search(&opened);
        assert_eq!(function.calls(), CALLS);
    }
}

#[test]
fn another_handle_of_the_collection_has_the_function_too() {
    let server = server_with(&words(lengths()), |request| {
        let is_fork = request.path.ends_with("/fork");
        is_fork.then(|| Answer::ok(described(&words(lengths())).to_string()))
    });
    let function = Lengths::default();
    let abc = super::abc_with(&server, function.clone());
    let modified = abc.modify().metadata([("a", 1)]).run().unwrap();
    write_and_search(&modified);
    write_and_search(&abc.fork("fork").unwrap());
    assert_eq!(function.calls().len(), 4);
}

#[test]
fn another_function_than_the_stored_one_is_a_conflict() {
    let server = server(&words(Bm25::default()));
    let open = || client(&server).collection("abc");
    let by_name = open().sparse_embedding_function("words", Lengths::default());
    let by_id = client(&server)
        .collection_by_id(ID)
        .sparse_embedding_function("words", Lengths::default());
    for result in [by_name.get(), by_id.get()] {
        let error = result.unwrap_err();
        let Error::Invalid { reason, .. } = &error else {
            panic!("{error}")
        };
        let InvalidInput::EmbeddingFunctionConflict { stored, given, .. } = reason else {
            panic!("{error}")
        };
        assert_eq!((&**stored, &**given), ("chroma_bm25", "lengths"));
    }
    // Other numbers make vectors of the same words.
    let other = open().sparse_embedding_function("words", Bm25::default().k(2.0).unwrap());
    other.get().unwrap();
    // The last function for a key counts.
    open()
        .sparse_embedding_function("words", Lengths::default())
        .sparse_embedding_function("words", Bm25::default())
        .get()
        .unwrap();
    let error = open().sparse_embedding_function("title", Bm25::default());
    let error = error.get().unwrap_err().to_string();
    assert!(
        error.contains("sparse_embedding_function is \"title\""),
        "{error}"
    );
    assert!(
        error.contains("no sparse vector index for this key"),
        "{error}"
    );
}

/// Returns the index that a request to create a collection contains.
fn created(server: &StandIn, key: &str) -> Value {
    let body = body(server, "/collections");
    body["schema"]["keys"][key]["sparse_vector"]["sparse_vector_index"].clone()
}

#[test]
fn a_new_schema_stores_the_function() {
    let server = server(&words(lengths()));
    let schema = || {
        let index = SparseVectorIndexConfig::new().source_key("#document");
        let later = json!({ "weight": 2 });
        let mut index = index.bm25(true);
        index.other = later.as_object().unwrap().clone();
        Schema::new().create_sparse_vector_index("words", index)
    };
    let function = Lengths::default();
    let abc = client(&server)
        .collection("abc")
        .schema(schema())
        .sparse_embedding_function("words", function.clone())
        .get_or_create()
        .unwrap();
    assert_eq!(
        created(&server, "words"),
        json!({
            "enabled": true,
            "config": {
                "embedding_function": { "type": "known", "name": "lengths", "config": {} },
                "source_key": "#document", "bm25": true, "weight": 2,
            },
        })
    );
    write_and_search(&abc);
    assert_eq!(function.calls(), CALLS);
}

#[test]
fn a_function_without_an_index_is_refused_before_anything_is_sent() {
    let server = server(&words(lengths()));
    let new = || client(&server).collection("abc");
    let with = |schema: Schema| {
        let new = new().schema(schema);
        new.sparse_embedding_function("words", Lengths::default())
    };
    let index = index(lengths());
    for (builder, why) in [
        (
            new().sparse_embedding_function("words", Lengths::default()),
            "Schema::create_sparse_vector_index",
        ),
        (with(Schema::new()), "Schema::create_sparse_vector_index"),
        (
            with(Schema::new().create_sparse_vector_index("title", index)),
            "Schema::create_sparse_vector_index",
        ),
        (with(words(Bm25::default())), "chroma_bm25"),
    ] {
        for result in [builder.clone().create(), builder.get_or_create()] {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn several_indexes_have_functions_of_their_own() {
    let schema = words(Bm25::default())
        .create_sparse_vector_index("title_words", index(lengths()).source_key("title"));
    let server = server(&schema);
    let function = Lengths::default();
    let opened = client(&server)
        .collection("abc")
        .sparse_embedding_function("title_words", function.clone())
        .get()
        .unwrap();
    let record = record("1").document("memory").metadata("title", "T");
    opened.upsert(&record).unwrap();
    assert_eq!(function.calls(), [["T"]]);
    let sent = &bodies(&server, "/upsert")[0]["metadatas"][0];
    assert_eq!(sent["words"], bm25("memory"));
    // Without its function, only texts for that key are refused.
    let opened = abc(&server);
    let error = opened.upsert(&record).unwrap_err().to_string();
    assert!(error.contains("\"lengths\""), "{error}");
    opened
        .upsert(super::record("2").document("memory"))
        .unwrap();
}

#[test]
fn pointers_to_functions_are_functions() {
    let function: Box<dyn SparseEmbeddingFunction> = Box::new(Lengths::default());
    let server = server(&words(lengths()));
    let shared = std::sync::Arc::new(function);
    write_and_search(&super::abc_with(&server, shared));
}
