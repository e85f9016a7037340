//! Readers of files: iterators of `Result<Record>`.
//!
//! What holds of all of them: they hold one record at a time; what cannot be read is an `Err` in its place, after which
//! they go on; and a source that has not changed gives the same items in the same order again, so that a job can go on
//! where it stopped by passing over as many as it had.

#[cfg(feature = "csv")]
mod csv;
mod fields;
mod ids;
mod jsonl;
mod lines;
mod text;

#[cfg(feature = "csv")]
pub use csv::{CsvRows, csv_records};
pub use fields::NestedFields;
pub use ids::MissingIds;
pub use jsonl::{JsonLines, jsonl_records};
pub use text::{TextFiles, text_records};

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Call, Error, InvalidInput, Result};

/// What a record may take in a source, unless the caller says otherwise.
const MAX_LEN: usize = 64 << 20;

/// What is read, for errors.
#[derive(Debug, Clone)]
struct Origin {
    /// The function that was called.
    reader: &'static str,
    /// The path as it was given, or the caller's name for what is read.
    name: String,
}

impl Origin {
    fn new(reader: &'static str, name: impl Into<String>) -> Origin {
        let name = name.into();
        Origin { reader, name }
    }

    /// A file to read from.
    fn open(reader: &'static str, path: &Path) -> Result<(Origin, File)> {
        let origin = Origin::new(reader, path.display().to_string());
        match File::open(path) {
            Ok(file) => Ok((origin, file)),
            Err(error) => Err(origin.io(error)),
        }
    }

    /// The error of a record that cannot be read.
    fn unreadable(&self, place: String, why: String) -> Error {
        let call = Call::new(self.reader, Some(&self.name));
        call.invalid(InvalidInput::Unreadable { place, why })
    }

    fn io(&self, source: io::Error) -> Error {
        let message = format!("cannot read {}", self.name);
        Error::Io { message, source }
    }
}
