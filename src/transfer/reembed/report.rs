//! [`ReembedReport`]: the result of a re-embedding.

use std::fmt;
use std::time::Duration;

use crate::collection::Collection;
use crate::model::report::{state, write_counts, write_withheld};
use crate::printable::OneLine;
use crate::transfer::load::Counts;

/// The result of a re-embedding. Its `Display` is one line: `notes-reembedded: 12000 written, 12000 embedded in
/// 60.0 s, verified`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReembedReport {
    /// The new collection, opened with the new function.
    pub collection: Collection,
    /// The number of records of the old collection.
    pub records: u64,
    /// Records that the server acknowledged. A record that was written twice counts twice.
    pub written: u64,
    /// Texts that were embedded, including those from a cache.
    pub embedded: u64,
    /// How many of the embedded texts came from a cache, if the embedding function reports it.
    pub cached: u64,
    /// Records whose metadata or URI was written again with the vector that they had, because only these had
    /// changed.
    pub updated: u64,
    /// Records that the new collection had already.
    pub skipped: u64,
    /// Records that were deleted because the old collection no longer has them.
    pub deleted: u64,
    /// Records of the new collection that the old one does not have and that were kept, for the reason in
    /// [`withheld_because`](ReembedReport::withheld_because). The new collection is not `verified` then.
    pub withheld: u64,
    /// Why records were kept, in words.
    pub withheld_because: Option<String>,
    /// Records that an earlier run had written, according to the checkpoint.
    pub resumed: u64,
    /// Records that were left out because they have no text. After a stopped run, only those that this run
    /// has read.
    pub without_document: u64,
    /// The settings that the server cannot store, a sentence each. Empty unless losses are allowed.
    pub losses: Vec<String>,
    /// Whether the documents, URIs and metadata of all records were compared, and were equal.
    pub verified: bool,
    /// Repeated requests.
    pub retries: u64,
    /// The time from the start to the end of the run.
    pub elapsed: Duration,
    /// Whether the caller's flag stopped the run before its end.
    pub cancelled: bool,
}

impl ReembedReport {
    pub(super) fn new(collection: Collection, counts: &Counts) -> ReembedReport {
        ReembedReport {
            collection,
            records: 0,
            written: counts.written,
            embedded: counts.embedded,
            cached: counts.cached,
            updated: counts.kept,
            skipped: counts.skipped,
            deleted: counts.deleted,
            withheld: counts.withheld,
            withheld_because: counts.withheld_because.map(str::to_owned),
            resumed: 0,
            without_document: 0,
            losses: Vec::new(),
            verified: false,
            retries: counts.retries,
            elapsed: Duration::ZERO,
            cancelled: false,
        }
    }
}

impl fmt::Display for ReembedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = state(false, self.cancelled);
        let name = OneLine(self.collection.name());
        write!(f, "{name}: {stopped}{} written", self.written)?;
        write!(f, ", {} embedded", self.embedded)?;
        let rest = [
            (self.cached, "from the cache"),
            (self.updated, "updated without embedding"),
            (self.deleted, "deleted"),
            (self.resumed, "already done"),
            (self.without_document, "left out without a document"),
            (self.retries, "retries"),
        ];
        write_counts(f, &rest)?;
        write_withheld(f, self.withheld, self.withheld_because.as_deref())?;
        write!(f, " in {:.1} s", self.elapsed.as_secs_f64())?;
        if self.verified {
            f.write_str(", verified")?;
        }
        Ok(())
    }
}
