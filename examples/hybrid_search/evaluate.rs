//! What the stand-in does with a search: filter, rank, groups, page, and what to bring.
//!
//! The rules are those of distributed Chroma's source (`rust/worker/src/execution/operators`, the files `rank.rs`,
//! `sparse_index_knn.rs`, `idf.rs` and `ranked_group_by.rs`). Its indexes may miss a neighbour; here every record is
//! compared.

use std::collections::{BTreeMap, BTreeSet};

use chroma_blocking::{MetadataValue, record::SparseVector};
use serde::Deserialize;
use serde_json::{Value, json};

use super::stand_in::{Collection, Record, Refusal, ascends, bad, unknown};

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
    /// A list for each column that was selected.
    pub fn run(mut self, collection: &Collection) -> Result<Value, Refusal> {
        let records = &collection.records;
        let mut among = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let filter = self.filter.as_ref();
            if filter.map_or(Ok(true), |filter| passes(filter, record))? {
                among.push(index);
            }
        }
        let mut found = BTreeSet::new();
        self.rank.look(collection, &among, &mut found)?;
        let scored = found
            .into_iter()
            .filter_map(|index| Some((index, self.rank.score(index)?)));
        let mut hits = sorted(scored.collect());
        let GroupBy { keys, aggregate } = &self.group_by;
        match aggregate {
            None if keys.is_empty() => {}
            Some(Aggregate::Smallest { keys: by, k }) if *by == ["#score"] && !keys.is_empty() => {
                let mut kept = BTreeMap::<String, usize>::new();
                hits.retain(|(index, _)| {
                    let group = keys.iter().map(|key| records[*index].metadata.get(key));
                    let group = format!("{:?}", group.collect::<Vec<_>>());
                    let count = kept.entry(group).or_default();
                    *count += 1;
                    *count <= *k
                });
            }
            _ => return Err(unknown("such groups")),
        }
        let page = hits.into_iter().skip(self.limit.offset);
        let page: Vec<_> = page.take(self.limit.limit).collect();
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
                    return Err(unknown(&format!("how to select {special}")));
                }
                _ => answer["metadatas"] = each(&|record, _| self.fields(record)),
            }
        }
        Ok(answer)
    }

    /// The metadata fields that were selected.
    fn fields(&self, record: &Record) -> Value {
        let fields = record.metadata.iter();
        let fields = fields.filter(|(key, _)| self.select.keys.iter().any(|other| other == key));
        fields.map(|(key, value)| (key, json!(value))).collect()
    }
}

/// The smallest first; of equals, that which came first.
fn sorted(mut records: Vec<(usize, f32)>) -> Vec<(usize, f32)> {
    records.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    records
}

impl Rank {
    /// Finds the nearest records of each `Knn`.
    fn look(
        &mut self,
        on: &Collection,
        among: &[usize],
        found: &mut BTreeSet<usize>,
    ) -> Result<(), Refusal> {
        match self {
            Rank::Number(_) => Ok(()),
            Rank::Knn(knn) => {
                knn.look(on, among)?;
                found.extend(knn.nearest.keys());
                Ok(())
            }
            Rank::Sum(ranks) | Rank::Product(ranks) => ranks
                .iter_mut()
                .try_for_each(|rank| rank.look(on, among, found)),
            Rank::Quotient { left, right } => {
                left.look(on, among, found)?;
                right.look(on, among, found)
            }
        }
    }

    /// None where a `Knn` has not found the record and has no value for such records.
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
    fn look(&mut self, on: &Collection, among: &[usize]) -> Result<(), Refusal> {
        let distances = match &self.query {
            Query::Dense(query) if self.key == "#embedding" => dense(query, on, among)?,
            Query::Sparse(query) => sparse(query, &self.key, on, among)?,
            Query::Dense(_) => return Err(bad("dense vectors are under #embedding")),
        };
        let nearest = sorted(distances).into_iter().take(self.limit).enumerate();
        let value = |(place, (record, distance))| match self.return_rank {
            true => (record, place as f32),
            false => (record, distance),
        };
        self.nearest = nearest.map(value).collect();
        Ok(())
    }
}

/// 1 minus the cosine of the angle.
fn dense(query: &[f32], on: &Collection, among: &[usize]) -> Result<Vec<(usize, f32)>, Refusal> {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let distance = |index: &usize| {
        let own = &on.records[*index].embedding;
        let lengths = product(own, own).sqrt() * product(query, query).sqrt();
        match own.len() == query.len() {
            true => Ok((*index, 1.0 - product(own, query) / lengths)),
            false => Err(bad("a query of another dimension")),
        }
    };
    among.iter().map(distance).collect()
}

/// 1 minus the inner product, of records that share a place with the query. Where the schema says `bm25`, a place of the
/// query counts the more, the fewer of all records have it.
fn sparse(
    query: &SparseVector,
    key: &str,
    on: &Collection,
    among: &[usize],
) -> Result<Vec<(usize, f32)>, Refusal> {
    let index = &on.schema["keys"][key]["sparse_vector"]["sparse_vector_index"];
    if index["enabled"] != true {
        return Err(bad(format!("{key:?} has no sparse vector index")));
    }
    ascends(query)?;
    let value = |record: &Record, place: &u32| match record.metadata.get(key) {
        Some(MetadataValue::SparseVector(own)) => own
            .indices
            .binary_search(place)
            .ok()
            .map(|at| own.values[at]),
        _ => None,
    };
    let all = on.records.len() as f32;
    let weight = |(place, weight): (&u32, &f32)| {
        let have = on.records.iter();
        let have = have.filter(|record| value(record, place).is_some()).count() as f32;
        let rarity = match index["config"]["bm25"] == true {
            true => ((all - have + 0.5) / (have + 0.5)).ln_1p(),
            false => 1.0,
        };
        (*place, weight * rarity)
    };
    let query = query.indices.iter().zip(&query.values);
    let query: Vec<_> = query.map(weight).collect();
    let distance = |index: &usize| {
        let record = &on.records[*index];
        let shared = query
            .iter()
            .filter_map(|(place, weight)| Some(value(record, place)? * weight));
        let product = shared.reduce(|sum, product| sum + product)?;
        Some((*index, 1.0 - product))
    };
    Ok(among.iter().filter_map(distance).collect())
}

/// Whether a record passes a filter: one test of a metadata field, or several, all of which it must pass.
fn passes(filter: &Value, record: &Record) -> Result<bool, Refusal> {
    let only = |value: &Value| match value.as_object() {
        Some(map) if map.len() == 1 => Ok(map.clone().into_iter().next()),
        _ => Err(bad("Invalid where clause")),
    };
    let (key, value) = only(filter)?.unwrap_or_default();
    if key == "$and" {
        let mut parts = value.as_array().into_iter().flatten();
        return parts.try_fold(true, |all, part| Ok(all & passes(part, record)?));
    }
    if key.starts_with(['#', '$']) {
        return Err(unknown(&format!("filters with {key}")));
    }
    let (operator, operand) = only(&value)?.unwrap_or_default();
    let own = record.metadata.get(&key);
    match operator.as_str() {
        "$ne" => Ok(own.map(|own| json!(own)) != Some(operand)),
        "$gte" => {
            let least = operand.as_f64().ok_or_else(|| bad("no number"))?;
            let own = own.and_then(MetadataValue::as_float);
            Ok(own.is_some_and(|own| own >= least))
        }
        _ => Err(unknown(&format!("filters with {operator}"))),
    }
}
