//! [`Metadata`] as JSON.

use serde::de::{DeserializeSeed, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::map::Metadata;
use super::read::{Reading, ValueVisitor};
use super::value::MetadataValue;
use crate::model::budget::Budget;

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    /// Leaves out keys whose value is `null`, so the result never holds [`Null`](MetadataValue::Null).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
        Reading::new(Budget::unlimited()).deserialize(deserializer)
    }
}

impl Serialize for MetadataValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MetadataValue::Bool(value) => serializer.serialize_bool(*value),
            MetadataValue::Int(value) => serializer.serialize_i64(*value),
            MetadataValue::TooLarge(value) => serializer.serialize_u64(*value),
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
    /// Reads an integer above [`i64::MAX`] as a float.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MetadataValue, D::Error> {
        deserializer.deserialize_any(ValueVisitor(&mut Budget::unlimited()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::SparseVector;

    #[test]
    fn every_kind_of_value_is_read_back_as_written() {
        let metadata = Metadata::new()
            .with("bool", true)
            .with("int", i64::MIN)
            .with("float", 2.0)
            .with("string", "\"quoted\" \u{1F980}")
            .with("sparse", SparseVector::new([1, 5], [0.5, 0.25]))
            .with("bools", vec![true, false])
            .with("ints", vec![1_i64, 2])
            .with("floats", vec![1.0, 2.5])
            .with("strings", ["a", "b"]);
        let json = serde_json::to_string(&metadata).unwrap();
        assert!(json.contains(r#""float":2.0"#), "{json}");
        assert!(
            json.contains(
                r##""sparse":{"#type":"sparse_vector","indices":[1,5],"values":[0.5,0.25]}"##
            ),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
    }

    #[test]
    fn reads_every_form_that_servers_may_send() {
        let read = |json| serde_json::from_str::<Metadata>(json);
        assert_eq!(read(r#"{"a":null}"#).unwrap(), Metadata::new());
        assert_eq!(
            read(r#"{"a":[1,2.5],"b":[],"c":18446744073709551615}"#).unwrap(),
            Metadata::new()
                .with("a", vec![1.0, 2.5])
                .with("b", Vec::<String>::new())
                .with("c", 18_446_744_073_709_551_615_f64)
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
