//! [`Reading`]: reads the metadata of many records from JSON.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::keys::Keys;
use super::list::{Item, List};
use super::map::{Entry, Metadata};
use super::value::{MetadataValue, SparseVector};
use crate::model::budget::{Budget, block};

/// Reads metadata. The records share their keys and a budget.
#[derive(Debug)]
pub(crate) struct Reading {
    keys: Keys,
    /// The entries of one record, in the order of the JSON. Reused, so that each record needs one allocation
    /// of the exact size.
    entries: Vec<Entry>,
    pub(crate) budget: Budget,
}

impl Reading {
    pub(crate) fn new(budget: Budget) -> Reading {
        Reading {
            keys: Keys::default(),
            entries: Vec::new(),
            budget,
        }
    }

    /// Makes metadata of the entries that were read.
    fn finish<E: de::Error>(&mut self) -> Result<Metadata, E> {
        /// A longer record takes over the `Vec`: a copy would double its memory.
        const COPIED: usize = 64;

        let count = self.entries.len();
        let bytes = count * size_of::<Entry>();
        let is_long = count > COPIED;
        // Each entry was charged to the budget when it was read. Sorting a long record needs half as much in
        // addition.
        let more = block(bytes) - bytes + if is_long { bytes / 2 } else { 0 };
        self.budget.take(more).map_err(E::custom)?;
        Ok(Metadata::of(if is_long {
            std::mem::take(&mut self.entries)
        } else {
            self.entries.drain(..).collect()
        }))
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reading {
    type Value = Metadata;

    /// Leaves out keys whose value is `null`, so the result never holds [`Null`](MetadataValue::Null).
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Metadata, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        self.entries.clear();
        while let Some(key) = map.next_key_seed(Key(self))? {
            let value = map.next_value_seed(Nullable(ValueVisitor(&mut self.budget)))?;
            if let Some(value) = value {
                let entry = self.budget.take(size_of::<Entry>());
                entry.map_err(de::Error::custom)?;
                self.entries.push((key, value));
            }
        }
        self.finish()
    }
}

struct Key<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Arc<str>, E> {
        let (shared, is_new) = self.0.keys.get(key);
        if is_new {
            // An `Arc` has two counters.
            let taken = self.0.budget.take_block(16 + key.len());
            taken.map_err(E::custom)?;
        }
        Ok(shared)
    }
}

/// Reads null as `None`, and anything else with a seed.
pub(crate) struct Nullable<S>(pub(crate) S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Nullable<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Nullable<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

/// Reads a value other than null. An integer above [`i64::MAX`] becomes a float.
pub(super) struct ValueVisitor<'a>(pub(super) &'a mut Budget);

impl<'de> DeserializeSeed<'de> for ValueVisitor<'_> {
    type Value = MetadataValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
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
        Ok(i64::try_from(value).map_or(MetadataValue::Float(value as f64), MetadataValue::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<MetadataValue, E> {
        Ok(MetadataValue::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<MetadataValue, E> {
        self.0.take_block(value.len()).map_err(E::custom)?;
        Ok(MetadataValue::String(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MetadataValue, A::Error> {
        let map = de::value::MapAccessDeserializer::new(map);
        let mut vector = SparseVector::deserialize(map).map_err(|error| {
            de::Error::custom(format_args!("an object must be a sparse vector: {error}"))
        })?;
        let (indices, values) = (vector.indices.len(), vector.values.len());
        if indices != values {
            return Err(de::Error::custom(format_args!(
                "a sparse vector with {indices} indices and {values} values"
            )));
        }
        vector.indices.shrink_to_fit();
        vector.values.shrink_to_fit();
        let blocks = [size_of::<SparseVector>(), 4 * indices, 4 * values];
        for block in blocks {
            self.0.take_block(block).map_err(de::Error::custom)?;
        }
        Ok(MetadataValue::SparseVector(Box::new(vector)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<MetadataValue, A::Error> {
        let mut list = List::new();
        while seq.next_element_seed(Next(&mut list))?.is_some() {}
        let Some(list) = list.finish() else {
            return Err(de::Error::custom("a list of values of different kinds"));
        };
        let taken = self.0.take_block(list.size() - size_of::<MetadataValue>());
        taken.map_err(de::Error::custom)?;
        Ok(list)
    }
}

/// Reads the next value of a list.
struct Next<'a>(&'a mut List);

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Next<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a metadata value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push(Item::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.push(Item::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        let int = i64::try_from(value).map(Item::Int);
        self.0.push(int.unwrap_or(Item::Float(value as f64)));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.push(Item::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.push(Item::Text(value));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.refuse();
        ValueVisitor(&mut Budget::unlimited())
            .visit_map(map)
            .map(drop)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.0.refuse();
        ValueVisitor(&mut Budget::unlimited())
            .visit_seq(list)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reading: &mut Reading, json: &str) -> Result<Metadata, String> {
        let mut from = serde_json::Deserializer::from_str(json);
        reading
            .deserialize(&mut from)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn secure_04_records_share_a_bounded_number_of_keys() {
        let mut reading = Reading::new(Budget::unlimited());
        for index in 0..3_000 {
            let json = format!(r#"{{"shared":1,"key{index}":2}}"#);
            let metadata = read(&mut reading, &json).unwrap();
            assert_eq!(metadata.len(), 2);
        }
        assert_eq!(reading.keys.len(), 1_024);
        let (shared, is_new) = reading.keys.get("shared");
        assert!(!is_new && Arc::strong_count(&shared) == 2);
        // Long and short records are sorted, and the last value of a key counts.
        for count in [3, 300] {
            let keys = (0..count).rev().chain(0..count);
            let pairs: Vec<_> = keys.map(|key| format!(r#""{key}":{key}"#)).collect();
            let json = format!("{{{},\"0\":7}}", pairs.join(","));
            let metadata = read(&mut reading, &json).unwrap();
            assert_eq!(metadata.len(), count);
            assert!(metadata.iter().is_sorted_by(|one, other| one.0 < other.0));
            assert_eq!(metadata.get("0"), Some(&MetadataValue::Int(7)));
        }
    }

    #[test]
    fn secure_04_every_kind_of_value_is_taken_from_the_budget() {
        for (json, bytes) in [
            (r#"{"a":0}"#, 32 + 64),
            (r#"{"a":"b"}"#, 32 + 64 + 32),
            (r#"{"a":["b","c"]}"#, 32 + 64 + 32),
            (r#"{"a":[0,0,0,0]}"#, 32 + 64 + 48),
            (r#"{"a":[true]}"#, 32 + 64 + 32),
            (
                r#"{"a":{"indices":[1],"values":[0.5]}}"#,
                32 + 64 + 64 + 32 + 32,
            ),
            (r#"{"a":null}"#, 32),
        ] {
            let mut reading = Reading::new(Budget::of(bytes));
            assert!(read(&mut reading, json).is_ok(), "{json}");
            assert_eq!(reading.budget.left(), 0, "{json}");
            let error = read(&mut Reading::new(Budget::of(bytes - 1)), json).unwrap_err();
            assert!(error.contains("11 times the size"), "{error}");
        }
    }
}
