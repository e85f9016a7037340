//! [`MetadataValue`] and [`SparseVector`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::strings::Strings;
use crate::printable::one_line;

/// One value of [`Metadata`](crate::Metadata).
///
/// Booleans, integers, floats, text, lists of them, and `Option`s convert into it; `None` becomes
/// [`Null`](MetadataValue::Null).
///
/// # Lists
/// A list holds values of one kind, and at least one of them. Servers before 1.5 refuse lists.
///
/// A single-node server of version 1.5 does not delete the lists when a collection is deleted, and attaches
/// them to records that are written later. It deletes lists only together with their records. So
/// [`delete`](crate::Collection::delete) the records before you delete the collection.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MetadataValue {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// An integer above [`i64::MAX`], which Chroma cannot store. A call with such a value fails with
    /// [`InvalidInput::Metadata`](crate::InvalidInput::Metadata), or with
    /// [`InvalidInput::Filter`](crate::InvalidInput::Filter) for a filter.
    ///
    /// Only conversions from `u64` and `usize`, and from lists of them, produce it. Every smaller integer
    /// becomes [`Int`](MetadataValue::Int) or [`Ints`](MetadataValue::Ints).
    TooLarge(u64),
    /// A finite 64-bit float. 2.0 is read as 2.0, not as the integer 2.
    ///
    /// A single-node server keeps 15 significant digits. Of the floats with more digits, about one in ten is
    /// read with a different last bit.
    Float(f64),
    /// Text.
    String(String),
    /// A sparse vector. A single-node server does not store sparse vectors; there the call fails with
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    SparseVector(Box<SparseVector>),
    /// A list of booleans.
    Bools(Vec<bool>),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f64>),
    /// A list of texts.
    Strings(Strings),
    /// No value. An update or an upsert removes the key from the record, and an add leaves it out. Results
    /// never hold it.
    Null,
}

// A record's metadata is a row of them.
const _: () = assert!(size_of::<MetadataValue>() <= 32);

impl MetadataValue {
    /// Returns about how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<MetadataValue>()
            + match self {
                MetadataValue::String(text) => text.len(),
                MetadataValue::Strings(texts) => texts.capacity(),
                MetadataValue::Bools(list) => list.len(),
                MetadataValue::Ints(list) => size_of_val(list.as_slice()),
                MetadataValue::Floats(list) => size_of_val(list.as_slice()),
                MetadataValue::SparseVector(vector) => 8 * vector.values.len(),
                _ => 0,
            }
    }

    /// Returns the text of a [`String`](MetadataValue::String).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            MetadataValue::String(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the integer of an [`Int`](MetadataValue::Int).
    pub fn as_int(&self) -> Option<i64> {
        match self {
            MetadataValue::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the number of a [`Float`](MetadataValue::Float) or an [`Int`](MetadataValue::Int). An integer
    /// beyond 2⁵³ is rounded.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            MetadataValue::Float(value) => Some(*value),
            MetadataValue::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// Returns the boolean of a [`Bool`](MetadataValue::Bool).
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            MetadataValue::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the list of [`Strings`](MetadataValue::Strings).
    ///
    /// ```
    /// use chroma_blocking::{Metadata, MetadataValue};
    ///
    /// let metadata = Metadata::from([("tags", ["late", "open"])]);
    /// let tags = metadata.get("tags").and_then(MetadataValue::as_strings);
    /// assert_eq!(tags.unwrap_or_default(), ["late", "open"]);
    /// ```
    pub fn as_strings(&self) -> Option<&Strings> {
        match self {
            MetadataValue::Strings(values) => Some(values),
            _ => None,
        }
    }

    /// Returns the list of [`Ints`](MetadataValue::Ints).
    pub fn as_ints(&self) -> Option<&[i64]> {
        match self {
            MetadataValue::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// Returns the list of [`Floats`](MetadataValue::Floats). A list of integers is not converted.
    pub fn as_floats(&self) -> Option<&[f64]> {
        match self {
            MetadataValue::Floats(values) => Some(values),
            _ => None,
        }
    }

    /// Returns the list of [`Bools`](MetadataValue::Bools).
    pub fn as_bools(&self) -> Option<&[bool]> {
        match self {
            MetadataValue::Bools(values) => Some(values),
            _ => None,
        }
    }

    /// Returns the vector of a [`SparseVector`](MetadataValue::SparseVector).
    pub fn as_sparse_vector(&self) -> Option<&SparseVector> {
        match self {
            MetadataValue::SparseVector(vector) => Some(vector),
            _ => None,
        }
    }

    pub(crate) fn is_sparse(&self) -> bool {
        self.as_sparse_vector().is_some()
    }

    /// Returns whether the value is [`Null`](MetadataValue::Null).
    pub fn is_null(&self) -> bool {
        *self == MetadataValue::Null
    }
}

/// Prints the value in readable form and in one line: text without quotes, lists in brackets. Line breaks and
/// other unprintable characters are escaped; [`as_str`](MetadataValue::as_str) returns a text as it is.
impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataValue::Bool(value) => value.fmt(f),
            MetadataValue::Int(value) => value.fmt(f),
            MetadataValue::TooLarge(value) => value.fmt(f),
            MetadataValue::Float(value) => value.fmt(f),
            MetadataValue::String(value) => one_line(value).fmt(f),
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

/// A vector that is zero almost everywhere: the indices where it is not, and the values there.
///
/// A call with a sparse vector fails with [`Error::Invalid`](crate::Error::Invalid) if the two lists differ
/// in length, if the indices are not strictly ascending, or if a value is not finite.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "#type", rename = "sparse_vector")]
#[non_exhaustive]
pub struct SparseVector {
    /// The indices of the dimensions that are not zero, as the model numbers them. Strictly ascending.
    pub indices: Vec<u32>,
    /// The value at each index.
    pub values: Vec<f32>,
}

impl SparseVector {
    /// Creates a vector from its indices and the value at each of them.
    ///
    /// ```
    /// use chroma_blocking::record::SparseVector;
    ///
    /// let words = SparseVector::new([3, 17], [0.5, 0.25]);
    /// assert_eq!(words.indices, [3, 17]);
    /// ```
    pub fn new(indices: impl Into<Vec<u32>>, values: impl Into<Vec<f32>>) -> SparseVector {
        SparseVector {
            indices: indices.into(),
            values: values.into(),
        }
    }
}

/// Collects pairs of an index and its value.
impl FromIterator<(u32, f32)> for SparseVector {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(pairs: I) -> SparseVector {
        let (indices, values) = pairs.into_iter().unzip();
        SparseVector { indices, values }
    }
}
