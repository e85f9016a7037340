//! Keeps the best hits of each group, as Chroma's servers do
//! (`rust/worker/src/execution/operators/ranked_group_by.rs`).

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use super::order::Ranked;
use crate::collection::Collection;
use crate::error::Result;
use crate::model::filter::Key;
use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::results::Include;
use crate::model::search::{Aggregate, GroupBy};

/// The value of a key in a record; without it, it comes before all others.
#[derive(Debug, Clone, PartialEq)]
struct Value(Option<MetadataValue>);

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => compare(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        }
    }
}

/// Compares two values as servers do: first by their types, so that 1 comes before 0.5.
fn compare(left: &MetadataValue, right: &MetadataValue) -> Ordering {
    use MetadataValue::{Bool, Bools, Float, Floats, Int, Ints, String, Strings};

    match (left, right) {
        (Bool(left), Bool(right)) => left.cmp(right),
        (Int(left), Int(right)) => left.cmp(right),
        (Float(left), Float(right)) => left.total_cmp(right),
        (String(left), String(right)) => left.cmp(right),
        (Bools(left), Bools(right)) => left.cmp(right),
        (Ints(left), Ints(right)) => left.cmp(right),
        (Floats(left), Floats(right)) => {
            let pairs = left.iter().zip(right);
            let different = pairs.map(|(left, right)| left.total_cmp(right));
            let first = different.into_iter().find(|order| order.is_ne());
            first.unwrap_or(left.len().cmp(&right.len()))
        }
        (Strings(left), Strings(right)) => left.iter().cmp(right.iter()),
        (left, right) => type_order(left).cmp(&type_order(right)),
    }
}

fn type_order(value: &MetadataValue) -> u8 {
    match value {
        MetadataValue::Null => 0,
        MetadataValue::Bool(_) => 1,
        MetadataValue::Int(_) => 2,
        MetadataValue::TooLarge(_) => 3,
        MetadataValue::Float(_) => 4,
        MetadataValue::String(_) => 5,
        MetadataValue::SparseVector(_) => 6,
        MetadataValue::Bools(_) => 7,
        MetadataValue::Ints(_) => 8,
        MetadataValue::Floats(_) => 9,
        _ => 10,
    }
}

/// Keeps the best records of each group, in the order that they have.
pub(super) fn keep_best(
    collection: &Collection,
    group_by: &GroupBy,
    records: &mut Vec<Ranked>,
) -> Result<()> {
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let found = collection
        .showing_stamps()
        .get()
        .ids(ids)
        .include([Include::Metadatas])
        .run()?;
    let metadatas = found.metadatas.unwrap_or_default();
    let metadatas: HashMap<String, Metadata> = found.ids.into_iter().zip(metadatas).collect();
    // Others were deleted since.
    records.retain(|record| metadatas.contains_key(&record.id));
    let values = |record: &Ranked, keys: &[Key]| -> Vec<Value> {
        let value = |key: &Key| match metadatas.get(&record.id) {
            _ if *key == Key::score() => Some(MetadataValue::Float(f64::from(record.score))),
            Some(metadata) => metadata.get(key.name()).cloned(),
            None => None,
        };
        keys.iter().map(|key| Value(value(key))).collect()
    };
    // By group, and in each group in the order of the records.
    let mut grouped: Vec<(Vec<Value>, usize)> = records
        .iter()
        .enumerate()
        .map(|(index, record)| (values(record, &group_by.keys), index))
        .collect();
    grouped.sort();
    let mut is_kept = vec![false; records.len()];
    for group in grouped.chunk_by(|a, b| a.0 == b.0) {
        let mut group: Vec<usize> = group.iter().map(|(_, index)| *index).collect();
        let best = match &group_by.aggregate {
            Aggregate::Min(best) => {
                group.sort_by_cached_key(|index| values(&records[*index], &best.keys));
                best
            }
            Aggregate::Max(best) => {
                group.sort_by_cached_key(|index| Reverse(values(&records[*index], &best.keys)));
                best
            }
        };
        for index in group.into_iter().take(best.k) {
            is_kept[index] = true;
        }
    }
    let mut is_kept = is_kept.into_iter();
    records.retain(|_| is_kept.next() == Some(true));
    Ok(())
}
