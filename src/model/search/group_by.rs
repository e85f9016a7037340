//! [`GroupBy`]: limits the hits of each group.

use serde::Serialize;

use super::check::check_count;
use crate::model::filter::Key;

/// Groups the hits of a search by metadata fields, and keeps only some hits of each group.
///
/// Records with the same values in all of the fields are one group. Records without one of the fields are
/// grouped together. The remaining hits are returned in one list, by score.
///
/// ```
/// use chroma_blocking::{Key, Search};
/// use chroma_blocking::search::{GroupBy, Knn};
///
/// let by_author = GroupBy::new(["author"])
///     .min_k(3, [Key::score(), Key::field("year")]);
/// let search = Search::new()
///     .rank(Knn::text("memory safety").limit(100))
///     .group_by(by_author)
///     .limit(20);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "groups do nothing until they are given to a search"]
pub struct GroupBy {
    pub(crate) keys: Vec<Key>,
    pub(crate) aggregate: Aggregate,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) enum Aggregate {
    #[serde(rename = "$min_k")]
    Min(Best),
    #[serde(rename = "$max_k")]
    Max(Best),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Best {
    pub(crate) keys: Vec<Key>,
    pub(crate) k: usize,
}

impl Best {
    fn new<K: Into<Key>>(k: usize, keys: impl IntoIterator<Item = K>) -> Best {
        Best {
            keys: keys.into_iter().map(Into::into).collect(),
            k,
        }
    }
}

impl GroupBy {
    /// Groups by these metadata fields, at least one. Default: keeps the best hit of each group, which has
    /// the smallest score.
    pub fn new<K: Into<Key>>(keys: impl IntoIterator<Item = K>) -> GroupBy {
        GroupBy {
            keys: keys.into_iter().map(Into::into).collect(),
            aggregate: Aggregate::Min(Best::new(1, [Key::score()])),
        }
    }

    /// Keeps the `k` hits of each group with the smallest values of the first key. Equal values are ordered
    /// by the second key, and so on. Keys are [`Key::score`] and metadata fields. `k` must be at least 1.
    pub fn min_k<K: Into<Key>>(mut self, k: usize, keys: impl IntoIterator<Item = K>) -> GroupBy {
        self.aggregate = Aggregate::Min(Best::new(k, keys));
        self
    }

    /// Does the same as [`min_k`](GroupBy::min_k) with the largest values.
    pub fn max_k<K: Into<Key>>(mut self, k: usize, keys: impl IntoIterator<Item = K>) -> GroupBy {
        self.aggregate = Aggregate::Max(Best::new(k, keys));
        self
    }

    /// Does this part of [`Search::check`](super::Search::check). Returns what is wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.keys.is_empty() {
            return Err("group_by has no keys; pass at least one".into());
        }
        if let Some(key) = self.keys.iter().find(|key| !key.is_field()) {
            let key = key.name();
            return Err(format!(
                "group_by {key:?}: only metadata fields can be grouped by"
            ));
        }
        let (name, best) = match &self.aggregate {
            Aggregate::Min(best) => ("min_k", best),
            Aggregate::Max(best) => ("max_k", best),
        };
        if best.keys.is_empty() {
            return Err(format!("{name} has no keys; pass at least one"));
        }
        let fits = |key: &&Key| key.is_field() || **key == Key::score();
        if let Some(key) = best.keys.iter().find(|key| !fits(key)) {
            return Err(format!(
                "{name} by {:?}: its keys must be #score or metadata fields",
                key.name()
            ));
        }
        check_count(&format!("{name} with k"), best.k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_keeps_its_best_hit_by_default() {
        let json = |group_by: GroupBy| serde_json::to_string(&group_by).unwrap();
        assert_eq!(
            json(GroupBy::new(["a", "b"])),
            r##"{"keys":["a","b"],"aggregate":{"$min_k":{"keys":["#score"],"k":1}}}"##
        );
        assert_eq!(
            json(GroupBy::new([Key::field("a")]).max_k(2, ["year"])),
            r#"{"keys":["a"],"aggregate":{"$max_k":{"keys":["year"],"k":2}}}"#
        );
    }
}
