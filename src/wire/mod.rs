//! Writes request bodies and reads responses. Nothing goes through `serde_json::Value`.

mod column;
pub(crate) mod cursor;
pub(crate) mod cut;
mod float;
pub(crate) mod hits;
pub(crate) mod line;
mod print;
pub(crate) mod read;
pub(crate) mod requested;
mod weight;
pub(crate) mod write;
