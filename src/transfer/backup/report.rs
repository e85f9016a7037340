//! [`BackupReport`]: the result of a backup.

use std::fmt;
use std::time::Duration;

use crate::model::report::{state, write_counts};

/// The result of a backup. Its `Display` is one line: `2 collections, 12000 records: 40 written, 11960
/// unchanged, 3 deleted, 0.2 MB in 1.5 s`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The number of collections.
    pub collections: u64,
    /// The number of records in them.
    pub records: u64,
    /// Records in this backup: all, or for an incremental backup those that are new or changed.
    pub written: u64,
    /// Records of an incremental backup that are in its base.
    pub unchanged: u64,
    /// Records that an incremental backup lists as deleted since its base.
    pub deleted: u64,
    /// The size of all files.
    pub bytes: u64,
    /// The SHA-256 of the file `SHA256SUMS`, and so of the whole backup. Empty if the backup was cancelled.
    pub sha256: String,
    /// The time from the start to the end of the run.
    pub elapsed: Duration,
    /// Whether the caller's flag stopped the backup, so that nothing was kept.
    pub cancelled: bool,
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(state(false, self.cancelled))?;
        let (collections, records) = (self.collections, self.records);
        let plural = |count| if count == 1 { "" } else { "s" };
        write!(f, "{collections} collection{}, ", plural(collections))?;
        write!(
            f,
            "{records} record{}: {} written",
            plural(records),
            self.written
        )?;
        write_counts(
            f,
            &[(self.unchanged, "unchanged"), (self.deleted, "deleted")],
        )?;
        let (megabytes, seconds) = (self.bytes as f64 / 1e6, self.elapsed.as_secs_f64());
        write!(f, ", {megabytes:.1} MB in {seconds:.1} s")
    }
}
