//! [`Metadata`]: named values beside a record or a collection.

mod check;
mod typed;

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::json_len::json_len;

/// Named values beside a record or a collection, ordered by key.
///
/// Keys are not empty, do not start with `#` or `$`, and those of records do not start with `chroma:`, which is the
/// server's own. With structs, see [`from_struct`](Metadata::from_struct) and [`to_struct`](Metadata::to_struct).
///
/// ```
/// use chroma_blocking::Metadata;
///
/// let metadata = Metadata::from([("year", 2015)]).with("tags", ["language", "systems"]);
/// assert_eq!(metadata.get("year").and_then(|year| year.as_int()), Some(2015));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, MetadataValue>);

/// The metadata of a record that has none.
pub(crate) static NO_METADATA: Metadata = Metadata::new();

impl Metadata {
    /// Creates metadata without any values.
    pub const fn new() -> Metadata {
        Metadata(BTreeMap::new())
    }

    /// With one more value; the last one of a key stays.
    #[must_use = "returns the metadata with the value, and leaves nothing behind"]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<MetadataValue>) -> Metadata {
        self.insert(key, value);
        self
    }

    /// Sets a value, and returns the one that the key had.
    pub fn insert(
        &mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> Option<MetadataValue> {
        self.0.insert(key.into(), value.into())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        self.0.get(key)
    }

    /// Takes a value out. A record on the server keeps its own: [`MetadataValue::Null`] removes that.
    pub fn remove(&mut self, key: &str) -> Option<MetadataValue> {
        self.0.remove(key)
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// About how many bytes it takes in JSON, and hardly ever more.
    pub(crate) fn json_len(&self) -> usize {
        /// A number or a boolean, and what stands around a value.
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
        let each = |(key, of): (&String, &MetadataValue)| json_len(key) + value(of) + SCALAR;
        self.0.iter().map(each).sum()
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

/// As people write it, ordered by key: `open: true, tags: ["late"]`.
impl fmt::Display for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{key}: {value}")?;
        }
        Ok(())
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    /// A `null` is a key without a value: it is left out, so what is read never holds
    /// [`Null`](MetadataValue::Null).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of metadata")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut metadata = Metadata::new();
                while let Some((key, value)) = map.next_entry::<String, Option<MetadataValue>>()? {
                    if let Some(value) = value {
                        metadata.insert(key, value);
                    }
                }
                Ok(metadata)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// One value of [`Metadata`].
///
/// An `Option` that is `None` is [`Null`](MetadataValue::Null).
///
/// Lists hold values of one kind, and at least one; servers before 1.5 refuse them. A single-node server of 1.5 forgets
/// to delete the lists when a collection is deleted, and gives them to records that are written later; with the records
/// it does delete them, so [`delete`](crate::Collection::delete) those before the collection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetadataValue {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A finite 64-bit float. 2.0 comes back as 2.0, not as the integer 2.
    ///
    /// A local server keeps 15 digits: of floats with more of them, about one in ten comes back with another last bit.
    Float(f64),
    /// A text.
    String(String),
    /// A sparse vector. A single-node server stores none, and answers
    /// [`Unsupported`](crate::Error::Unsupported).
    SparseVector(SparseVector),
    /// A list of booleans.
    Bools(Vec<bool>),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f64>),
    /// A list of texts.
    Strings(Vec<String>),
    /// No value: an update or an upsert takes the key away from the record, and an add leaves it out. Never in what is
    /// read.
    Null,
}

impl MetadataValue {
    /// About the bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<MetadataValue>()
            + match self {
                MetadataValue::String(text) => text.len(),
                MetadataValue::Strings(texts) => texts.iter().map(|text| text.len() + 24).sum(),
                MetadataValue::Bools(list) => list.len(),
                MetadataValue::Ints(list) => size_of_val(list.as_slice()),
                MetadataValue::Floats(list) => size_of_val(list.as_slice()),
                MetadataValue::SparseVector(vector) => 8 * vector.values.len(),
                _ => 0,
            }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            MetadataValue::String(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            MetadataValue::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is a float or an integer.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            MetadataValue::Float(value) => Some(*value),
            MetadataValue::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            MetadataValue::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn is_sparse(&self) -> bool {
        matches!(self, MetadataValue::SparseVector(_))
    }

    /// Whether it is no value.
    pub fn is_null(&self) -> bool {
        *self == MetadataValue::Null
    }
}

/// As people write it: text without quotes, lists in brackets.
impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataValue::Bool(value) => value.fmt(f),
            MetadataValue::Int(value) => value.fmt(f),
            MetadataValue::Float(value) => value.fmt(f),
            MetadataValue::String(value) => value.fmt(f),
            MetadataValue::SparseVector(vector) => {
                write!(f, "sparse vector of {} values", vector.values.len())
            }
            MetadataValue::Bools(values) => write!(f, "{values:?}"),
            MetadataValue::Ints(values) => write!(f, "{values:?}"),
            MetadataValue::Floats(values) => write!(f, "{values:?}"),
            MetadataValue::Strings(values) => write!(f, "{values:?}"),
            MetadataValue::Null => f.write_str("null"),
        }
    }
}

macro_rules! from {
    ($($kind:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for MetadataValue {
            fn from(value: $from) -> MetadataValue {
                MetadataValue::$kind(value.into())
            }
        }
    )+)+};
}

