//! [`Progress`]: the progress of a long call.

use std::fmt;

/// The progress of a long call, reported while it runs.
///
/// Every `on_progress` of this crate passes one of these, as does
/// [`Collection::with_progress`](crate::Collection::with_progress). Its `Display` is one readable line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The operation, as errors and logs name it: `upsert`, `query`, `export`, `embed`, `ingest` …
    pub operation: &'static str,
    /// The current stage.
    pub stage: ProgressStage,
    /// The number of texts, records, ids or queries that are done. For a batch job, the number of input items
    /// that were handled, including those of an earlier run: the position in the input.
    pub done: u64,
    /// The total number; `None` if it is not known.
    pub total: Option<u64>,
    /// Records that this run of a batch job wrote; 0 for any other call.
    pub written: u64,
    /// Records that this run of a batch job skipped; 0 for any other call.
    pub skipped: u64,
    /// Bad records that this run of a batch job left out; 0 for any other call.
    pub failed: u64,
    /// Records that this run of a batch job deleted, or would delete in a dry run; 0 for any other call.
    pub deleted: u64,
}

/// The stage of a call. A write embeds all of its texts before it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProgressStage {
    /// Embedding texts.
    Embedding,
    /// Reading records.
    Reading,
    /// Writing records.
    Writing,
    /// Deleting records.
    Deleting,
}

/// The name of the operation whose `done` counts items of its input: written, skipped and failed ones.
const BATCH_JOB: &str = "ingest";

impl Progress {
    /// Returns the progress of a call whose total is unknown.
    pub(crate) fn new(operation: &'static str, stage: ProgressStage, done: u64) -> Progress {
        Progress {
            operation,
            stage,
            done,
            total: None,
            written: 0,
            skipped: 0,
            failed: 0,
            deleted: 0,
        }
    }

    /// Sets the total.
    pub(crate) fn out_of(mut self, total: u64) -> Progress {
        self.total = Some(total);
        self
    }
}

/// `upsert: 2000 of 10000 written`; for a batch job, `ingest: 2000 items done, 1990 written, 10 failed`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.done)?;
        if self.operation == BATCH_JOB {
            write!(f, " items done, {} written", self.written)?;
            let counts = [
                (self.skipped, "skipped"),
                (self.failed, "failed"),
                (self.deleted, "deleted"),
            ];
            for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
                write!(f, ", {count} {what}")?;
            }
            return Ok(());
        }
        if let Some(total) = self.total {
            write!(f, " of {total}")?;
        }
        f.write_str(match self.stage {
            ProgressStage::Embedding => " embedded",
            ProgressStage::Reading => " read",
            ProgressStage::Writing => " written",
            ProgressStage::Deleting => " deleted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_a_line_for_people() {
        let embedding = Progress::new("upsert", ProgressStage::Embedding, 7).out_of(9);
        assert_eq!(embedding.to_string(), "upsert: 7 of 9 embedded");
        let deleting = Progress::new("delete", ProgressStage::Deleting, 7).out_of(9);
        assert_eq!(deleting.to_string(), "delete: 7 of 9 deleted");
        let reading = Progress::new("export", ProgressStage::Reading, 7);
        assert_eq!(reading.to_string(), "export: 7 read");
    }

    #[test]
    fn display_of_a_batch_job_tells_items_from_records() {
        let resumed = Progress {
            written: 2,
            failed: 1,
            ..Progress::new("ingest", ProgressStage::Writing, 7)
        };
        assert_eq!(
            resumed.to_string(),
            "ingest: 7 items done, 2 written, 1 failed"
        );
        let syncing = Progress {
            deleted: 3,
            ..Progress::new("ingest", ProgressStage::Deleting, 7)
        };
        assert_eq!(
            syncing.to_string(),
            "ingest: 7 items done, 0 written, 3 deleted"
        );
    }
}
