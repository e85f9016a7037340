//! [`Metadata`]: a map from keys to values, ordered by key.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use super::value::MetadataValue;
use crate::model::json_len::json_len;
use crate::printable::OneLine;

/// Named values of a record or a collection, ordered by key.
///
/// A key must not be empty and must not start with `#` or `$`. A record's keys must not start with `chroma:`
/// either, which the server reserves. To convert structs, see [`from_struct`](Metadata::from_struct) and
/// [`to_struct`](Metadata::to_struct).
///
/// ```
/// use chroma_blocking::{Metadata, MetadataValue};
///
/// let metadata = Metadata::from([("year", 2015)])
///     .with("tags", ["language", "systems"]);
/// let year = metadata.get("year").and_then(MetadataValue::as_int);
/// assert_eq!(year, Some(2015));
/// let tags = metadata.get("tags").and_then(MetadataValue::as_strings);
/// assert_eq!(tags.map(<[_]>::len), Some(2));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(pub(super) BTreeMap<String, MetadataValue>);

/// The metadata of a record that has none.
pub(crate) static NO_METADATA: Metadata = Metadata::new();

impl Metadata {
    /// Creates metadata without any values.
    pub const fn new() -> Metadata {
        Metadata(BTreeMap::new())
    }

    /// Sets a value, and replaces the value that the key had.
    #[must_use = "returns the changed metadata"]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<MetadataValue>) -> Metadata {
        self.insert(key, value);
        self
    }

    /// Sets a value, and returns the value that the key had.
    pub fn insert(
        &mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> Option<MetadataValue> {
        self.0.insert(key.into(), value.into())
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        self.0.get(key)
    }

    /// Removes a key from this map, and returns its value. A record on the server keeps the key. To remove it
    /// there, write [`MetadataValue::Null`].
    pub fn remove(&mut self, key: &str) -> Option<MetadataValue> {
        self.0.remove(key)
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over keys and values, ordered by key.
    pub fn iter(&self) -> MetadataIter<'_> {
        MetadataIter(self.0.iter())
    }

    /// Returns about how many bytes the metadata takes in JSON. The estimate is hardly ever too small.
    pub(crate) fn json_len(&self) -> usize {
        /// The most bytes of a number or a boolean, with quotes, colon and comma.
        const SCALAR: usize = 26;
        let value = |value: &MetadataValue| match value {
            MetadataValue::String(text) => json_len(text),
            MetadataValue::Strings(texts) => texts.iter().map(|text| json_len(text) + 1).sum(),
            MetadataValue::Bools(list) => list.len() * 6,
            MetadataValue::Ints(list) => list.len() * SCALAR,
            MetadataValue::Floats(list) => list.len() * SCALAR,
            MetadataValue::SparseVector(vector) => 64 + vector.values.len() * SCALAR,
            _ => 0,
        };
        let entry = |(key, of): (&String, &MetadataValue)| json_len(key) + value(of) + SCALAR;
        self.0.iter().map(entry).sum()
    }
}

impl<K: Into<String>, V: Into<MetadataValue>, const N: usize> From<[(K, V); N]> for Metadata {
    fn from(pairs: [(K, V); N]) -> Metadata {
        pairs.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<MetadataValue>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.extend(pairs);
        metadata
    }
}

impl<K: Into<String>, V: Into<MetadataValue>> Extend<(K, V)> for Metadata {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        self.0
            .extend(pairs.into_iter().map(|(k, v)| (k.into(), v.into())));
    }
}

impl IntoIterator for Metadata {
    type Item = (String, MetadataValue);
    type IntoIter = btree_map::IntoIter<String, MetadataValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Metadata {
    type Item = (&'a str, &'a MetadataValue);
    type IntoIter = MetadataIter<'a>;

    fn into_iter(self) -> MetadataIter<'a> {
        self.iter()
    }
}

/// An iterator over the keys and values of [`Metadata`], ordered by key.
#[derive(Debug, Clone)]
pub struct MetadataIter<'a>(btree_map::Iter<'a, String, MetadataValue>);

impl<'a> Iterator for MetadataIter<'a> {
    type Item = (&'a str, &'a MetadataValue);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MetadataIter<'_> {}

/// Prints the metadata in readable form and in one line, ordered by key: `open: true, tags: ["late"]`. Line
/// breaks and other unprintable characters are escaped.
impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}: {value}", OneLine(key))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn display_lists_the_values_by_key() {
        let metadata = Metadata::from([("tags", ["late"])])
            .with("open", true)
            .with("by", "Ada")
            .with("none", MetadataValue::Null);
        assert_eq!(
            metadata.to_string(),
            r#"by: Ada, none: null, open: true, tags: ["late"]"#
        );
        assert_eq!(Metadata::new().to_string(), "");
    }

    #[test]
    fn maps_and_metadata_are_taken_owned_and_by_reference() {
        let expected = Metadata::from([("a", 1), ("b", 2)]);
        let hash = HashMap::from([("a".to_owned(), 1_i64), ("b".to_owned(), 2)]);
        let tree = BTreeMap::from([("a", 1), ("b", 2)]);
        let collected: [Metadata; 6] = [
            expected.iter().collect(),
            (&expected).into_iter().collect(),
            expected.clone().into_iter().collect(),
            hash.iter().collect(),
            hash.into_iter().collect(),
            tree.iter().map(|(key, value)| (*key, value)).collect(),
        ];
        for metadata in collected {
            assert_eq!(metadata, expected);
        }
        assert_eq!(expected.iter().len(), 2);
    }
}
