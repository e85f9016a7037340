//! Finds the documents that match the words of a query best, by BM25 as Chroma computes it.

use super::state::State;
use crate::embed::Bm25;

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Match {
    /// The position of the record: the order in which records were added.
    pub(super) position: u32,
    /// 1 minus the inner product of the vectors.
    pub(super) distance: f32,
}

/// Returns the weight of a term that `with_term` of `records` have, as a Chroma server computes it
/// (`rust/worker/src/execution/operators/idf.rs`).
fn inverse_document_frequency(records: usize, with_term: usize) -> f32 {
    let (records, with_term) = (records as f32, with_term as f32);
    ((records - with_term + 0.5) / (with_term + 0.5)).ln_1p()
}

impl State {
    /// Returns the `limit` best documents, nearest first, and those with the same distance in the order of
    /// the records. `query` has terms in ascending order, with their values. Only documents that `passes`
    /// returns `true` for are found; the frequency of a term counts all.
    pub(super) fn nearest(
        &self,
        bm25: &Bm25,
        query: impl IntoIterator<Item = (u32, f32)>,
        passes: Option<&dyn Fn(u32) -> bool>,
        limit: usize,
    ) -> Vec<Match> {
        let mut products = vec![f32::NAN; self.documents.positions_len()];
        let mut found = Vec::new();
        let mut postings = Vec::new();
        for (term, value) in query {
            postings.clear();
            self.postings(term, &mut postings);
            let weight = value * inverse_document_frequency(self.documents.live(), postings.len());
            for posting in &postings {
                let Some(product) = products.get_mut(posting.document as usize) else {
                    continue;
                };
                if product.is_nan() {
                    if passes.is_some_and(|passes| !passes(posting.document)) {
                        continue;
                    }
                    found.push(posting.document);
                    *product = 0.0;
                }
                let length = self.documents.fingerprint(posting.document).length;
                *product += weight * bm25.value(posting.count, length) as f32;
            }
        }
        let nearest = found.into_iter().map(|position| Match {
            position,
            distance: 1.0 - products[position as usize],
        });
        best(nearest.collect(), limit)
    }
}

/// Sorts the best `limit` matches, and drops the others.
fn best(mut matches: Vec<Match>, limit: usize) -> Vec<Match> {
    let order = |a: &Match, b: &Match| {
        let by_distance = a.distance.total_cmp(&b.distance);
        by_distance.then(a.position.cmp(&b.position))
    };
    if limit < matches.len() {
        matches.select_nth_unstable_by(limit, order);
        matches.truncate(limit);
    }
    matches.sort_unstable_by(order);
    matches
}
