//! Backups: folders of JSON Lines with checksums.
//!
//! # Format
//! A backup is a folder, or a `.tar` stream with the same files, which unpacks to that folder:
//!
//! - `manifest.json`: the version of the format, who made the backup and when, and for each collection its
//!   name, settings, number of records, content hash, and files. Of an incremental backup also the base.
//! - `0000/000000.jsonl`, `0000/000001.jsonl` …: the records of the first collection, oldest first, a line for
//!   each, as [`Export`](crate::collection::Export) writes them. A file has about 16 MiB or less. The second
//!   collection is in `0001`, and so on.
//! - `SHA256SUMS`: the checksums of all these files, for `sha256sum -c SHA256SUMS`. It is written last.
//!
//! In an incremental backup, the files of a collection have only the records that are new or changed since the
//! base, and a line `{"id":"…","deleted":true}` for each record that is gone. Changed records are restored
//! after unchanged ones, in the order of the changes.
//!
//! The content hash is the sum (wrapping, 64 bits) of the XXH3 hashes of all lines, without line breaks. Lines
//! are hashed without their vectors unless the distance function is known to be `l2` or `ip`, since servers
//! return other vectors with other last digits once they are in the index.

mod chain;
mod folder;
mod hash;
mod known;
mod line;
mod manifest;
mod report;
mod restore;
mod sink;
mod source;
mod write;

pub use manifest::{Base, Manifest, ManifestCollection};
pub use report::BackupReport;
pub use restore::Restore;
pub use write::Backup;
