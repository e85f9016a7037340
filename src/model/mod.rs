//! The types that users hold: records, vectors, metadata, filters, searches, schemas and results.

pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod configuration;
pub(crate) mod differences;
pub(crate) mod embeddings;
pub mod filter;
pub(crate) mod index;
pub(crate) mod index_metadata;
pub(crate) mod json_len;
pub(crate) mod max_distance;
pub(crate) mod metadata;
pub(crate) mod name;
pub(crate) mod open;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod report;
pub(crate) mod results;
pub mod schema;
pub mod search;
pub(crate) mod space;
