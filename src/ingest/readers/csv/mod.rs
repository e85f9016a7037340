//! Records from CSV files.

mod bounded;
mod columns;
mod rows;

pub use rows::{CsvRows, csv_records};
