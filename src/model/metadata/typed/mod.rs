//! Conversion between [`Metadata`] and structs, with serde.

mod error;
mod from;
#[cfg(test)]
mod tests;
mod to;

use serde::{Deserialize, Serialize};

use self::error::ConversionError;
use super::map::Metadata;
use crate::invalid::InvalidInput;

impl Metadata {
    /// Converts a struct, or a map with text keys. Each field becomes a key.
    ///
    /// A field can be a boolean, a number, text, an enum without data (stored as text), an `Option` of one of
    /// those, a `Vec` of them (without `Option`s), or a [`SparseVector`](crate::record::SparseVector). `None`
    /// and an empty list become [`Null`](crate::MetadataValue::Null): a write removes that key from the
    /// record.
    ///
    /// ```
    /// use chroma_blocking::{Metadata, Record};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Debug, PartialEq)]
    /// struct Book {
    ///     title: String,
    ///     year: u16,
    ///     rating: Option<f32>,
    ///     #[serde(default)]
    ///     tags: Vec<String>,
    /// }
    ///
    /// let book = Book {
    ///     title: "Emma".into(),
    ///     year: 1815,
    ///     rating: None,
    ///     tags: vec![],
    /// };
    /// let metadata = Metadata::from_struct(&book)?;
    /// assert_eq!(metadata.to_struct::<Book>()?, book);
    /// let record = Record::new("1").metadatas(metadata);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput::Metadata`] with the key, for a nested value, a number that is not finite, and an
    /// integer outside of the range of `i64`.
    pub fn from_struct<T: Serialize + ?Sized>(from: &T) -> Result<Metadata, InvalidInput> {
        from::metadata(from).map_err(ConversionError::into_invalid::<T>)
    }

    /// Converts the metadata to a struct, or a map. Each field gets the value of the key with its name. Other
    /// keys are ignored.
    ///
    /// If a key is missing, an `Option` field becomes `None`, and a field with `#[serde(default)]` gets its
    /// default. A float field also accepts integers. An integer field does not accept floats.
    ///
    /// # Errors
    /// [`InvalidInput::Metadata`] with the key that is missing, or whose value has a different type.
    pub fn to_struct<'a, T: Deserialize<'a>>(&'a self) -> Result<T, InvalidInput> {
        to::value(self).map_err(ConversionError::into_invalid::<T>)
    }
}
