//! Evaluates a search by comparing every record, from the JSON that a server with search would get.
//!
//! The rules are those of distributed Chroma, `rust/worker/src/execution/operators`: `rank.rs`,
//! `sparse_index_knn.rs`, `idf.rs`, `ranked_group_by.rs`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use chroma_blocking::record::SparseVector;
use chroma_blocking::{MetadataValue, Record};
use serde_json::Value;

/// A collection, in the order in which its records were added.
#[derive(Default)]
pub struct Oracle {
    records: Vec<Record>,
    /// The sparse vectors of the documents.
    words: Vec<SparseVector>,
}

/// The values of some keys in a record.
type Values = Vec<Option<MetadataValue>>;

/// The scores of the records that a `Knn` found.
struct Found {
    scores: BTreeMap<usize, f32>,
    default: Option<f32>,
}

fn words(text: &str) -> SparseVector {
    Bm25::default().embed_documents(&[text]).unwrap().remove(0)
}

impl Oracle {
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Adds a record, or updates it as a server does.
    pub fn upsert(&mut self, record: Record) {
        let same = self.records.iter().position(|old| old.id == record.id);
        let Some(index) = same else {
            let text = record.document.as_deref();
            self.words.push(text.map(words).unwrap_or_default());
            return self.records.push(record);
        };
        let old = &mut self.records[index];
        for (key, value) in &record.metadata {
            old.metadata.insert(key.to_owned(), value.clone());
        }
        if let Some(text) = &record.document {
            self.words[index] = words(text);
            old.document = record.document;
        }
        if record.embedding.is_some() {
            old.embedding = record.embedding;
        }
    }

    pub fn delete(&mut self, id: &str) {
        let index = self.records.iter().position(|old| old.id == id).unwrap();
        self.records.remove(index);
        self.words.remove(index);
    }

    /// Returns the ids and the scores of the hits.
    pub fn search(&self, search: &Value) -> Vec<(String, Option<f32>)> {
        let all = 0..self.records.len();
        let passing: Vec<usize> = all
            .filter(|index| search["filter"].is_null() || self.passes(&search["filter"], *index))
            .collect();
        let mut hits: Vec<(usize, Option<f32>)> = if search["rank"].is_null() {
            passing.into_iter().map(|index| (index, None)).collect()
        } else {
            let mut knns = Vec::new();
            self.find(&search["rank"], &passing, &mut knns);
            let mut found: Vec<usize> = knns
                .iter()
                .flat_map(|knn| knn.scores.keys().copied())
                .collect();
            found.sort_unstable();
            found.dedup();
            let score = |index: &usize| score(&search["rank"], *index, &mut knns.iter());
            let scored = found
                .iter()
                .filter_map(|index| Some((*index, score(index)?)));
            let mut scored: Vec<(usize, f32)> = scored.collect();
            sort(&mut scored);
            let scored = self.best_of_groups(&search["group_by"], scored);
            scored
                .into_iter()
                .map(|(index, score)| (index, Some(score)))
                .collect()
        };
        let offset = search["limit"]["offset"].as_u64().unwrap() as usize;
        hits.drain(..offset.min(hits.len()));
        if let Some(limit) = search["limit"]["limit"].as_u64() {
            hits.truncate(limit as usize);
        }
        hits.into_iter()
            .map(|(index, score)| (self.records[index].id.clone(), score))
            .collect()
    }

    /// Finds the records of each `Knn`, from left to right.
    fn find(&self, rank: &Value, passing: &[usize], knns: &mut Vec<Found>) {
        let (operator, operand) = only(rank);
        match operator {
            "$knn" => knns.push(self.knn(operand, passing)),
            "$val" => {}
            "$sub" | "$div" => {
                self.find(&operand["left"], passing, knns);
                self.find(&operand["right"], passing, knns);
            }
            "$abs" | "$exp" | "$log" => self.find(operand, passing, knns),
            _ => {
                for part in operand.as_array().unwrap() {
                    self.find(part, passing, knns);
                }
            }
        }
    }

