//! [`Ranking`]: the scores of all records that a rank finds.

use std::collections::HashMap;

use super::filter::Filter;
use super::order::{Order, Ranked, sort};
use super::scores::{Scores, evaluate};
use crate::collection::Collection;
use crate::embed::SparseEmbeddingFunction;
use crate::error::Result;
use crate::hybrid::words::WordIndex;
use crate::model::results::QueryResult;
use crate::model::search::{Knn, KnnQuery, Search};

/// The nearest records of each `Knn` of a search, from left to right.
pub(super) struct Found {
    /// Those of each dense `Knn`. They may be more than its limit.
    pub(super) dense: Vec<QueryResult>,
    /// Those of each other `Knn`, in order.
    pub(super) words: Vec<Vec<Ranked>>,
}

/// A search with a rank, and what it searches.
pub(super) struct Ranking<'a> {
    pub(super) collection: &'a Collection,
    pub(super) search: &'a Search,
    pub(super) filter: &'a Filter<'a>,
    pub(super) words: Option<&'a WordIndex>,
}

impl Ranking<'_> {
    /// Whether the rank searches by words.
    pub(super) fn has_words(&self) -> bool {
        self.search.knns().iter().any(|knn| !knn.is_dense())
    }

    /// Asks the server for the nearest records of each dense `Knn`.
    pub(super) fn dense(&self) -> Result<Vec<QueryResult>> {
        let knns = self.search.knns().into_iter();
        let vectors = knns.filter_map(|knn| match knn.query() {
            KnnQuery::Dense(vector) => Some((vector, knn.max_found())),
            _ => None,
        });
        vectors
            .map(|(vector, limit)| self.nearest(vector, limit))
            .collect()
    }

    /// Searches the index of words for the nearest records of each other `Knn`.
    pub(super) fn by_words(&self) -> Result<Vec<Vec<Ranked>>> {
        let mut knns = self.search.knns();
        knns.retain(|knn| !knn.is_dense());
        knns.into_iter().map(|knn| self.matches(knn)).collect()
    }

    /// Asks for the nearest records, and for all that are as far away as the last one.
    fn nearest(&self, vector: &[f32], limit: usize) -> Result<QueryResult> {
        let mut wanted = limit.saturating_add(1);
        loop {
            let hits = self.filter.query(vector, wanted)?;
            let is_cut = hits.len() == wanted;
            let last = hits.last().map(|hit| hit.distance);
            if !is_cut || last != hits.get(limit - 1).map(|hit| hit.distance) {
                return Ok(hits);
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    /// Returns all records that the rank finds, the smallest score first.
    pub(super) fn run(&self, found: &Found) -> Result<Vec<Ranked>> {
        let Some(rank) = &self.search.rank else {
            return Ok(Vec::new());
        };
        let mut numbers = Numbers::default();
        let order = Order::new(self.collection, self.words);
        let (mut dense, mut words) = (found.dense.iter(), found.words.iter());
        let mut knns = Vec::new();
        for knn in self.search.knns() {
            let nearest = if knn.is_dense() {
                let hits = dense.next().into_iter().flatten();
                let mut nearest: Vec<Ranked> = hits.map(Ranked::from).collect();
                sort(&mut nearest, &order)?;
                nearest.truncate(knn.max_found());
                nearest
            } else {
                words.next().cloned().unwrap_or_default()
            };
            knns.push(numbers.scores(knn, nearest));
        }
        let scores = evaluate(rank, &mut knns.into_iter());
        let mut ranked = numbers.ranked(scores);
        sort(&mut ranked, &order)?;
        Ok(ranked)
    }

    /// Returns the documents that match words best, in order.
    fn matches(&self, knn: &Knn) -> Result<Vec<Ranked>> {
        let Some(words) = self.words else {
            return Ok(Vec::new());
        };
        let embedded;
        let vector = match knn.query() {
            KnnQuery::Sparse(vector) => vector,
            KnnQuery::Text(text) => {
                embedded = words.bm25().embed_queries(&[text]).unwrap_or_default();
                let Some(vector) = embedded.first() else {
                    return Ok(Vec::new());
                };
                vector
            }
            // Refused before.
            KnnQuery::Dense(_) => return Ok(Vec::new()),
        };
        let terms = vector
            .indices
            .iter()
            .copied()
            .zip(vector.values.iter().copied());
        let terms: Vec<(u32, f32)> = terms.collect();
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let passing = self.filter.passing()?;
        let passes = passing.map(|passing| move |id: &str| passing.contains(id));
        let passes = passes
            .as_ref()
            .map(|passes| passes as &dyn Fn(&str) -> bool);
        let found = words.nearest(&terms, passes, knn.max_found()).into_iter();
        Ok(found.map(|(id, score)| Ranked { id, score }).collect())
    }
}

/// Numbers for ids, so that a search copies each id once.
#[derive(Default)]
struct Numbers {
    numbers: HashMap<String, u32>,
}

impl Numbers {
    fn of(&mut self, id: String) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(id).or_insert(next)
    }

    /// Returns the scores that a `Knn` gives to its nearest records.
    fn scores(&mut self, knn: &Knn, nearest: Vec<Ranked>) -> Scores {
        let score = |(rank, Ranked { id, score }): (usize, Ranked)| {
            let score = if knn.returns_rank() {
                rank as f32
            } else {
                score
            };
            (self.of(id), score)
        };
        Scores {
            found: nearest.into_iter().enumerate().map(score).collect(),
            default: knn.default_score(),
        }
    }

    fn ranked(self, scores: Scores) -> Vec<Ranked> {
        let numbers = self.numbers.into_iter();
        let found = numbers.filter_map(|(id, number)| {
            let score = *scores.found.get(&number)?;
            Some(Ranked { id, score })
        });
        found.collect()
    }
}
