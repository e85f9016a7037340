//! [`Json`]: a JSON value of limited depth, from which a filter is read.

use std::fmt;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::expr::{MAX_DEPTH, too_deep};
use super::print::short;
use crate::invalid::InvalidInput;

/// A JSON value. Objects keep their order and repeated keys.
pub(super) enum Json {
    Null,
    Number(serde_json::Number),
    Bool(bool),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn bad(&self, why: &str) -> InvalidInput {
        bad(&short(serde_json::to_string(self).unwrap_or_default()), why)
    }

    /// Returns the key and the value of an object with one entry. `form` describes the expected form in an
    /// error.
    pub(super) fn single(&self, form: &str) -> Result<(&str, &Json), InvalidInput> {
        match self {
            Json::Object(entries) => match entries.as_slice() {
                [(key, value)] => Ok((key, value)),
                [] => Err(self.bad(&format!("it is empty; {form}"))),
                _ => Err(self.bad(&format!("it has {} keys; {form}", entries.len()))),
            },
            _ => Err(self.bad(form)),
        }
    }

    /// Reads the parts of a join.
    pub(super) fn joined<T>(
        &self,
        parts: &Json,
        reader: fn(&Json) -> Result<T, InvalidInput>,
    ) -> Result<Vec<T>, InvalidInput> {
        match parts {
            Json::List(parts) if !parts.is_empty() => parts.iter().map(reader).collect(),
            _ => Err(self.bad("$and and $or need a list of at least one filter")),
        }
    }
}

pub(super) fn bad(filter: &str, why: &str) -> InvalidInput {
    InvalidInput::Filter {
        filter: filter.to_owned(),
        why: why.to_owned(),
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Number(number) => number.serialize(serializer),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(list) => list.serialize(serializer),
            Json::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        // A join takes an object and a list. A condition takes two objects and a list.
        Levels(usize::from(MAX_DEPTH) * 2 + 3).deserialize(deserializer)
    }
}

/// Reads JSON with at most this many nested objects and lists.
#[derive(Clone, Copy)]
struct Levels(usize);

impl Levels {
    fn deeper<E: de::Error>(self) -> Result<Levels, E> {
        let left = self.0.checked_sub(1);
        left.map(Levels).ok_or_else(|| E::custom(too_deep()))
    }
}

impl<'de> DeserializeSeed<'de> for Levels {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Levels {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a filter")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        let number = serde_json::Number::from_f64(value);
        let number = number.ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self))?;
        Ok(Json::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key()? {
            entries.push((key, map.next_value_seed(inner)?));
        }
        Ok(Json::Object(entries))
    }
}
