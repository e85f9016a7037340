//! Input that is refused before anything is sent.

use chroma_blocking::hybrid::WordIndex;
use chroma_blocking::record::SparseVector;
use chroma_blocking::search::{GroupBy, Knn, Rank, Rrf};
use chroma_blocking::{Collection, Error, Hashing, Record, Search, Space};

use super::support::server::{client, unique_name};
use super::{Scratch, own_client, requests};

/// Returns the message of a refusal before a request.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: chroma_blocking::Result<T>) -> String {
    match result.unwrap_err() {
        Error::Invalid { call, reason, .. } => {
            assert_eq!(call.attempts, 0, "nothing is sent");
            reason.to_string()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn bad_searches_are_refused_before_a_request() {
    let scratch = Scratch::new();
    scratch.add([Record::new("1").document("apples")]).unwrap();
    let builder = own_client().collection(scratch.name());
    let builder = builder.embedding_function(Hashing::default());
    let notes = builder.get().unwrap();
    let words = notes.word_index().key("words").open().unwrap();
    // Learns that the server has no search.
    notes.search(Search::new()).run().unwrap();
    let sent = requests(notes.client(), || refuse_bad_searches(&notes, &words));
    assert_eq!(sent, []);
}

fn refuse_bad_searches(notes: &Collection, words: &WordIndex) {
    let sparse = |indices: &[u32], values: &[f32]| {
        Rank::from(Knn::sparse("words", SparseVector::new(indices, values)))
    };
    let two = || Rrf::new([Knn::words("a"), Knn::text("b")]);
    for (rank, part) in [
        (sparse(&[2, 1], &[1.0, 1.0]), "ascending"),
        (sparse(&[1, 2], &[1.0, f32::INFINITY]), "inf"),
        (sparse(&[1], &[]), "as many values as indices"),
        (Rank::from(Knn::text("a").key("other")), "\"other\""),
        (
            Rank::from(Knn::sparse("other", SparseVector::default())),
            ".key(\"other\")",
        ),
        (Rank::from(two().weights([1.0, f64::NAN])), "NaN"),
        (Rank::from(two().k(0)), "the k of an Rrf is 0"),
        (Knn::words("a") + f64::INFINITY, "inf"),
        (Rank::from(Knn::words("a").limit(0)), "limit 0"),
        (Rank::from(Knn::dense([1.0])), "1 floats"),
    ] {
        let run = notes.search(Search::new().rank(rank)).words(words);
        let why = refused(run.run());
        assert!(why.contains(part), "{why} / {part}");
    }
    let bounded = notes.search(Search::new()).words(words).max_distance(0.5);
    assert!(refused(bounded.run()).contains("need a rank"));
    let grouped = Search::new().group_by(GroupBy::new(["kind"]));
    assert!(refused(notes.search(grouped).words(words).run()).contains("needs a rank"));
    let rank = || {
        notes
            .search(Search::new().rank(Knn::words("a")))
            .words(words)
    };
    assert!(refused(rank().max_distance(f32::NAN).run()).contains("max_distance"));
}

#[test]
fn an_index_of_another_collection_is_refused() {
    let [notes, other] = [Scratch::new(), Scratch::new()];
    for collection in [&notes, &other] {
        collection
            .add([Record::new("1").document("apples")])
            .unwrap();
    }
    let words = other.word_index().open().unwrap();
    notes.search(Search::new()).run().unwrap();
    let why = refused(
        notes
            .search(Search::new().rank(Knn::words("a")))
            .words(&words)
            .run(),
    );
    assert!(
        why.contains(other.name()) && why.contains("word_index()"),
        "{why}"
    );
}

#[test]
fn a_collection_without_documents_has_no_index() {
    let notes = Scratch(client().collection(unique_name()).create().unwrap());
    // Nothing is written yet, so documents may come.
    assert!(notes.word_index().open().unwrap().is_empty());
    notes.add([Record::new("1").embedding([1.0])]).unwrap();
    let error = notes.word_index().open().unwrap_err().to_string();
    assert!(
        error.contains("none of its 1 records has a document"),
        "{error}"
    );
}

#[test]
fn a_score_needs_a_space_with_a_similarity() {
    let of = |space| {
        Scratch(
            client()
                .collection(unique_name())
                .space(space)
                .create()
                .unwrap(),
        )
    };
    let why = refused(of(Space::L2).query([1.0]).min_score(0.5).run());
    assert!(why.contains("max_distance") && why.contains("l2"), "{why}");
    for space in [Space::Cosine, Space::Ip] {
        assert!(
            of(space)
                .query([1.0])
                .min_score(0.5)
                .run()
                .unwrap()
                .is_empty()
        );
        assert!(refused(of(space).query([1.0]).min_score(f32::NAN).run()).contains("NaN"));
    }
    assert!(refused(of(Space::L2).query([1.0]).max_distance(f32::NAN).run()).contains("NaN"));
}
