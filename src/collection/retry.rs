//! Retries of reads that fail because a record is deleted while the server reads it.

use crate::client::chroma;
use crate::error::Result;

/// The maximum number of retries.
const MAX_RETRIES: u32 = 5;

/// Repeats a read as long as a single-node server reports that one of its records is gone, at most five
/// times.
///
/// `read` is passed the number of attempts before this one.
///
/// # Errors
/// Any other error of `read`, and the error of the last attempt.
pub(super) fn retry_if_record_gone<T>(mut read: impl FnMut(u32) -> Result<T>) -> Result<T> {
    for attempt in 0..MAX_RETRIES {
        match read(attempt) {
            Err(error) if chroma::is_record_gone(&error) => {}
            result => return result,
        }
    }
    read(MAX_RETRIES).map_err(chroma::explain_gone_record)
}
