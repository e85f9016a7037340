//! The targets of log lines, and the key-values that lines about a request have.

use std::fmt;
use std::time::Duration;

use log::kv::Value;
use log::{Level, Record};

use crate::error::Error;

/// The target for requests and retries.
pub(crate) const HTTP: &str = "chroma_blocking::http";
/// The target for a client's settings, and for requests whose response was lost.
pub(crate) const CLIENT: &str = "chroma_blocking::client";
/// The target for embedding functions, their limits and caches.
pub(crate) const EMBED: &str = "chroma_blocking::embed";
/// The target for batch jobs.
pub(crate) const INGEST: &str = "chroma_blocking::ingest";
/// The target for servers on this machine.
#[cfg(feature = "local-server")]
pub(crate) const LOCAL: &str = "chroma_blocking::local";

/// Logs a line with a variable number of key-values, which `log`'s macros do not support. Call it only if the
/// level is enabled.
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

/// Logs a failed request and the next step. The key-values are the operation, the kind of the error, the
/// status, and `more`.
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

/// Returns the key-values of an error: its kind, and the status if there is one.
pub(crate) fn of_error<'a>(
    error: &Error,
) -> impl Iterator<Item = (&'static str, Value<'a>)> + use<'a> {
    let status = error.status().map(|status| ("status", status.into()));
    [("error", error.kind().into())].into_iter().chain(status)
}

/// Returns the key-value of a wait, in milliseconds.
pub(crate) fn wait_ms<'a>(wait: Duration) -> (&'static str, Value<'a>) {
    ("wait_ms", (wait.as_millis() as u64).into())
}
