//! Executes a search in the stand-in: filter, rank, groups, page and selection.
//!
//! The rules are from the source of distributed Chroma (`rust/worker/src/execution/operators`, the files
//! `rank.rs`, `sparse_index_knn.rs`, `idf.rs` and `ranked_group_by.rs`). Chroma's indexes may miss a
//! neighbour; the stand-in compares every record.

use std::collections::{BTreeMap, BTreeSet};

use chroma_blocking::{MetadataValue, record::SparseVector};
use serde::Deserialize;
use serde_json::{Value, json};

use super::stand_in::{Collection, Record, Refusal, bad, unsupported, validate};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    filter: Option<Value>,
    rank: Rank,
    group_by: GroupBy,
    limit: Page,
    select: Select,
}

#[derive(Deserialize)]
enum Rank {
    #[serde(rename = "$val")]
    Number(f32),
    #[serde(rename = "$knn")]
    Knn(Knn),
    #[serde(rename = "$sum")]
    Sum(Vec<Rank>),
    #[serde(rename = "$mul")]
    Product(Vec<Rank>),
    #[serde(rename = "$div")]
    Quotient { left: Box<Rank>, right: Box<Rank> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Knn {
    query: Query,
    key: String,
    limit: usize,
    default: Option<f32>,
    #[serde(default)]
    return_rank: bool,
    /// The values of the nearest records.
    #[serde(skip)]
    nearest: BTreeMap<usize, f32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Query {
    Dense(Vec<f32>),
    Sparse(SparseVector),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupBy {
    #[serde(default)]
    keys: Vec<String>,
    aggregate: Option<Aggregate>,
}

#[derive(Deserialize)]
enum Aggregate {
    #[serde(rename = "$min_k")]
    Smallest { keys: Vec<String>, k: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    offset: usize,
    limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Select {
    keys: Vec<String>,
}

impl Search {
    /// Returns a list for each selected column.
    pub fn run(mut self, collection: &Collection) -> Result<Value, Refusal> {
        let records = &collection.records;
        let mut candidates = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let filter = self.filter.as_ref();
            if filter.map_or(Ok(true), |filter| matches(filter, record))? {
                candidates.push(index);
            }
        }
        let mut found = BTreeSet::new();
        self.rank.find(collection, &candidates, &mut found)?;
        let scored = found
            .into_iter()
            .filter_map(|index| Some((index, self.rank.score(index)?)));
        let mut hits = sorted(scored.collect());
        self.group_by.retain(&mut hits, records)?;
        let page = hits.into_iter().skip(self.limit.offset);
        let page: Vec<_> = page.take(self.limit.limit).collect();
        self.answer(&page, records)
    }

    fn answer(&self, page: &[(usize, f32)], records: &[Record]) -> Result<Value, Refusal> {
        let each = |value: &dyn Fn(&Record, f32) -> Value| -> Value {
            let hits = page.iter();
            hits.map(|(index, score)| value(&records[*index], *score))
                .collect()
        };
        let ids = each(&|record, _| json!(record.id));
        let mut answer = json!({ "ids": ids, "select": self.select.keys });
        for key in &self.select.keys {
            match key.as_str() {
                "#score" => answer["scores"] = each(&|_, score| json!(score)),
                special if special.starts_with('#') => {
                    return Err(unsupported(&format!("the selection of {special}")));
                }
                _ => answer["metadatas"] = each(&|record, _| self.fields(record)),
            }
        }
        Ok(answer)
    }

    /// Returns the selected metadata fields.
    fn fields(&self, record: &Record) -> Value {
        let fields = record.metadata.iter();
        let fields = fields.filter(|(key, _)| self.select.keys.iter().any(|other| other == key));
        fields.map(|(key, value)| (key, json!(value))).collect()
    }
}

impl GroupBy {
    /// Keeps the best `k` hits of each group.
    fn retain(&self, hits: &mut Vec<(usize, f32)>, records: &[Record]) -> Result<(), Refusal> {
        match &self.aggregate {
            None if self.keys.is_empty() => Ok(()),
            Some(Aggregate::Smallest { keys, k })
                if *keys == ["#score"] && !self.keys.is_empty() =>
            {
                let mut counts = BTreeMap::<String, usize>::new();
                hits.retain(|(index, _)| {
                    let metadata = &records[*index].metadata;
                    let group: Vec<_> = self.keys.iter().map(|key| metadata.get(key)).collect();
                    let count = counts.entry(format!("{group:?}")).or_default();
                    *count += 1;
                    *count <= *k
                });
                Ok(())
            }
            _ => Err(unsupported("such groups")),
        }
    }
}

/// Sorts by score, and records with equal scores by the order of arrival.
fn sorted(mut records: Vec<(usize, f32)>) -> Vec<(usize, f32)> {
    records.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    records
}

impl Rank {
    /// Finds the nearest records of each `Knn`.
    fn find(
        &mut self,
        collection: &Collection,
        candidates: &[usize],
        found: &mut BTreeSet<usize>,
    ) -> Result<(), Refusal> {
        match self {
            Rank::Number(_) => Ok(()),
            Rank::Knn(knn) => {
                knn.find(collection, candidates)?;
                found.extend(knn.nearest.keys());
                Ok(())
            }
            Rank::Sum(ranks) | Rank::Product(ranks) => ranks
                .iter_mut()
                .try_for_each(|rank| rank.find(collection, candidates, found)),
            Rank::Quotient { left, right } => {
                left.find(collection, candidates, found)?;
                right.find(collection, candidates, found)
            }
        }
    }

    /// Returns the score of a record, or `None` if a `Knn` without a default did not find the record.
    fn score(&self, record: usize) -> Option<f32> {
        match self {
            Rank::Number(number) => Some(*number),
            Rank::Knn(knn) => knn.nearest.get(&record).copied().or(knn.default),
            Rank::Sum(ranks) => ranks.iter().map(|rank| rank.score(record)).sum(),
            Rank::Product(ranks) => ranks.iter().map(|rank| rank.score(record)).product(),
            Rank::Quotient { left, right } => Some(left.score(record)? / right.score(record)?),
        }
    }
}

impl Knn {
    fn find(&mut self, collection: &Collection, candidates: &[usize]) -> Result<(), Refusal> {
        let records = &collection.records;
        let distances = match &self.query {
            Query::Dense(query) if self.key == "#embedding" => dense(query, records, candidates)?,
            Query::Dense(_) => return Err(bad("a dense query needs the key #embedding")),
            Query::Sparse(query) => {
                let index = &collection.schema["keys"][&self.key]["sparse_vector"];
                let index = &index["sparse_vector_index"];
                if index["enabled"] != true {
                    return Err(bad(format!("{:?} has no sparse vector index", self.key)));
                }
                validate(query)?;
                let is_bm25 = index["config"]["bm25"] == true;
                let sparse = SparseKnn::new(query, &self.key, records, is_bm25);
                sparse.distances(candidates)
            }
        };
        let nearest = sorted(distances).into_iter().take(self.limit).enumerate();
        let value = |(rank, (record, distance))| {
            let value = if self.return_rank {
                rank as f32
            } else {
                distance
            };
            (record, value)
        };
        self.nearest = nearest.map(value).collect();
        Ok(())
    }
}

/// Returns the cosine distances: 1 minus the cosine of the angle.
fn dense(
    query: &[f32],
    records: &[Record],
    candidates: &[usize],
) -> Result<Vec<(usize, f32)>, Refusal> {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let distance = |index: &usize| {
        let embedding = &records[*index].embedding;
        if embedding.len() != query.len() {
            return Err(bad("a query of another dimension"));
        }
        let lengths = product(embedding, embedding).sqrt() * product(query, query).sqrt();
        Ok((*index, 1.0 - product(embedding, query) / lengths))
    };
    candidates.iter().map(distance).collect()
}

/// A query by a sparse vector in the metadata field `key`.
struct SparseKnn<'a> {
    key: &'a str,
    records: &'a [Record],
    /// The indices of the query, and their weights.
    weights: Vec<(u32, f32)>,
}

impl<'a> SparseKnn<'a> {
    /// With `is_bm25`, an index weighs more if fewer records have it.
    fn new(
        query: &SparseVector,
        key: &'a str,
        records: &'a [Record],
        is_bm25: bool,
    ) -> SparseKnn<'a> {
        let mut knn = SparseKnn {
            key,
            records,
            weights: Vec::new(),
        };
        let total = records.len() as f32;
        for (index, value) in query.indices.iter().zip(&query.values) {
            let with_index = records.iter();
            let with_index = with_index.filter(|record| knn.value(record, *index).is_some());
            let count = with_index.count() as f32;
            let rarity = if is_bm25 {
                ((total - count + 0.5) / (count + 0.5)).ln_1p()
            } else {
                1.0
            };
            knn.weights.push((*index, value * rarity));
        }
        knn
    }

    /// Returns the value of a record's sparse vector at an index.
    fn value(&self, record: &Record, index: u32) -> Option<f32> {
        let Some(MetadataValue::SparseVector(vector)) = record.metadata.get(self.key) else {
            return None;
        };
        let position = vector.indices.binary_search(&index).ok()?;
        Some(vector.values[position])
    }

    /// Returns 1 minus the inner product, for records that share an index with the query.
    fn distances(&self, candidates: &[usize]) -> Vec<(usize, f32)> {
        let distance = |candidate: &usize| {
            let record = &self.records[*candidate];
            let weights = self.weights.iter();
            let shared =
                weights.filter_map(|(index, weight)| Some(self.value(record, *index)? * weight));
            let product = shared.reduce(|sum, product| sum + product)?;
            Some((*candidate, 1.0 - product))
        };
        candidates.iter().filter_map(distance).collect()
    }
}

/// Returns whether a record matches a filter: a condition on a metadata field, or several joined by `$and`.
fn matches(filter: &Value, record: &Record) -> Result<bool, Refusal> {
    let only = |value: &Value| match value.as_object() {
        Some(map) if map.len() == 1 => Ok(map.clone().into_iter().next()),
        _ => Err(bad("Invalid where clause")),
    };
    let (key, value) = only(filter)?.unwrap_or_default();
    if key == "$and" {
        let mut parts = value.as_array().into_iter().flatten();
        return parts.try_fold(true, |all, part| Ok(all & matches(part, record)?));
    }
    if key.starts_with(['#', '$']) {
        return Err(unsupported(&format!("filters with {key}")));
    }
    let (operator, operand) = only(&value)?.unwrap_or_default();
    let value = record.metadata.get(&key);
    match operator.as_str() {
        "$ne" => Ok(value.map(|value| json!(value)) != Some(operand)),
        "$gte" => {
            let min = operand.as_f64().ok_or_else(|| bad("$gte needs a number"))?;
            let value = value.and_then(MetadataValue::as_float);
            Ok(value.is_some_and(|value| value >= min))
        }
        _ => Err(unsupported(&format!("filters with {operator}"))),
    }
}
