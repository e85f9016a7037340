//! A serde deserializer that reads a struct from [`Metadata`].

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use super::error::ConversionError;
use crate::model::metadata::map::Metadata;
use crate::model::metadata::value::MetadataValue;

pub(super) fn value<'de, T: Deserialize<'de>>(
    metadata: &'de Metadata,
) -> Result<T, ConversionError> {
    T::deserialize(Reader(metadata))
}

/// Metadata as a serde map without nulls.
struct Reader<'de>(&'de Metadata);

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ConversionError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        visitor.visit_map(Entries {
            rest: self
                .0
                .iter()
                .filter_map(|(key, value)| Some((key, Value::of(value)?))),
            current: None,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConversionError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'de, I> {
    rest: I,
    current: Option<(&'de str, Value<'de>)>,
}

impl<'de, I> MapAccess<'de> for Entries<'de, I>
where
    I: Iterator<Item = (&'de str, Value<'de>)>,
{
    type Error = ConversionError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ConversionError> {
        self.current = self.rest.next();
        let Some((key, _)) = &self.current else {
            return Ok(None);
        };
        let read = seed.deserialize(BorrowedStrDeserializer::new(key));
        read.map(Some)
            .map_err(|error: ConversionError| error.at(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ConversionError> {
        let Some((key, value)) = self.current.take() else {
            return Err(ConversionError::new(
                "serde asked for a value before its key",
            ));
        };
        seed.deserialize(value).map_err(|error| error.at(key))
    }
}

/// A value of the map, or of a list in it.
enum Value<'de> {
    Bool(bool),
    Int(i64),
    TooLarge(u64),
    Float(f64),
    Text(&'de str),
    List(Vec<Value<'de>>),
    Map([(&'static str, Vec<Value<'de>>); 2]),
}

impl<'de> Value<'de> {
    fn of(value: &'de MetadataValue) -> Option<Value<'de>> {
        let ints = |values: &[i64]| values.iter().copied().map(Value::Int).collect();
        let floats = |values: &[f64]| values.iter().copied().map(Value::Float).collect();
        Some(match value {
            MetadataValue::Bool(value) => Value::Bool(*value),
            MetadataValue::Int(value) => Value::Int(*value),
            MetadataValue::TooLarge(value) => Value::TooLarge(*value),
            MetadataValue::Float(value) => Value::Float(*value),
            MetadataValue::String(value) => Value::Text(value),
            MetadataValue::Bools(values) => {
                Value::List(values.iter().copied().map(Value::Bool).collect())
            }
            MetadataValue::Ints(values) => Value::List(ints(values)),
            MetadataValue::Floats(values) => Value::List(floats(values)),
            MetadataValue::Strings(values) => Value::List(values.iter().map(Value::Text).collect()),
            MetadataValue::SparseVector(vector) => {
                let indices = vector.indices.iter().map(|index| (*index).into());
                let values = vector.values.iter().map(|value| (*value).into());
                Value::Map([
                    ("indices", indices.map(Value::Int).collect()),
                    ("values", values.map(Value::Float).collect()),
                ])
            }
            MetadataValue::Null => return None,
        })
    }
}

impl<'de> IntoDeserializer<'de, ConversionError> for Value<'de> {
    type Deserializer = Value<'de>;

    fn into_deserializer(self) -> Value<'de> {
        self
    }
}

impl<'de> Value<'de> {
    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        match self {
            Value::Int(int) => visitor.visit_f64(int as f64),
            other => other.deserialize_any(visitor),
        }
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = ConversionError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        match self {
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visitor.visit_i64(value),
            Value::TooLarge(value) => visitor.visit_u64(value),
            Value::Float(value) => visitor.visit_f64(value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter())),
            Value::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        visitor.visit_some(self)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConversionError> {
        self.float(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConversionError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConversionError> {
        match self {
            Value::Text(name) => visitor.visit_enum(Variant(name)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, ConversionError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// The name of an enum variant without data.
struct Variant<'de>(&'de str);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ConversionError;
    type Variant = NoData;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, NoData), ConversionError> {
        let name = BorrowedStrDeserializer::<ConversionError>::new(self.0);
        Ok((seed.deserialize(name)?, NoData))
    }
}

struct NoData;

impl NoData {
    fn refuse<T>() -> Result<T, ConversionError> {
        Err(ConversionError::enum_with_data())
    }
}

impl<'de> VariantAccess<'de> for NoData {
    type Error = ConversionError;

    fn unit_variant(self) -> Result<(), ConversionError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        _: T,
    ) -> Result<T::Value, ConversionError> {
        NoData::refuse()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ConversionError> {
        NoData::refuse()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ConversionError> {
        NoData::refuse()
    }
}
