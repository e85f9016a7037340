//! Records from CSV files.

mod columns;
mod header;
mod rows;
mod source;

pub use rows::{CsvRows, csv_records};