    fn knn(&self, knn: &Value, passing: &[usize]) -> Found {
        let query = &knn["query"];
        let mut nearest: Vec<(usize, f32)> = if knn["key"] == "#embedding" {
            let query: Vec<f32> = serde_json::from_value(query.clone()).unwrap();
            passing
                .iter()
                .map(|index| (*index, self.distance(&query, *index)))
                .collect()
        } else {
            let query = match query.as_str() {
                Some(text) => words(text),
                None => serde_json::from_value(query.clone()).unwrap(),
            };
            self.by_words(&query, passing)
        };
        sort(&mut nearest);
        nearest.truncate(knn["limit"].as_u64().unwrap() as usize);
        let returns_rank = knn["return_rank"] == true;
        let scored = nearest
            .into_iter()
            .enumerate()
            .map(|(rank, (index, distance))| {
                (index, if returns_rank { rank as f32 } else { distance })
            });
        Found {
            scores: scored.collect(),
            default: knn["default"].as_f64().map(|value| value as f32),
        }
    }

    /// The squared Euclidean distance.
    fn distance(&self, query: &[f32], index: usize) -> f32 {
        let vector = self.records[index].embedding.as_ref().unwrap();
        vector
            .iter()
            .zip(query)
            .map(|(a, b)| (a - b) * (a - b))
            .sum()
    }

    fn by_words(&self, query: &SparseVector, passing: &[usize]) -> Vec<(usize, f32)> {
        let value = |index: usize, term: &u32| {
            let vector = &self.words[index];
            let at = vector.indices.iter().position(|other| other == term)?;
            Some(vector.values[at])
        };
        let all = self.records.len() as f32;
        let weights: Vec<(u32, f32)> = query
            .indices
            .iter()
            .zip(&query.values)
            .map(|(term, weight)| {
                let have = (0..self.words.len()).filter(|index| value(*index, term).is_some());
                let have = have.count() as f32;
                (*term, weight * ((all - have + 0.5) / (have + 0.5)).ln_1p())
            })
            .collect();
        let score = |index: &usize| {
            let products = weights
                .iter()
                .filter_map(|(term, weight)| Some(weight * value(*index, term)?));
            Some((*index, 1.0 - products.reduce(|sum, product| sum + product)?))
        };
        passing.iter().filter_map(score).collect()
    }

    fn best_of_groups(&self, group_by: &Value, hits: Vec<(usize, f32)>) -> Vec<(usize, f32)> {
        let Some(keys) = group_by["keys"].as_array() else {
            return hits;
        };
        let (aggregate, best) = only(&group_by["aggregate"]);
        let mut groups: Vec<(Values, Vec<(usize, f32)>)> = Vec::new();
        for hit in hits {
            let group = self.values(keys, hit);
            match groups.iter_mut().find(|(other, _)| *other == group) {
                Some((_, hits)) => hits.push(hit),
                None => groups.push((group, vec![hit])),
            }
        }
        let keys = best["keys"].as_array().unwrap();
        let k = best["k"].as_u64().unwrap() as usize;
        let mut kept = Vec::new();
        for (_, mut hits) in groups {
            hits.sort_by(|a, b| {
                let order = compare(&self.values(keys, *a), &self.values(keys, *b));
                if aggregate == "$max_k" {
                    order.reverse()
                } else {
                    order
                }
            });
            hits.truncate(k);
            kept.extend(hits);
        }
        sort(&mut kept);
        kept
    }

    fn values(&self, keys: &[Value], (index, score): (usize, f32)) -> Values {
        let value = |key: &Value| match key.as_str().unwrap() {
            "#score" => Some(MetadataValue::Float(f64::from(score))),
            key => self.records[index].metadata.get(key).cloned(),
        };
        keys.iter().map(value).collect()
    }

