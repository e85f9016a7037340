//! What users hold: records, vectors, metadata, filters, searches and results. Knows nothing of HTTP.

pub(crate) mod collection_name;
pub(crate) mod embeddings;
pub(crate) mod filter;
pub(crate) mod metadata;
pub(crate) mod record;
pub(crate) mod results;
pub(crate) mod search;
pub(crate) mod space;
