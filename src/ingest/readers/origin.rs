//! [`Origin`]: names the source of records in errors.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::durable::in_use::{InUse, Purpose};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::printable::short;

/// The default of the maximum size of a record in its source: 64 MiB.
pub(super) const MAX_LEN: usize = 64 << 20;

/// A reader and its source.
#[derive(Debug)]
pub(super) struct Origin {
    /// The name of the reader.
    reader: &'static str,
    /// The path as it was given, or the caller's name for the source.
    pub(super) name: String,
    /// Records that the file is read, so that nothing in this process writes to it.
    _in_use: Option<InUse>,
}

impl Origin {
    pub(super) fn new(reader: &'static str, name: impl Into<String>) -> Origin {
        Origin {
            reader,
            name: name.into(),
            _in_use: None,
        }
    }

    /// Opens a file.
    pub(super) fn open(reader: &'static str, path: &Path) -> Result<(Origin, File)> {
        let origin = Origin::new(reader, path.display().to_string());
        let file = File::open(path).map_err(|error| origin.io(error))?;
        let in_use = InUse::claim(path, Purpose::Input).ok().flatten();
        let origin = Origin {
            _in_use: in_use,
            ..origin
        };
        Ok((origin, file))
    }

    /// Returns the error of a record that cannot be read.
    pub(super) fn unreadable(&self, place: String, why: &str) -> Error {
        self.invalid(place, why, false)
    }

    /// Returns the error of a record after which nothing more can be read.
    pub(super) fn unreadable_rest(&self, place: String, why: &str) -> Error {
        self.invalid(place, why, true)
    }

    fn invalid(&self, place: String, why: &str, is_last: bool) -> Error {
        let why = short(why).into_owned();
        let call = Call::new(self.reader, Some(&self.name));
        call.invalid(InvalidInput::Unreadable {
            place,
            why,
            is_last,
        })
    }

    /// Returns the error of a source that cannot be read.
    pub(super) fn io(&self, source: io::Error) -> Error {
        let message = format!("cannot read {}", self.name);
        Error::Io { message, source }
    }
}
