//! Queries whose hits a reranker puts in order.

use chroma_blocking::embed::{EmbeddingError, RerankContext, Reranker};
use chroma_blocking::{Include, Record};

use crate::{Scratch, refused};

/// Counts the words of the query that a document has.
struct SharedWords;

impl Reranker for SharedWords {
    fn name(&self) -> &'static str {
        "shared_words"
    }

    fn rerank(
        &self,
        query: &str,
        documents: &[&str],
        _: &RerankContext,
    ) -> Result<Vec<f32>, EmbeddingError> {
        let count = |document: &&str| {
            let words = query.split(' ');
            words.filter(|word| document.contains(word)).count() as f32
        };
        Ok(documents.iter().map(count).collect())
    }
}

/// Record `n` is the farther from the origin the larger `n` is. Record 29 answers the query best, record 5 has
/// no document.
fn points() -> Scratch {
    let points = Scratch::new();
    let at = |n: u8| {
        let record = Record::new(n.to_string()).embedding([f32::from(n) + 1.0, 0.0]);
        match n {
            5 => record,
            29 => record.document("stars of a far galaxy"),
            7 => record.document("stars on a flag"),
            _ => record.document(format!("recipe {n}")),
        }
    };
    points.upsert((0..50).map(at)).unwrap();
    points
}

#[test]
fn over_fetch_brings_a_record_from_rank_30_to_the_first() {
    let points = points();
    let near = points.query([0.0, 0.0]).n_results(30).run().unwrap();
    assert_eq!(near[29].id, "29");
    let query = points.query([0.0, 0.0]);
    let query = query.rerank(SharedWords).rerank_text("far stars");
    let hits = query.clone().run().unwrap();
    assert!(hits.is_reranked());
    let ids: Vec<&str> = hits.ids().collect();
    assert_eq!(ids, ["29", "7", "0", "1", "2", "3", "4", "6", "8", "9"]);
    assert_eq!((hits[0].score, hits[1].score), (Some(2.0), Some(1.0)));
    assert_eq!(hits[0].distance, near[29].distance);

    // Among ten candidates it is not, and the hit without a document is the last one.
    let few = query.over_fetch(10).run().unwrap();
    let ids: Vec<&str> = few.ids().collect();
    assert_eq!(ids, ["7", "0", "1", "2", "3", "4", "6", "8", "9", "5"]);
    assert_eq!((few[9].score, few[8].score), (None, Some(0.0)));
}

#[test]
fn documents_are_returned_only_if_they_were_asked_for() {
    let points = points();
    let query = points.query([0.0, 0.0]).n_results(1);
    let query = query.include([Include::Embeddings]).rerank(&SharedWords);
    let hits = query.rerank_text("far").over_fetch(50).run().unwrap();
    assert_eq!((&*hits[0].id, hits[0].document.as_ref()), ("29", None));
    assert_eq!(hits[0].embedding.as_deref(), Some(&[30.0, 0.0][..]));
}

#[test]
fn a_text_is_embedded_and_compared() {
    let notes = Scratch::hashing();
    let text = |n: u8| format!("{} far", "galaxy stars ".repeat(usize::from(n)));
    let records = (0..40).map(|n| Record::new(n.to_string()).document(text(n)));
    notes.upsert(records).unwrap();
    let query = || notes.query("far galaxy stars");
    let near = query().n_results(40).run().unwrap();
    let hits = query().rerank(&SharedWords).run().unwrap();
    // All documents but the first one have all words, so the order of distance decides.
    let expected = near.ids().filter(|id| *id != "0").take(10);
    assert!(hits.ids().eq(expected));
}

#[test]
fn a_vector_needs_a_text_to_compare() {
    let words = refused(Scratch::new().query([0.0]).rerank(&SharedWords).run());
    assert!(
        words.contains("pass the text with .rerank_text(...)"),
        "{words}"
    );
}
