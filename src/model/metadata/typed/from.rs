//! A serde serializer that makes [`Metadata`] of a struct.

use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};

use super::error::ConversionError;
use crate::model::metadata::list::{self, Item};
use crate::model::metadata::map::Metadata;
use crate::model::metadata::value::{MetadataValue, SparseVector};

pub(super) fn metadata<T: Serialize + ?Sized>(from: &T) -> Result<Metadata, ConversionError> {
    let Tree::Map(entries) = from.serialize(Writer)? else {
        return Err(ConversionError::new(
            "metadata can be made only from a struct or a map",
        ));
    };
    entries
        .into_iter()
        .map(|(key, tree)| match tree.value() {
            Ok(value) => Ok((key, value)),
            Err(fault) => Err(fault.at(&key)),
        })
        .collect()
}

/// A value as serde sees it.
enum Tree {
    Value(MetadataValue),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    fn value(self) -> Result<MetadataValue, ConversionError> {
        match self {
            Tree::Value(value) => Ok(value),
            Tree::List(trees) if trees.is_empty() => Ok(MetadataValue::Null),
            Tree::List(trees) => {
                let mut list = list::List::new();
                for tree in &trees {
                    let item = tree.item().ok_or_else(|| {
                        ConversionError::new("a list can hold only booleans, numbers or text")
                    })?;
                    list.push(item);
                }
                list.finish()
                    .ok_or_else(|| ConversionError::new("the values of a list must be of one kind"))
            }
            Tree::Map(entries) => {
                sparse_vector(entries)
                    .map(MetadataValue::from)
                    .ok_or_else(|| {
                        ConversionError::new("metadata is flat and cannot hold nested values")
                    })
            }
        }
    }
}

impl Tree {
    /// Returns a value that a list can hold.
    fn item(&self) -> Option<Item<'_>> {
        match self {
            Tree::Value(MetadataValue::Bool(value)) => Some(Item::Bool(*value)),
            Tree::Value(MetadataValue::Int(value)) => Some(Item::Int(*value)),
            Tree::Value(MetadataValue::Float(value)) => Some(Item::Float(*value)),
            Tree::Value(MetadataValue::String(value)) => Some(Item::Text(value)),
            _ => None,
        }
    }
}

/// Recognizes a sparse vector, which is a tagged struct for serde.
fn sparse_vector(entries: Vec<(String, Tree)>) -> Option<SparseVector> {
    let mut vector = SparseVector::default();
    let mut tagged = false;
    for (key, tree) in entries {
        match (key.as_str(), tree) {
            ("#type", Tree::Value(MetadataValue::String(kind))) => tagged = kind == "sparse_vector",
            ("indices", Tree::List(trees)) => {
                for tree in trees {
                    let Tree::Value(MetadataValue::Int(index)) = tree else {
                        return None;
                    };
                    vector.indices.push(index.try_into().ok()?);
                }
            }
            ("values", Tree::List(trees)) => {
                for tree in trees {
                    let Tree::Value(MetadataValue::Float(value)) = tree else {
                        return None;
                    };
                    vector.values.push(value as f32);
                }
            }
            _ => return None,
        }
    }
    tagged.then_some(vector)
}

#[derive(Clone, Copy)]
struct Writer;

#[allow(
    clippy::unnecessary_wraps,
    reason = "the methods of a Serializer return results"
)]
fn value(value: impl Into<MetadataValue>) -> Result<Tree, ConversionError> {
    Ok(Tree::Value(value.into()))
}

fn integer(wide: impl TryInto<i64> + Copy + std::fmt::Display) -> Result<Tree, ConversionError> {
    match wide.try_into() {
        Ok(integer) => value(integer),
        Err(_) => Err(ConversionError::new(format_args!(
            "{wide} is outside of the range of a 64-bit signed integer"
        ))),
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty => $make:expr;)+) => {$(
        fn $method(self, it: $type) -> Result<Tree, ConversionError> {
            let make: fn($type) -> Result<Tree, ConversionError> = $make;
            make(it)
        }
    )+};
}

impl Serializer for Writer {
    type Ok = Tree;
    type Error = ConversionError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeMap = Map;
    type SerializeStruct = Map;
    type SerializeTupleVariant = Impossible<Tree, ConversionError>;
    type SerializeStructVariant = Impossible<Tree, ConversionError>;

    scalars! {
        serialize_bool: bool => |it| value(it);
        serialize_i8: i8 => |it| value(it);
        serialize_i16: i16 => |it| value(it);
        serialize_i32: i32 => |it| value(it);
        serialize_i64: i64 => |it| value(it);
        serialize_i128: i128 => |it| integer(it);
        serialize_u8: u8 => |it| value(it);
        serialize_u16: u16 => |it| value(it);
        serialize_u32: u32 => |it| value(it);
        serialize_u64: u64 => |it| integer(it);
        serialize_u128: u128 => |it| integer(it);
        serialize_f32: f32 => |it| Writer.serialize_f64(it.into());
        serialize_char: char => |it| value(it);
        serialize_str: &str => |it| value(it);
    }

    fn serialize_f64(self, it: f64) -> Result<Tree, ConversionError> {
        if it.is_finite() {
            value(it)
        } else {
            Err(ConversionError::new(format_args!(
                "{it} is not a finite number"
            )))
        }
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Tree, ConversionError> {
        Err(ConversionError::new("metadata cannot hold bytes"))
    }

    fn serialize_none(self) -> Result<Tree, ConversionError> {
        value(MetadataValue::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, it: &T) -> Result<Tree, ConversionError> {
        it.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree, ConversionError> {
        value(MetadataValue::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, ConversionError> {
        value(MetadataValue::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Tree, ConversionError> {
        value(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        it: &T,
    ) -> Result<Tree, ConversionError> {
        it.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Tree, ConversionError> {
        Err(ConversionError::enum_with_data())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, ConversionError> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<List, ConversionError> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, ConversionError> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ConversionError> {
        Err(ConversionError::enum_with_data())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, ConversionError> {
        Ok(Map::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map, ConversionError> {
        Ok(Map::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ConversionError> {
        Err(ConversionError::enum_with_data())
    }
}

struct List(Vec<Tree>);

macro_rules! list {
    ($($trait:ident: $method:ident;)+) => {$(
        impl $trait for List {
            type Ok = Tree;
            type Error = ConversionError;

            fn $method<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConversionError> {
                self.0.push(it.serialize(Writer)?);
                Ok(())
            }

            fn end(self) -> Result<Tree, ConversionError> {
                Ok(Tree::List(self.0))
            }
        }
    )+};
}

list! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
}

#[derive(Default)]
struct Map {
    entries: Vec<(String, Tree)>,
    key: String,
}

impl SerializeMap for Map {
    type Ok = Tree;
    type Error = ConversionError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ConversionError> {
        match key.serialize(Writer)? {
            Tree::Value(MetadataValue::String(key)) => self.key = key,
            _ => return Err(ConversionError::new("the keys of a map must be text")),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), ConversionError> {
        let key = std::mem::take(&mut self.key);
        let tree = it.serialize(Writer).map_err(|fault| fault.at(&key))?;
        self.entries.push((key, tree));
        Ok(())
    }

    fn end(self) -> Result<Tree, ConversionError> {
        Ok(Tree::Map(self.entries))
    }
}

impl SerializeStruct for Map {
    type Ok = Tree;
    type Error = ConversionError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        it: &T,
    ) -> Result<(), ConversionError> {
        key.clone_into(&mut self.key);
        self.serialize_value(it)
    }

    fn end(self) -> Result<Tree, ConversionError> {
        Ok(Tree::Map(self.entries))
    }
}
