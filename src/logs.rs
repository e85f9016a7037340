//! Log lines: their targets, and the key-values that those about a request have in common.

use std::fmt;
use std::time::Duration;

use log::kv::Value;
use log::{Level, Record};

use crate::error::Error;

/// Each request, and each retry.
pub(crate) const HTTP: &str = "chroma_blocking::http";
/// A client's settings, and what became of a request whose answer was lost.
pub(crate) const CLIENT: &str = "chroma_blocking::client";
/// Embedding functions, their limits and caches.
pub(crate) const EMBED: &str = "chroma_blocking::embed";
/// Batch jobs.
pub(crate) const INGEST: &str = "chroma_blocking::ingest";
/// Servers on this machine.
#[cfg(feature = "local-server")]
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

/// A line about a request that has failed and what is done now: which it was, the kind of its error and the status, and `more`.
pub(crate) fn failure(
    target: &'static str,
    level: Level,
    error: &Error,
    more: &[(&'static str, Value<'_>)],
    message: fmt::Arguments<'_>,
) {
    if !log::log_enabled!(target: target, level) {
        return;
    }
    let mut pairs = Vec::with_capacity(8);
    pairs.extend(
        error
            .call()
            .map(|call| ("operation", call.operation.into())),
    );
    pairs.extend(of_error(error));
    pairs.extend_from_slice(more);
    line(target, level, &pairs, message);
}

/// What lines say of an error: its kind, and the status where there is one.
pub(crate) fn of_error<'a>(
    error: &Error,
) -> impl Iterator<Item = (&'static str, Value<'a>)> + use<'a> {
    let status = error.status().map(|status| ("status", status.into()));
    [("error", error.kind().into())].into_iter().chain(status)
}

/// A wait as lines show it.
pub(crate) fn wait_ms<'a>(wait: Duration) -> (&'static str, Value<'a>) {
    ("wait_ms", (wait.as_millis() as u64).into())
}
