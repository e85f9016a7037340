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
    /// The number of texts, records, ids or queries that are done; for a download, the number of bytes. For a
    /// batch job, the number of input items that were handled, including those of an earlier run: the position
    /// in the input.
    pub done: u64,
    /// The total number; `None` if it is not known. A batch job knows it if its iterator does, as that of a
    /// `Vec` does.
    pub total: Option<u64>,
    /// For a batch job, the part of the input that [`done`](Progress::done) covers, in items before
    /// [`TextSplitter`](crate::ingest::TextSplitter) splits them: lines of a file, files of a folder. The same
    /// as `done` if neither a splitter nor a reader of this crate is used. 0 for any other call.
    pub input_items: u64,
    /// For a batch job, the part of the input that `done` covers, in bytes, if a reader of this crate reads
    /// it; 0 otherwise.
    pub input_bytes: u64,
    /// The size of the input in bytes, if a reader of this crate reads it and knows the size, as
    /// [`jsonl_records`](crate::ingest::jsonl_records) and [`text_records`](crate::ingest::text_records) do.
    /// If an iterator chains readers, those that have been started count.
    pub input_bytes_total: Option<u64>,
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
    /// Comparing the records of a copy with those of its source.
    Comparing,
    /// Downloading a file, counted in bytes.
    Downloading,
}

/// The operations whose `done` counts items of their input: written, skipped and failed ones.
const BATCH_JOBS: [&str; 4] = ["ingest", "copy", "reembed", "restore"];

impl Progress {
    /// Returns the progress of a call whose total is unknown.
    pub(crate) fn new(operation: &'static str, stage: ProgressStage, done: u64) -> Progress {
        Progress {
            operation,
            stage,
            done,
            total: None,
            input_items: 0,
            input_bytes: 0,
            input_bytes_total: None,
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

    fn percent_of_input(&self) -> Option<u64> {
        let total = self.input_bytes_total?;
        // A file may have grown.
        let bytes = self.input_bytes.min(total);
        u64::try_from(u128::from(bytes) * 100 / u128::from(total).max(1)).ok()
    }
}

/// `upsert: 2000 of 10000 written`; for a batch job, `ingest: 2000 items done, 1990 written, 10 failed`, with
/// `45 % of the input` after the items if its size is known; for a download, `download: 21.5 of 83.2 MB`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |count: u64| match self.stage {
            ProgressStage::Downloading => format!("{:.1}", count as f64 / 1e6),
            _ => count.to_string(),
        };
        write!(f, "{}: {}", self.operation, shown(self.done))?;
        if let Some(total) = self.total {
            write!(f, " of {}", shown(total))?;
        }
        if BATCH_JOBS.contains(&self.operation) && self.stage != ProgressStage::Comparing {
            f.write_str(" items done")?;
            if let Some(percent) = self.percent_of_input() {
                write!(f, ", {percent} % of the input")?;
            }
            write!(f, ", {} written", self.written)?;
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
        f.write_str(match self.stage {
            ProgressStage::Embedding => " embedded",
            ProgressStage::Reading => " read",
            ProgressStage::Writing => " written",
            ProgressStage::Deleting => " deleted",
            ProgressStage::Comparing => " compared",
            ProgressStage::Downloading => " MB",
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
        let downloading = Progress::new("download", ProgressStage::Downloading, 21_500_000);
        assert_eq!(downloading.to_string(), "download: 21.5 MB");
        let downloading = downloading.out_of(83_178_821);
        assert_eq!(downloading.to_string(), "download: 21.5 of 83.2 MB");
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
        let of_file = Progress {
            input_bytes: 120,
            input_bytes_total: Some(1_000),
            ..Progress::new("ingest", ProgressStage::Writing, 7).out_of(9)
        };
        assert_eq!(
            of_file.to_string(),
            "ingest: 7 of 9 items done, 12 % of the input, 0 written"
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