    fn passes(&self, filter: &Value, index: usize) -> bool {
        let record = &self.records[index];
        let (key, condition) = only(filter);
        let mut parts = condition.as_array().into_iter().flatten();
        match key {
            "$and" => return parts.all(|part| self.passes(part, index)),
            "$or" => return parts.any(|part| self.passes(part, index)),
            _ => {}
        }
        let (operator, operand) = only(condition);
        let value = match key {
            "#id" => Value::from(record.id.as_str()),
            "#document" => {
                let has = record
                    .document
                    .as_ref()
                    .is_some_and(|text| text.contains(operand.as_str().unwrap()));
                return has == (operator == "$contains");
            }
            _ => serde_json::to_value(record.metadata.get(key)).unwrap(),
        };
        let order = value
            .as_f64()
            .zip(operand.as_f64())
            .map(|(a, b)| a.total_cmp(&b));
        match operator {
            "$eq" => value == *operand,
            "$ne" => value != *operand,
            "$in" => operand.as_array().unwrap().contains(&value),
            "$nin" => !operand.as_array().unwrap().contains(&value),
            "$gte" => order.is_some_and(Ordering::is_ge),
            "$lt" => order.is_some_and(Ordering::is_lt),
            other => panic!("{other}"),
        }
    }
}

/// Returns the score of a record, or `None` if a `Knn` without a default has not found it.
fn score<'a>(
    rank: &Value,
    index: usize,
    knns: &mut impl Iterator<Item = &'a Found>,
) -> Option<f32> {
    let (operator, operand) = only(rank);
    let mut of = |rank: &Value| score_dyn(rank, index, knns);
    match operator {
        "$val" => Some(operand.as_f64().unwrap() as f32),
        "$knn" => {
            let knn = knns.next().unwrap();
            knn.scores.get(&index).copied().or(knn.default)
        }
        "$abs" => of(operand).map(f32::abs),
        "$exp" => of(operand).map(f32::exp),
        "$log" => of(operand).map(f32::ln),
        "$sub" | "$div" => {
            let (left, right) = (of(&operand["left"]), of(&operand["right"]));
            let (left, right) = (left?, right?);
            Some(if operator == "$sub" {
                left - right
            } else {
                left / right
            })
        }
        _ => {
            let parts: Vec<Option<f32>> = operand.as_array().unwrap().iter().map(of).collect();
            let start = match operator {
                "$sum" => 0.0,
                "$mul" => 1.0,
                "$min" => f32::MAX,
                "$max" => f32::MIN,
                other => panic!("{other}"),
            };
            parts.into_iter().try_fold(start, |all: f32, part| {
                let part = part?;
                Some(match operator {
                    "$sum" => all + part,
                    "$mul" => all * part,
                    "$min" => all.min(part),
                    _ => all.max(part),
                })
            })
        }
    }
}

/// The recursion of [`score`], of one type.
fn score_dyn(
    rank: &Value,
    index: usize,
    mut knns: &mut dyn Iterator<Item = &Found>,
) -> Option<f32> {
    score(rank, index, &mut knns)
}

/// Returns the only member of an object.
fn only(object: &Value) -> (&str, &Value) {
    let map = object.as_object().unwrap();
    assert_eq!(map.len(), 1, "{object}");
    let (key, value) = map.iter().next().unwrap();
    (key, value)
}

/// Sorts by score, and records with equal scores by the order in which they were added.
fn sort(hits: &mut [(usize, f32)]) {
    hits.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
}

/// A missing value comes first, then integers, floats and texts.
fn compare(left: &[Option<MetadataValue>], right: &[Option<MetadataValue>]) -> Ordering {
    let order = |value: &Option<MetadataValue>| match value {
        None => 0,
        Some(MetadataValue::Int(_)) => 1,
        Some(MetadataValue::Float(_)) => 2,
        Some(MetadataValue::String(_)) => 3,
        other => panic!("{other:?}"),
    };
    let pairs = left.iter().zip(right).map(|(left, right)| {
        order(left)
            .cmp(&order(right))
            .then_with(|| match (left, right) {
                (Some(MetadataValue::Int(left)), Some(MetadataValue::Int(right))) => {
                    left.cmp(right)
                }
                (Some(MetadataValue::Float(left)), Some(MetadataValue::Float(right))) => {
                    left.total_cmp(right)
                }
                (Some(MetadataValue::String(left)), Some(MetadataValue::String(right))) => {
                    left.cmp(right)
                }
                _ => Ordering::Equal,
            })
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}