from! {
    Bool: bool;
    Int: i64, i32, i16, i8, u32, u16, u8;
    Float: f64, f32;
    String: String, &str, &String, char;
    SparseVector: SparseVector;
    Bools: Vec<bool>;
    Ints: Vec<i64>;
    Floats: Vec<f64>;
    Strings: Vec<String>;
}

impl From<Vec<i32>> for MetadataValue {
    fn from(values: Vec<i32>) -> MetadataValue {
        MetadataValue::Ints(values.into_iter().map(i64::from).collect())
    }
}

impl From<Vec<&str>> for MetadataValue {
    fn from(values: Vec<&str>) -> MetadataValue {
        MetadataValue::Strings(values.into_iter().map(str::to_owned).collect())
    }
}

impl<T, const N: usize> From<[T; N]> for MetadataValue
where
    MetadataValue: From<Vec<T>>,
{
    fn from(values: [T; N]) -> MetadataValue {
        Vec::from(values).into()
    }
}

impl<T> From<Option<T>> for MetadataValue
where
    MetadataValue: From<T>,
{
    fn from(value: Option<T>) -> MetadataValue {
        value.map_or(MetadataValue::Null, Into::into)
    }
}

impl Serialize for MetadataValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MetadataValue::Bool(value) => serializer.serialize_bool(*value),
            MetadataValue::Int(value) => serializer.serialize_i64(*value),
            MetadataValue::Float(value) => serializer.serialize_f64(*value),
            MetadataValue::String(value) => serializer.serialize_str(value),
            MetadataValue::SparseVector(vector) => vector.serialize(serializer),
            MetadataValue::Bools(values) => values.serialize(serializer),
            MetadataValue::Ints(values) => values.serialize(serializer),
            MetadataValue::Floats(values) => values.serialize(serializer),
            MetadataValue::Strings(values) => values.serialize(serializer),
            MetadataValue::Null => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MetadataValue, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = MetadataValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a metadata value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Int(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<MetadataValue, E> {
                Ok(i64::try_from(value)
                    .map_or(MetadataValue::Float(value as f64), MetadataValue::Int))
            }

            fn visit_f64<E>(self, value: f64) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<MetadataValue, E> {
                Ok(MetadataValue::String(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<MetadataValue, E> {
                Ok(MetadataValue::String(value))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MetadataValue, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                let vector = SparseVector::deserialize(map)?;
                match vector.indices.len() == vector.values.len() {
                    true => Ok(MetadataValue::SparseVector(vector)),
                    false => Err(de::Error::custom(
                        "a sparse vector with more places than values, or fewer",
                    )),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<MetadataValue, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element::<MetadataValue>()? {
                    values.push(value);
                }
                list(values).ok_or_else(|| de::Error::custom("a list of values of different kinds"))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

/// A list of one kind; integers among floats are floats. An empty list is a list of texts.
fn list(values: Vec<MetadataValue>) -> Option<MetadataValue> {
    use MetadataValue::{Bool, Float, Int, String as Text};

    fn all<T>(
        values: &[MetadataValue],
        one: impl FnMut(&MetadataValue) -> Option<T>,
    ) -> Option<Vec<T>> {
        values.iter().map(one).collect()
    }
    match values.first() {
        None => Some(MetadataValue::Strings(Vec::new())),
        Some(Bool(_)) => all(&values, MetadataValue::as_bool).map(MetadataValue::Bools),
        Some(Text(_)) => {
            all(&values, |v| v.as_str().map(str::to_owned)).map(MetadataValue::Strings)
        }
        Some(Int(_) | Float(_)) => all(&values, MetadataValue::as_int)
            .map(MetadataValue::Ints)
            .or_else(|| all(&values, MetadataValue::as_float).map(MetadataValue::Floats)),
        Some(_) => None,
    }
}

/// A vector that is zero almost everywhere: the places that are not, and their values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "#type", rename = "sparse_vector")]
pub struct SparseVector {
    /// The places, as the model that made the vector numbers them, in ascending order.
    pub indices: Vec<u32>,
    /// The value of each place.
    pub values: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_json() {
        let metadata = Metadata::new()
            .with("bool", true)
            .with("int", i64::MIN)
            .with("float", 2.0)
            .with("string", "\"quoted\" \u{1F980}")
            .with(
                "sparse",
                SparseVector {
                    indices: vec![1, 5],
                    values: vec![0.5, 0.25],
                },
            )
            .with("bools", vec![true, false])
            .with("ints", vec![1_i64, 2])
            .with("floats", vec![1.0, 2.5])
            .with("strings", ["a", "b"]);
        let json = serde_json::to_string(&metadata).unwrap();
        assert!(json.contains(r##""float":2.0"##), "{json}");
        assert!(
            json.contains(
                r##""sparse":{"#type":"sparse_vector","indices":[1,5],"values":[0.5,0.25]}"##
            ),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
    }

    #[test]
    fn people_read_it_by_key() {
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
    fn reads_what_servers_may_send() {
        let read = |json| serde_json::from_str::<Metadata>(json);
        assert_eq!(read(r#"{"a":null}"#).unwrap(), Metadata::new());
        assert_eq!(
            read(r#"{"a":[1,2.5],"b":[],"c":18446744073709551615}"#).unwrap(),
            Metadata::new()
                .with("a", vec![1.0, 2.5])
                .with("b", Vec::<String>::new())
                .with("c", 18446744073709551615_f64)
        );
        for bad in [
            r#"{"a":[1,"x"]}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"indices":[1,2],"values":[0.5]}}"#,
            r#"{"a":{"indices":[1],"values":[1e39]}}"#,
            "[]",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
