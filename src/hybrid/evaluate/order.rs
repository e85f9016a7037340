//! [`Ranked`], a record with its score, and [`Order`], the order in which records were added, which decides
//! between equal scores.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::collection::{Collection, MAX_IDS};
use crate::error::Result;
use crate::hybrid::words::WordIndex;
use crate::model::results::Hit;

/// A record with its score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked {
    pub(super) id: String,
    pub(super) score: f32,
}

impl From<&Hit> for Ranked {
    fn from(hit: &Hit) -> Ranked {
        Ranked {
            id: hit.id.clone(),
            score: hit.distance,
        }
    }
}

/// The order in which records were added. Asks the server only for records that an index does not know.
pub(super) struct Order<'a> {
    collection: &'a Collection,
    words: Option<&'a WordIndex>,
}

impl<'a> Order<'a> {
    pub(super) fn new(collection: &'a Collection, words: Option<&'a WordIndex>) -> Order<'a> {
        Order { collection, words }
    }

    /// Returns a number for each id that grows with the order.
    fn positions(&self, ids: &[String]) -> Result<Vec<u32>> {
        if let Some(positions) = self.words.and_then(|words| words.positions(ids)) {
            return Ok(positions);
        }
        // The ids of all records are one request. More of some records would be several, each with its own order.
        let get = self.collection.get().include([]);
        let get = if ids.len() > MAX_IDS {
            get
        } else {
            get.ids(ids)
        };
        let ordered = get.run()?.ids;
        let positions: HashMap<&str, u32> = ordered.iter().map(String::as_str).zip(0..).collect();
        let position = |id: &String| positions.get(id.as_str()).copied();
        Ok(ids
            .iter()
            .map(|id| position(id).unwrap_or(u32::MAX))
            .collect())
    }
}

/// Sorts records by score, and those with equal scores by the order in which they were added.
pub(super) fn sort(records: &mut [Ranked], order: &Order<'_>) -> Result<()> {
    let by_score = |a: &Ranked, b: &Ranked| a.score.total_cmp(&b.score);
    records.sort_by(by_score);
    let is_tie = |a: &Ranked, b: &Ranked| by_score(a, b) == Ordering::Equal;
    let ties = records.chunk_by(is_tie).filter(|same| same.len() > 1);
    let ids: Vec<String> = ties.flatten().map(|record| record.id.clone()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let positions = order.positions(&ids)?;
    let positions: HashMap<String, u32> = ids.into_iter().zip(positions).collect();
    records.sort_by(|a, b| {
        by_score(a, b).then_with(|| positions.get(&a.id).cmp(&positions.get(&b.id)))
    });
    Ok(())
}
