//! The targets of log lines, and the key-values that lines about a request have.

use std::fmt;
use std::time::Duration;

use log::kv::Value;
use log::{Level, Record};

use crate::error::Error;
use crate::printable::{OneLine, is_unprintable};

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

/// A key-value of a line.
pub(crate) type Pair<'a> = (&'static str, Value<'a>);

/// A line with a variable number of key-values, which `log`'s macros do not support.
pub(crate) struct Line<'a> {
    target: &'static str,
    level: Level,
    pairs: &'a [Pair<'a>],
}

impl<'a> Line<'a> {
    pub(crate) fn new(target: &'static str, level: Level, pairs: &'a [Pair<'a>]) -> Line<'a> {
        Line {
            target,
            level,
            pairs,
        }
    }

    /// Logs the message, as one line. Call it only if the level is enabled.
    pub(crate) fn log(&self, message: fmt::Arguments<'_>) {
        log::logger().log(
            &Record::builder()
                .target(self.target)
                .level(self.level)
                .module_path_static(Some(self.target))
                .key_values(&self.pairs)
                .args(format_args!("{}", OneLine(message)))
                .build(),
        );
    }

    /// Logs a failed request and the next step, if the level is enabled. The key-values are the operation, the
    /// kind of the error, the status, and those of the line.
    pub(crate) fn log_failure(&self, error: &Error, next: fmt::Arguments<'_>) {
        if !log::log_enabled!(target: self.target, self.level) {
            return;
        }
        let operation = error.call().map(|call| call.operation);
        let mut pairs = Vec::with_capacity(8);
        pairs.extend(operation.map(|name| ("operation", name.into())));
        pairs.extend(of_error(error));
        pairs.extend_from_slice(self.pairs);
        let line = Line::new(self.target, self.level, &pairs);
        line.log(format_args!("{error:#}; {next}"));
    }
}

/// Returns the key-values of an error: its kind, and the status if there is one.
pub(crate) fn of_error<'a>(error: &Error) -> impl Iterator<Item = Pair<'a>> + use<'a> {
    let status = error.status().map(|status| ("status", status.into()));
    [("error", error.kind().into())].into_iter().chain(status)
}

/// Returns a text as a log value. Loggers do not escape values, so a text with unprintable characters becomes
/// `(unprintable)`.
pub(crate) fn text(text: &str) -> Value<'_> {
    if text.contains(is_unprintable) {
        "(unprintable)".into()
    } else {
        text.into()
    }
}

/// Returns the key-value of a wait, in milliseconds.
pub(crate) fn wait_ms<'a>(wait: Duration) -> Pair<'a> {
    ("wait_ms", (wait.as_millis() as u64).into())
}
