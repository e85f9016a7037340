//! [`BackupReport`]: the result of a backup.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::model::report::{seconds, state};

/// The result of a backup. Its `Display` is one line: `2 collections, 12000 records: 47 parts, 28.1 MB (44
/// parts and 26.3 MB reused) in 1.5 s`. Serialized, it has `seconds` instead of `elapsed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// The number of collections.
    pub collections: u64,
    /// The number of records in them.
    pub records: u64,
    /// The number of files with records.
    pub parts: u64,
    /// Those of them that are hard links to files of the [earlier backup](crate::transfer::Backup::since).
    pub reused_parts: u64,
    /// The size of all files.
    pub bytes: u64,
    /// The size of the reused files.
    pub reused_bytes: u64,
    /// The SHA-256 of the file `SHA256SUMS`, and so of the whole backup. Empty if the backup was cancelled.
    pub sha256: String,
    /// The time from the start to the end of the run.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Whether the caller's flag stopped the backup, so that nothing was kept.
    pub cancelled: bool,
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let megabytes = |bytes| bytes as f64 / 1e6;
        let (collections, records, parts) = (self.collections, self.records, self.parts);
        f.write_str(state(false, self.cancelled))?;
        write!(f, "{collections} collection{}, ", plural(collections))?;
        write!(f, "{records} record{}: ", plural(records))?;
        write!(f, "{parts} part{}", plural(parts))?;
        write!(f, ", {:.1} MB", megabytes(self.bytes))?;
        if self.reused_parts > 0 {
            let (parts, size) = (self.reused_parts, megabytes(self.reused_bytes));
            write!(
                f,
                " ({parts} part{} and {size:.1} MB reused)",
                plural(parts)
            )?;
        }
        write!(f, " in {:.1} s", self.elapsed.as_secs_f64())
    }
}
