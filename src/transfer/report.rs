//! [`CopyReport`]: the result of a copy.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::collection::Collection;
use crate::model::report::{per_second, seconds, state, write_counts, write_withheld};

/// The result of a copy, a restore or a re-embedding. Its `Display` is one line: `notes: 12000 written, 3 skipped
/// in 60.0 s, 200 per second, verified`. Serialized, it has `seconds` instead of `elapsed`, and no `target`.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// The name of the target.
    pub collection: String,
    /// The target. After a re-embedding, it uses the new function. `None` if there is none: in a dry run that
    /// would create it, or in a run that was stopped before that.
    #[serde(skip)]
    pub target: Option<Collection>,
    /// The number of records of the source when it was listed.
    pub records: u64,
    /// Records that the target's server acknowledged. In a dry run, records that would be written. A record that
    /// was written twice counts twice.
    pub written: u64,
    /// Records that the target had already when the run started.
    pub skipped: u64,
    /// Records of the target that were deleted because the source does not have them.
    pub deleted: u64,
    /// Records of the target that the source does not have and that were kept, for the reason in
    /// [`withheld_because`](CopyReport::withheld_because). The copy is not `verified` then.
    pub withheld: u64,
    /// Why records were kept, in words. A [mirror](super::IfExists::Mirror) of a source without records deletes
    /// nothing, because that is more likely a mistake.
    pub withheld_because: Option<String>,
    /// Records that an earlier run of the same checkpoint had written.
    pub resumed: u64,
    /// Texts that were embedded, including those from a cache. Only in a re-embedding.
    pub embedded: u64,
    /// How many of the embedded texts came from a cache, if the embedding function reports it.
    pub cached: u64,
    /// Records whose metadata or URI was written again with the vector that they had, because only these had
    /// changed. Only in a re-embedding.
    pub updated: u64,
    /// Records that were left out because they have no text to embed. After a stopped run, only those that this
    /// run has read.
    pub without_document: u64,
    /// The settings that the target's server cannot store, a sentence each. Empty unless losses are allowed.
    pub losses: Vec<String>,
    /// Whether all records were compared with those of the source, and were equal.
    pub verified: bool,
    /// Repeated requests.
    pub retries: u64,
    /// The time from the start to the end of the run.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Whether the caller's flag stopped the run before its end.
    pub cancelled: bool,
    /// Whether this was a dry run.
    pub dry_run: bool,
}

impl CopyReport {
    /// Returns the number of records written per second.
    pub fn per_second(&self) -> f64 {
        per_second(self.written, self.elapsed)
    }
}

impl fmt::Display for CopyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = state(self.dry_run, self.cancelled);
        write!(f, "{}: {state}{} written", self.collection, self.written)?;
        let rest = [
            (self.embedded, "embedded"),
            (self.cached, "from the cache"),
            (self.updated, "updated without embedding"),
            (self.skipped, "skipped"),
            (self.deleted, "deleted"),
            (self.resumed, "already done"),
            (self.without_document, "left out without a document"),
            (self.retries, "retries"),
        ];
        write_counts(f, &rest)?;
        write_withheld(f, self.withheld, self.withheld_because.as_deref())?;
        let seconds = self.elapsed.as_secs_f64();
        write!(f, " in {seconds:.1} s, {:.0} per second", self.per_second())?;
        if self.verified {
            f.write_str(", verified")?;
        }
        Ok(())
    }
}
