//! Bytes: request bodies out, rows and floats in. Nothing goes through `serde_json::Value`.

pub(crate) mod cut;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod write;
