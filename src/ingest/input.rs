//! [`TryIntoRecord`]: what the input of a job may consist of.

use std::error::Error as StdError;
use std::io;

use crate::error::{Error, InvalidInput};
use crate::model::record::Record;

/// The reason why an item of an input could not be read: any error.
type BoxError = Box<dyn StdError + Send + Sync>;

/// An item of the input of a job: a [`Record`], or a `Result` of one with any error type.
///
/// An error means one of two things:
///
/// - The source itself failed, if the error is [`Error::Io`], an [`io::Error`] other than
///   [`io::ErrorKind::InvalidData`], or an error after which a reader of this crate cannot continue, such as
///   one in the header of a CSV file. The following items are unknown then. The job writes what it has read,
///   and stops.
/// - The item is a bad record, if it is any other error. [`BadRecords`](crate::ingest::BadRecords) decides
///   whether the job continues.
pub trait TryIntoRecord {
    /// Returns the record.
    ///
    /// # Errors
    /// If the item could not be read.
    fn try_into_record(self) -> Result<Record, Box<dyn StdError + Send + Sync>>;
}

impl TryIntoRecord for Record {
    fn try_into_record(self) -> Result<Record, BoxError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> TryIntoRecord for Result<Record, E> {
    fn try_into_record(self) -> Result<Record, BoxError> {
        self.map_err(Into::into)
    }
}

/// Why an item could not be read.
pub(super) enum ReadError {
    /// The source failed: no further items can be read.
    Source(Error),
    /// Only this item is bad, for this reason.
    Item(String),
}

impl From<BoxError> for ReadError {
    fn from(error: BoxError) -> ReadError {
        let error = match error.downcast::<Error>().map(|error| *error) {
            Ok(error @ Error::Io { .. }) => return ReadError::Source(error),
            Ok(error) if is_last(&error) => return ReadError::Source(error),
            Ok(error) => return ReadError::Item(format!("{error:#}")),
            Err(error) => error,
        };
        match error.downcast::<io::Error>() {
            Ok(source) if source.kind() != io::ErrorKind::InvalidData => {
                ReadError::Source(Error::Io {
                    message: "cannot read the input".to_owned(),
                    source: *source,
                })
            }
            Ok(error) => ReadError::Item(error.to_string()),
            Err(error) => ReadError::Item(error.to_string()),
        }
    }
}

/// Whether a reader cannot read anything after this error.
fn is_last(error: &Error) -> bool {
    let Error::Invalid { reason, .. } = error else {
        return false;
    };
    matches!(reason, InvalidInput::Unreadable { is_last: true, .. })
}
