//! [`ConversionError`]: why a struct and metadata do not fit together.

use std::any::type_name;
use std::fmt;

use serde::{de, ser};

use crate::invalid::InvalidInput;

/// An error of serde, with the metadata key at which it occurred.
#[derive(Debug)]
pub(super) struct ConversionError {
    key: Option<String>,
    why: String,
}

impl ConversionError {
    pub(super) fn new(why: impl fmt::Display) -> ConversionError {
        ConversionError {
            key: None,
            why: why.to_string(),
        }
    }

    /// The error of an enum variant that has data.
    pub(super) fn enum_with_data() -> ConversionError {
        ConversionError::new("metadata can hold only enums without data, as text")
    }

    /// Adds the key, unless the error has one.
    pub(super) fn at(self, key: &str) -> ConversionError {
        ConversionError {
            key: Some(self.key.unwrap_or_else(|| key.to_owned())),
            ..self
        }
    }

    /// Converts the error to the one that callers get. `T` is the struct, which the message names: without
    /// its path, unless it is composed of several types.
    pub(super) fn into_invalid<T: ?Sized>(self) -> InvalidInput {
        let path = type_name::<T>();
        let name = if path.contains(['<', '[', '(', '&']) {
            path
        } else {
            path.rsplit("::").next().unwrap_or(path)
        };
        InvalidInput::Metadata {
            of: name.to_owned(),
            key: self.key.unwrap_or_default(),
            why: self.why,
        }
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for ConversionError {}

impl ser::Error for ConversionError {
    fn custom<T: fmt::Display>(why: T) -> ConversionError {
        ConversionError::new(why)
    }
}

impl de::Error for ConversionError {
    fn custom<T: fmt::Display>(why: T) -> ConversionError {
        ConversionError::new(why)
    }

    fn missing_field(field: &'static str) -> ConversionError {
        ConversionError::new(
            "the key is missing; make the field an Option, or give it #[serde(default)], since empty lists are not stored",
        )
        .at(field)
    }
}
