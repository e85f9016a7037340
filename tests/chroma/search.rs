//! Search on a single-node server, which does not support it. The server parses the request before it says
//! so.

use chroma_blocking::{
    Error, Key, Record, Result, Search,
    record::SparseVector,
    search::{GroupBy, Knn, ReadLevel, Rrf},
};

use crate::Scratch;

fn assert_unsupported<T: std::fmt::Debug>(result: Result<T>, search: &dyn std::fmt::Debug) {
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::Unsupported { .. }),
        "{error} {search:?}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn every_search_is_understood_but_unsupported() {
    let notes = Scratch::hashing();
    notes.upsert([Record::new("1").document("Rust")]).unwrap();
    let words = || SparseVector::new([1, 5], [0.5, 0.25]);
    let text = || Knn::text("Rust");
    // The server answers 400 or 422 to a request that it cannot parse.
    for search in [
        Search::new(),
        Search::new()
            .filter(Key::id().ne("1") | Key::document().contains("Rust"))
            .select_all()
            .limit(3)
            .offset(1),
        Search::new().rank(text().default(10).return_rank(true)),
        Search::new().rank(text().max(0).min(1) - (-text()).exp() / 2.5 + (text() + 1).log().abs()),
        Search::new()
            .rank(
                Rrf::new([text(), text().limit(3)])
                    .weights([2, 1])
                    .normalize(true),
            )
            .group_by(GroupBy::new(["category"]).max_k(3, [Key::score(), "year".into()])),
    ] {
        let call = notes.search(search.clone());
        assert_unsupported(call.read_level(ReadLevel::IndexOnly).run(), &search);
    }
    let both = [Search::new(), Search::new().rank(text())];
    assert_unsupported(notes.search_many(both.clone()).run(), &both);

    // The key has no sparse vector index. A server may report that instead.
    let sparse = Search::new().rank(Knn::sparse("words", words()));
    let error = notes.search(sparse).run().unwrap_err();
    assert!(!matches!(error, Error::Decode { .. }), "{error}");
}

#[test]
fn a_vector_of_a_different_dimension_is_not_sent() {
    let notes = Scratch::hashing();
    notes.upsert([Record::new("1").document("Rust")]).unwrap();
    let error = notes.search(Search::new().rank(Knn::dense([1.0]))).run();
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}
