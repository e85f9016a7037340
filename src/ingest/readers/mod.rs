//! Readers of files: iterators of `Result<Record>`.
//!
//! All of them hold one record in memory at a time, and return an `Err` in place of a record that cannot be
//! read, then continue. A source that has not changed gives the same items in the same order again, so a job
//! can resume by skipping as many items as it has done.
//!
//! A document that is empty is read as such. The job leaves such records out, and counts them.

#[cfg(feature = "csv")]
mod csv;
mod encoding;
mod fields;
mod ids;
mod json_faults;
mod jsonl;
mod lines;
mod origin;
mod text;

#[cfg(feature = "csv")]
pub use csv::{CsvRows, csv_records};
pub use fields::NestedFields;
pub use ids::MissingIds;
pub use jsonl::{JsonLines, jsonl_records};
pub use text::{TextFiles, text_records};
