//! [`Batches`]: calls that are too large for one request.

use std::ops::Range;

use super::Collection;
use super::progress;
use crate::error::{Error, Result};
use crate::model::json_len::json_len;
use crate::model::progress::Progress;
use crate::transport::Operation;
use crate::wire::cut;

/// A call about many entries (records, ids or queries), sent in as many requests as its limits require.
pub(super) struct Batches<S> {
    pub(super) operation: &'static Operation,
    /// The number of entries.
    pub(super) count: usize,
    /// Returns the size of the entry at an index, in bytes.
    pub(super) entry_size: S,
    /// The size of a request without entries, in bytes.
    pub(super) overhead: usize,
    /// The maximum number of entries per request.
    pub(super) max_count: usize,
}

/// The result of [`Batches::send`].
pub(super) struct Sent {
    /// The payload size that the server accepted, in bytes, if it refused a larger one (413).
    pub(super) reduced_payload: Option<usize>,
}

/// A failed request. The entries before its range are done. No later ones were sent.
pub(super) struct FailedRequest {
    error: Error,
    range: Range<usize>,
}

impl FailedRequest {
    /// Returns the error of a call about these ids, which says what happened to each of them.
    pub(super) fn with_ids<S: AsRef<str>>(self, ids: &[S]) -> Error {
        self.error.stopped(ids, self.range)
    }
}

impl From<FailedRequest> for Error {
    fn from(failed: FailedRequest) -> Error {
        failed.error
    }
}

impl<S: Fn(usize) -> usize> Batches<S> {
    /// Sends all requests, one after the other. `send` is passed the entries of a request, and their
    /// approximate size in bytes. A request is also limited by the client's payload size.
    ///
    /// If the server refuses a request as too large, this request and all later ones are cut to
    /// half of its size.
    pub(super) fn send(
        &self,
        collection: &Collection,
        mut send: impl FnMut(Range<usize>, usize) -> Result<()>,
    ) -> Result<Sent, FailedRequest> {
        let max_payload = collection.client().max_payload_size();
        let mut max_bytes = max_payload.saturating_sub(self.overhead);
        let mut reduced_payload = None;
        let mut start = 0;
        while start < self.count {
            let (range, bytes) = cut::fit(
                start,
                self.count,
                &self.entry_size,
                self.max_count,
                max_bytes,
            );
            match send(range.clone(), bytes) {
                Ok(()) => {
                    start = range.end;
                    self.report_progress(collection, start);
                }
                Err(Error::TooLarge { status, .. }) if range.len() > 1 => {
                    max_bytes = bytes / 2;
                    // Any other status is about the entries of this request, such as a limit of SQLite.
                    if status == 413 {
                        reduced_payload = Some(max_bytes + self.overhead);
                    }
                }
                Err(error) => return Err(FailedRequest { error, range }),
            }
        }
        Ok(Sent { reduced_payload })
    }

    fn report_progress(&self, collection: &Collection, done: usize) {
        let stage = progress::stage(self.operation);
        let progress = Progress::new(self.operation.name, stage, done as u64);
        collection.report_progress(&progress.out_of(self.count as u64));
    }
}

/// Returns the requests of a read or a deletion by ids, of at most `max_count` ids each. `overhead` is the
/// size of a request without ids, in bytes.
pub(super) fn of_ids(
    operation: &'static Operation,
    ids: &[String],
    overhead: usize,
    max_count: usize,
) -> Batches<impl Fn(usize) -> usize> {
    Batches {
        operation,
        count: ids.len(),
        entry_size: |index: usize| json_len(&ids[index]) + ",".len(),
        overhead,
        max_count,
    }
}
