//! Calls that are too large for one request.

use std::ops::Range;

use super::Collection;
use crate::error::{Error, Result};
use crate::wire::cut;

impl Collection {
    /// Sends a call about `count` entries in as many requests as it takes, each of at most `max_count` entries and of the
    /// client's payload size. `size` says the bytes of an entry; `send` is given the entries of a request, and about how
    /// many bytes they are. What a server refuses as too large is cut in half, and what comes after it as well.
    ///
    /// An error comes with the entries of the request that failed. All in front of these are done, none behind.
    pub(super) fn in_requests(
        &self,
        count: usize,
        size: impl Fn(usize) -> usize,
        max_count: usize,
        mut send: impl FnMut(Range<usize>, usize) -> Result<()>,
    ) -> Result<(), (Error, Range<usize>)> {
        let mut max_bytes = self.client().max_payload_size();
        let mut start = 0;
        while start < count {
            let (range, bytes) = cut::fit(start, count, &size, max_count, max_bytes);
            match send(range.clone(), bytes) {
                Ok(()) => {
                    self.client().limit_payload_size(max_bytes);
                    start = range.end;
                }
                Err(Error::Server { status: 413, .. }) if range.len() > 1 => max_bytes = bytes / 2,
                Err(error) => return Err((error, range)),
            }
        }
        Ok(())
    }
}
