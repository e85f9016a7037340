//! [`RerankedHit`] and [`RerankedResult`]: the hits of a reranked query.

use std::cmp::Ordering;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::model::results::Hit;

/// A hit of a [reranked query](crate::collection::Query::rerank). It dereferences to [`Hit`].
///
/// # Serde
/// The fields are those of [`Hit`], and `score` if there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RerankedHit {
    /// The record and its distance.
    #[serde(flatten)]
    pub hit: Hit,
    /// The reranker's score; larger is better. `None` if the record has no document, or the time budget is
    /// spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
}

impl Deref for RerankedHit {
    type Target = Hit;

    fn deref(&self) -> &Hit {
        &self.hit
    }
}

impl From<RerankedHit> for Hit {
    fn from(hit: RerankedHit) -> Hit {
        hit.hit
    }
}

/// The hits of one reranked query, best first. It dereferences to a slice of [`RerankedHit`]s.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankedResult {
    hits: Vec<RerankedHit>,
    is_reranked: bool,
}

impl RerankedResult {
    /// Puts hits, which are in order of distance, in the order of their scores, and keeps the first ones.
    /// Without scores they keep their order.
    pub(super) fn new(
        hits: Vec<Hit>,
        scores: Option<Vec<Option<f32>>>,
        limit: usize,
    ) -> RerankedResult {
        let is_reranked = scores.is_some();
        let scores = scores.unwrap_or_default().into_iter();
        let scores = scores.chain(std::iter::repeat(None));
        let mut hits: Vec<RerankedHit> = hits
            .into_iter()
            .zip(scores)
            .map(|(hit, score)| RerankedHit { hit, score })
            .collect();
        // This sort is stable: hits with the same score stay in order of distance.
        hits.sort_by(|a, b| best_first(a.score, b.score));
        hits.truncate(limit);
        RerankedResult { hits, is_reranked }
    }

    /// Returns whether the hits are in the order of the reranker. `false` if its [time
    /// budget](crate::hybrid::RerankedQuery::time_budget) was spent: then they are in order of distance, and
    /// have no scores.
    pub fn is_reranked(&self) -> bool {
        self.is_reranked
    }

    /// Returns the hits as a `Vec`.
    pub fn into_hits(self) -> Vec<RerankedHit> {
        self.hits
    }

    /// Iterates over the ids.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.hits.iter().map(|hit| hit.id.as_str())
    }
}

/// Orders scores, which are finite, from the largest to the smallest, and puts `None` last.
fn best_first(a: Option<f32>, b: Option<f32>) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

impl Deref for RerankedResult {
    type Target = [RerankedHit];

    fn deref(&self) -> &[RerankedHit] {
        &self.hits
    }
}

impl IntoIterator for RerankedResult {
    type Item = RerankedHit;
    type IntoIter = std::vec::IntoIter<RerankedHit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

impl<'a> IntoIterator for &'a RerankedResult {
    type Item = &'a RerankedHit;
    type IntoIter = std::slice::Iter<'a, RerankedHit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns hits with the ids `a`, `b`, …, in order of distance.
    fn hits(count: u8) -> Vec<Hit> {
        let hit = |n: u8| {
            let json = serde_json::json!({ "id": (b'a' + n) as char, "distance": f32::from(n) });
            serde_json::from_value(json).unwrap()
        };
        (0..count).map(hit).collect()
    }

    fn ids(result: &RerankedResult) -> String {
        result.ids().collect()
    }

    #[test]
    fn the_best_hit_is_first_and_equal_ones_stay_in_order_of_distance() {
        let scores = vec![
            Some(-1.0),
            None,
            Some(2.0),
            Some(0.0),
            Some(2.0),
            None,
            Some(-0.0),
        ];
        let all = RerankedResult::new(hits(7), Some(scores.clone()), 10);
        assert_eq!(ids(&all), "cedgabf");
        assert_eq!(all[0].score, Some(2.0));
        assert_eq!((all[5].score, all[5].distance), (None, 1.0));
        assert!(all.is_reranked());
        let few = RerankedResult::new(hits(7), Some(scores), 2);
        assert_eq!(ids(&few), "ce");
    }

    #[test]
    fn without_scores_the_order_of_distance_stands() {
        let result = RerankedResult::new(hits(3), None, 2);
        assert_eq!(ids(&result), "ab");
        assert!(!result.is_reranked());
        assert!(result.iter().all(|hit| hit.score.is_none()));
    }

    #[test]
    fn json_has_the_fields_of_the_hit_and_the_score() {
        let result = RerankedResult::new(hits(2), Some(vec![Some(0.5), None]), 2);
        for (hit, json) in result.iter().zip([
            r#"{"id":"a","distance":0.0,"score":0.5}"#,
            r#"{"id":"b","distance":1.0}"#,
        ]) {
            assert_eq!(serde_json::to_string(hit).unwrap(), json);
            assert_eq!(serde_json::from_str::<RerankedHit>(json).unwrap(), *hit);
        }
    }
}
