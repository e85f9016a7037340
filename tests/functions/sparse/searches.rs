//! Searches by text embed the queries.

use chroma_blocking::embed::{Bm25, EmbeddingError};
use chroma_blocking::schema::{EmbeddingFunctionConfiguration, Schema, SparseVectorIndexConfig};
use chroma_blocking::search::{Knn, Rank, Rrf};
use chroma_blocking::{EmbeddingFunction, Embeddings, Error, InvalidInput, Search};
use serde_json::json;

use super::{Lengths, abc, bm25, body, index, length, printed, record, server, words};
use crate::support::client;

#[test]
fn searches_by_text_embed_the_query_for_the_key() {
    let server = server(&words(Bm25::default()));
    let search = Search::new()
        .rank(Knn::text("memory safety").key("words"))
        .limit(3);
    abc(&server).search(search).run().unwrap();
    let knn = &body(&server, "/search")["searches"][0]["rank"]["$knn"];
    assert_eq!(knn["query"], bm25("memory safety"));
    assert_eq!(knn["key"], "words");
}

/// A dense function that must not be called.
struct Never;

impl EmbeddingFunction for Never {
    fn name(&self) -> &str {
        "never"
    }

    fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Err("called".into())
    }
}

fn lengths_twice() -> Schema {
    let lengths = || index(EmbeddingFunctionConfiguration::known("lengths", json!({})));
    words(lengths().embedding_function.unwrap())
        .create_sparse_vector_index("title", lengths().source_key("title"))
}

#[test]
fn the_texts_of_a_key_are_embedded_in_one_call_wherever_they_are() {
    let server = server(&lengths_twice());
    let (by_words, by_title) = (Lengths::default(), Lengths::default());
    let abc = client(&server)
        .collection("abc")
        .sparse_embedding_function("words", by_words.clone())
        .sparse_embedding_function("title", by_title.clone())
        .get()
        .unwrap();
    let knn = |text: &str, key: &str| Knn::text(text).key(key);
    let nested: Rank = 2.0 * (knn("a", "words") + knn("bb", "title").default(9)).exp();
    let searches = [
        Search::new().rank(Rrf::new([knn("ccc", "words"), Knn::dense([0.5, 0.5])])),
        Search::new().rank(nested.max(knn("dddd", "words").abs())),
    ];
    abc.search_many(searches).run().unwrap();
    assert_eq!(
        by_words.calls(),
        [["query: ccc", "query: a", "query: dddd"]]
    );
    assert_eq!(by_title.calls(), [["query: bb"]]);
    let sent = body(&server, "/search").to_string();
    for text in ["a", "bb", "ccc", "dddd"] {
        let vector = printed(&length(text)).to_string();
        assert!(sent.contains(&vector), "{vector} in {sent}");
    }
    assert!(!sent.contains("query\":\""), "no text is left: {sent}");
}

#[test]
fn everything_is_checked_before_a_text_is_embedded() {
    let fastembed = EmbeddingFunctionConfiguration::known("fastembed_sparse", json!({}));
    let schema = lengths_twice().create_sparse_vector_index("z", index(fastembed));
    let server = server(&schema);
    let function = Lengths::default();
    let abc = client(&server)
        .collection("abc")
        .sparse_embedding_function("words", function.clone())
        .get()
        .unwrap();
    let knn = |key: &str| Knn::text("a").key(key);
    for (rank, words) in [
        (knn("words") + knn("z"), "fastembed_sparse"),
        (knn("words") + knn("other"), "Knn::sparse(key, vector)"),
        (knn("words") + Knn::text("dense"), "\"dense\""),
        (knn("words") + knn("#id"), "texts can only search"),
        (knn("words").limit(0).into(), "limit"),
    ] {
        let error = abc.search(Search::new().rank(rank)).run().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    assert_eq!(function.calls().len(), 0);
    assert_eq!(server.requests_to("/search").len(), 0);
}

/// A server takes all records in its log for equally near to an empty vector.
#[test]
fn a_text_without_a_known_word_is_refused() {
    let server = server(&words(Bm25::default()));
    let abc = client(&server)
        .collection("abc")
        .embedding_function(Never)
        .get()
        .unwrap();
    for text in ["the of", "", "?!"] {
        let rank = Knn::text("dense") + Knn::text(text).key("words");
        let error = abc.search(Search::new().rank(rank)).run().unwrap_err();
        let Error::Invalid { reason, .. } = &error else {
            panic!("{error}")
        };
        assert!(matches!(reason, InvalidInput::Search { .. }), "{error}");
        let expected = format!("the Knn on {text:?}: chroma_bm25 finds no word");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    assert_eq!(server.requests_to("/search").len(), 0);
}

/// As in Chroma's Python client, an index without a source is searched by text, and not filled in.
#[test]
fn an_index_without_a_source_is_only_searched() {
    let index: SparseVectorIndexConfig = index(Bm25::default());
    let server = server(&Schema::new().create_sparse_vector_index("words", index));
    let abc = abc(&server);
    abc.upsert(record("1").document("memory")).unwrap();
    assert_eq!(body(&server, "/upsert").get("metadatas"), None);
    let search = Search::new().rank(Knn::text("memory").key("words"));
    abc.search(search).run().unwrap();
    let knn = &body(&server, "/search")["searches"][0]["rank"]["$knn"];
    assert_eq!(knn["query"], bm25("memory"));
}
