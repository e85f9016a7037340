//! [`Origin`]: names the source of records in errors.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Call, Error, InvalidInput, Result};

/// The default of the maximum size of a record in its source: 64 MiB.
pub(super) const MAX_LEN: usize = 64 << 20;

/// A reader and its source.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The name of the reader.
    reader: &'static str,
    /// The path as it was given, or the caller's name for the source.
    pub(super) name: String,
}

impl Origin {
    pub(super) fn new(reader: &'static str, name: impl Into<String>) -> Origin {
        let name = name.into();
        Origin { reader, name }
    }

    /// Opens a file.
    pub(super) fn open(reader: &'static str, path: &Path) -> Result<(Origin, File)> {
        let origin = Origin::new(reader, path.display().to_string());
        match File::open(path) {
            Ok(file) => Ok((origin, file)),
            Err(error) => Err(origin.io(error)),
        }
    }

    /// Returns the error of a record that cannot be read.
    pub(super) fn unreadable(&self, place: String, why: String) -> Error {
        let call = Call::new(self.reader, Some(&self.name));
        call.invalid(InvalidInput::Unreadable { place, why })
    }

    /// Returns the error of a source that cannot be read.
    pub(super) fn io(&self, source: io::Error) -> Error {
        let message = format!("cannot read {}", self.name);
        Error::Io { message, source }
    }
}
