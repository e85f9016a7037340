//! Backups: folders of JSON Lines with checksums.
//!
//! # Format
//! A backup is a folder, or a `.tar` stream with the same files, which unpacks to that folder:
//!
//! - `manifest.json`: the version of the format, who made the backup and when, and for each collection its
//!   name, settings, number of records, and the size and SHA-256 of its parts.
//! - `0000/000000.jsonl`, `0000/000001.jsonl` …: the parts of the first collection. They have its records,
//!   oldest first, a line for each, as [`Export`](crate::collection::Export) writes them. The second collection
//!   is in `0001`, and so on.
//! - `SHA256SUMS`: the checksums of all these files, for `sha256sum -c SHA256SUMS`. It is written last.
//!
//! # Incremental backups
//! Every backup is complete. With [`Backup::since`], a part that an earlier backup has as well is not written
//! again, but is a hard link to the earlier file. So a folder can be deleted at any time without an effect on
//! the others.
//!
//! Ids decide where a part ends: on average after 256 records, and in any case after 1,000 records or 16 MiB. So
//! a new, changed or deleted record changes one part, rarely two, and all others stay the same.

mod folder;
mod manifest;
mod report;
mod restore;
mod sink;
mod source;
mod write;

pub use manifest::{Manifest, ManifestCollection};
pub use report::BackupReport;
pub use restore::Restore;
pub use write::Backup;
