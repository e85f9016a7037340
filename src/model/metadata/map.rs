//! [`Metadata`]: a map from keys to values, ordered by key.

use std::fmt;
use std::sync::Arc;

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
/// assert_eq!(tags.unwrap_or_default(), ["language", "systems"]);
/// ```
///
/// To make metadata of thousands of pairs, use `collect`. Each [`insert`](Metadata::insert) moves all greater
/// keys, so thousands of them are slow.
#[derive(Clone, Default, PartialEq)]
pub struct Metadata(Vec<Entry>);

/// A key and its value. The records of a response share their keys.
pub(crate) type Entry = (Arc<str>, MetadataValue);

/// The metadata of a record that has none.
pub(crate) static NO_METADATA: Metadata = Metadata::new();

impl Metadata {
    /// Creates metadata without any values.
    pub const fn new() -> Metadata {
        Metadata(Vec::new())
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
        let (key, value) = (key.into(), value.into());
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key.into(), value));
                None
            }
        }
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        let at = self.find(key).ok()?;
        Some(&self.0[at].1)
    }

    /// Removes a key from this map, and returns its value. A record on the server keeps the key. To remove it
    /// there, write [`MetadataValue::Null`].
    pub fn remove(&mut self, key: &str) -> Option<MetadataValue> {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
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
        let entry = |(key, of): (&str, &MetadataValue)| json_len(key) + value(of) + SCALAR;
        self.iter().map(entry).sum()
    }

    /// Makes metadata of entries in any order. Of entries with the same key, the last one counts.
    pub(crate) fn of(mut entries: Vec<Entry>) -> Metadata {
        sort(&mut entries);
        entries.shrink_to_fit();
        Metadata(entries)
    }

    /// Makes metadata of entries in any order.
    ///
    /// # Errors
    /// Returns a key that occurs twice.
    pub(crate) fn of_different_keys(mut entries: Vec<Entry>) -> Result<Metadata, Arc<str>> {
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        match entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Metadata(entries)),
        }
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(key))
    }
}

/// Sorts entries by key. Of entries with the same key, keeps the last one.
fn sort(entries: &mut Vec<Entry>) {
    if entries.is_sorted_by(|(one, _), (other, _)| one < other) {
        return;
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
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
        let pairs = pairs.into_iter();
        self.0
            .extend(pairs.map(|(key, value)| (key.into().into(), value.into())));
        sort(&mut self.0);
    }
}

impl IntoIterator for Metadata {
    type Item = (String, MetadataValue);
    type IntoIter = std::iter::Map<std::vec::IntoIter<Entry>, fn(Entry) -> (String, MetadataValue)>;

    fn into_iter(self) -> Self::IntoIter {
        let owned: fn(Entry) -> _ = |(key, value)| (String::from(&*key), value);
        self.0.into_iter().map(owned)
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
pub struct MetadataIter<'a>(std::slice::Iter<'a, Entry>);

impl<'a> Iterator for MetadataIter<'a> {
    type Item = (&'a str, &'a MetadataValue);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (&**key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MetadataIter<'_> {}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metadata(")?;
        f.debug_map().entries(self).finish()?;
        f.write_str(")")
    }
}

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

    #[test]
    fn keys_are_ordered_and_the_last_value_of_a_key_counts() {
        let pairs = [("b", 1), ("a", 2), ("c", 3), ("a", 4), ("b", 5), ("a", 6)];
        let mut inserted = Metadata::new();
        let before: Vec<_> = pairs.map(|(key, value)| inserted.insert(key, value)).into();
        assert_eq!(before[3], Some(MetadataValue::Int(2)));
        let expected = r#"Metadata({"a": Int(6), "b": Int(5), "c": Int(3)})"#;
        assert_eq!(format!("{inserted:?}"), expected);
        assert_eq!(Metadata::from(pairs), inserted);
        let mut extended = Metadata::from([("a", 9)]);
        extended.extend(pairs);
        assert_eq!(extended, inserted);
        assert_eq!(extended.remove("b"), Some(MetadataValue::Int(5)));
        assert_eq!((extended.remove("b"), extended.len()), (None, 2));
        assert_eq!(extended.get("c"), Some(&MetadataValue::Int(3)));

        let pairs = |keys: [&str; 3]| keys.map(|key| (key.into(), 1.into())).to_vec();
        assert!(Metadata::of_different_keys(pairs(["b", "a", "c"])).is_ok());
        let repeated = Metadata::of_different_keys(pairs(["b", "a", "b"]));
        assert_eq!(&*repeated.unwrap_err(), "b");
    }

    #[test]
    fn secure_04_many_keys_in_any_order_are_not_quadratic() {
        // Moving all greater keys for each key would take minutes.
        let count = 300_000_u32;
        let key = |index: u32| format!("{:08x}", (count - index).wrapping_mul(0x9e37_79b1));
        let metadata: Metadata = (0..count).map(|index| (key(index), 0)).collect();
        assert_eq!(metadata.len(), count as usize);
    }
}
