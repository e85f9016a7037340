//! Calls that are too large for one request.

use std::ops::Range;

use super::{Collection, progress};
use crate::error::{Error, Result};
use crate::model::progress::Progress;
use crate::transport::Operation;
use crate::wire::cut;

impl Collection {
    /// Sends a call about `count` entries in as many requests as it takes, each of at most `max_count` entries and of the
    /// client's payload size. `size` says the bytes of an entry, `around` those that every request has beside; `send` is
    /// given the entries of a request, and about how many bytes they are. What a server refuses as too large is cut in
    /// half, and what comes after it as well: the result is the payload size that this came down to, if it did.
    ///
    /// An error comes with the entries of the request that failed. All in front of these are done, none behind.
    pub(super) fn in_requests(
        &self,
        operation: &'static Operation,
        count: usize,
        size: impl Fn(usize) -> usize,
        around: usize,
        max_count: usize,
        mut send: impl FnMut(Range<usize>, usize) -> Result<()>,
    ) -> Result<Option<usize>, (Error, Range<usize>)> {
        let mut max_bytes = self.client().max_payload_size().saturating_sub(around);
        let (mut start, mut refused) = (0, false);
        while start < count {
            let (range, bytes) = cut::fit(start, count, &size, max_count, max_bytes);
            match send(range.clone(), bytes) {
                Ok(()) => {
                    start = range.end;
                    let (done, total) = (start as u64, Some(count as u64));
                    let stage = progress::stage(operation);
                    self.tell(Progress::new(operation.name, stage, done, total));
                }
                Err(Error::Server { status: 413, .. }) if range.len() > 1 => {
                    max_bytes = bytes / 2;
                    refused = true;
                }
                Err(error) => return Err((error, range)),
            }
        }
        Ok(refused.then_some(max_bytes + around))
    }
}
