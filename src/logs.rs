//! Log lines: their targets, and the key-values that those about a request have in common.

use std::fmt;

use log::kv::Value;
use log::{Level, Record};

/// Each request, and each retry.
pub(crate) const HTTP: &str = "chroma_blocking::http";
/// A client's settings, and what became of a request whose answer was lost.
pub(crate) const CLIENT: &str = "chroma_blocking::client";
/// Embedding functions, their limits and caches.
pub(crate) const EMBED: &str = "chroma_blocking::embed";
/// Batch jobs.
pub(crate) const INGEST: &str = "chroma_blocking::ingest";
/// Servers on this machine.
pub(crate) const LOCAL: &str = "chroma_blocking::local";

/// A line with key-values of which not all are always there, as `log`'s own macros want it. To be called where the level is
/// enabled.
pub(crate) fn line(
    target: &'static str,
    level: Level,
    pairs: &[(&str, Value<'_>)],
    message: fmt::Arguments<'_>,
) {
    log::logger().log(
        &Record::builder()
            .target(target)
            .level(level)
            .module_path_static(Some(target))
            .key_values(&pairs)
            .args(message)
            .build(),
    );
}
