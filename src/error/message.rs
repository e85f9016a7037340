//! The messages of [`Error`], and how `Display` and `Debug` print them with their causes.

use std::error::Error as _;
use std::fmt::{self, Write};

use super::parts::{AfterPrefix, Refused, TryAgain, advice};
use super::variants::Error;
use crate::printable::{Escaping, OneLine};

/// The advice for a broken index.
pub(crate) const REPAIR_OF_INDEX: &str = "restart the server; if that does not help, restore a backup, or delete the \
     collection and fill it again";

/// Prints the message. The alternate form, `{:#}`, prints the message followed by its causes, each after a
/// `": "`. Line breaks and other unprintable characters in text from servers and files are escaped.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        if f.alternate() {
            for cause in causes(self) {
                write!(f, ": {}", OneLine(cause))?;
            }
        }
        Ok(())
    }
}

/// Prints the message and its causes as sentences, so that `fn main() -> chroma_blocking::Result<()>` shows a
/// text.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        if self.source().is_some() {
            f.write_str("\n\nCaused by:")?;
        }
        for cause in causes(self) {
            write!(f, "\n    {}", OneLine(cause))?;
        }
        Ok(())
    }
}

/// The causes of an error, the direct one first.
fn causes<'a>(error: &'a Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

impl Error {
    fn write_message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lines of a local server's error were escaped when it was made.
        if matches!(self, Error::LocalServer { .. }) {
            self.write_unescaped(f)
        } else {
            self.write_unescaped(&mut Escaping(f))
        }
    }

    fn write_unescaped(&self, f: &mut dyn Write) -> fmt::Result {
        if let Some(call) = self.call().filter(|call| !call.operation.is_empty()) {
            write!(f, "{call}: ")?;
        }
        match self {
            Error::Invalid { reason, .. } => write!(f, "{reason}"),
            Error::NotFound { message, .. } => write!(f, "not found: {message}"),
            Error::AlreadyExists { message, .. } => write!(f, "already exists: {message}"),
            Error::Conflict { message, .. } => write!(
                f,
                "conflict: {message}; nothing was written, run the transaction again"
            ),
            Error::Unsupported { message, .. } => {
                write!(f, "not supported by this server: {message}")
            }
            Error::CircuitOpen { retry_after, .. } => {
                write!(
                    f,
                    "the circuit breaker is open{}",
                    TryAgain(Some(*retry_after))
                )
            }
            Error::Decode { message, .. } => write!(f, "cannot read the response: {message}"),
            Error::Embedding { function, .. } => {
                write!(f, "the embedding function {function} failed")
            }
            Error::Reranking { reranker, .. } => write!(f, "the reranker {reranker} failed"),
            Error::PartlyDone { .. } | Error::PartlyEmbedded { .. } | Error::Ingest { .. } => {
                self.write_progress(f)
            }
            Error::Differs { differences, .. } => write!(
                f,
                "the copy differs from its source: {differences}; run the call again to write what differs"
            ),
            Error::Cancelled { .. } => f.write_str("cancelled"),
            Error::LocalServer { message, .. } => write!(f, "local Chroma server: {message}"),
            Error::Cache { message, .. } => write!(f, "embedding cache: {message}"),
            Error::Connection { message, hint, .. } => {
                write!(f, "{message}{}", AfterPrefix("; ", hint))
            }
            Error::Timeout { message, .. } | Error::Io { message, .. } => f.write_str(message),
            Error::Unauthorized { .. }
            | Error::RateLimited { .. }
            | Error::QuotaExhausted { .. }
            | Error::TooLarge { .. }
            | Error::NotChroma { .. }
            | Error::Server { .. }
            | Error::BrokenIndex { .. }
            | Error::Storage { .. } => self.write_response(f),
        }
    }

    /// Writes what a server or a gateway responded.
    fn write_response(&self, f: &mut dyn Write) -> fmt::Result {
        match self {
            Error::Unauthorized {
                status, message, ..
            } => write!(
                f,
                "not authorized (HTTP {status}): {message}; check the key and its permissions"
            ),
            Error::RateLimited {
                retry_after,
                message,
                ..
            } => {
                write!(f, "rate limited{}: {message}", TryAgain(*retry_after))
            }
            Error::QuotaExhausted { quota, message, .. } => {
                let quota = AfterPrefix(" ", quota);
                write!(f, "the quota{quota} is zero or used up: {message}")
            }
            Error::TooLarge {
                status, message, ..
            } => write!(f, "too large for the server (HTTP {status}): {message}"),
            Error::NotChroma { message, .. } => write!(
                f,
                "this is not a Chroma server with the v2 API (Chroma 1.0 or newer): {message}; check the host and port"
            ),
            Error::Server {
                status,
                name,
                retry_after,
                message,
                ..
            } => write!(
                f,
                "HTTP {status}{}{}: {message}{}",
                AfterPrefix(" ", name),
                TryAgain(*retry_after),
                advice(*status, name)
            ),
            Error::BrokenIndex { message, .. } => write!(
                f,
                "the index of the collection is broken: {message}; check the free space of the server's disk, then \
                 {REPAIR_OF_INDEX}"
            ),
            Error::Storage { message, .. } => write!(f, "the server's storage failed: {message}"),
            // All other errors are not about a response.
            _ => Ok(()),
        }
    }

    /// Writes what a call or a job had done when it stopped.
    fn write_progress(&self, f: &mut dyn Write) -> fmt::Result {
        match self {
            Error::PartlyDone {
                done,
                unknown,
                pending,
                ..
            } => {
                let all = done.len() + unknown.len() + pending.len();
                write!(f, "stopped after {} of {all} records", done.len())?;
                match unknown.len() {
                    0 => Ok(()),
                    unknown => write!(f, " ({unknown} more may have been written)"),
                }
            }
            Error::PartlyEmbedded {
                done,
                refused,
                pending,
                ..
            } => {
                let all = done.len() + refused.len() + pending.len();
                let refused = Refused(refused);
                write!(f, "embedded {} of {all} texts{refused}", done.len())
            }
            Error::Ingest { report, .. } => write!(f, "stopped ({report})"),
            // All other errors are about a single step.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::Call;

    fn server(status: u16, name: &str) -> String {
        let error = Error::Server {
            call: Box::new(Call::new("get", None)),
            status,
            name: name.to_owned(),
            retry_after: None,
            message: "words".to_owned(),
        };
        error.to_string()
    }

    #[test]
    fn a_bare_failure_of_the_server_comes_with_advice() {
        for (status, name, end) in [
            (500, "InternalError", "the server's log"),
            (500, "", "the server's log"),
            (502, "", "check that the server runs"),
            (503, "", "not ready yet"),
            (524, "", "check that the server runs"),
        ] {
            let shown = server(status, name);
            assert!(
                shown.contains(": words; ") && shown.ends_with(end),
                "{shown}"
            );
        }
        // Errors that Google names, and errors of the caller.
        for (status, name) in [(500, "INTERNAL"), (503, "UNAVAILABLE"), (400, "")] {
            let shown = server(status, name);
            assert!(shown.ends_with(": words"), "{shown}");
        }
    }

    #[test]
    fn a_conflict_says_that_nothing_was_written() {
        let call = Box::new(Call::new("conditional_commit", Some("notes")));
        let message = "words".to_owned();
        assert_eq!(
            Error::Conflict { call, message }.to_string(),
            "conditional_commit \"notes\": conflict: words; nothing was written, run the transaction again"
        );
    }

    /// A write that failed at its second request, because the connection was reset.
    fn partly_done() -> Error {
        let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer");
        let broken = Error::Connection {
            call: Box::new(Call::new("upsert", Some("notes"))),
            message: "the connection broke".to_owned(),
            hint: String::new(),
            retryable: true,
            source: Some(reset.into()),
        };
        let ids = ["a", "b", "c"];
        broken.stopped(&ids, 1..2)
    }

    #[test]
    fn display_prints_the_message_and_the_alternate_form_its_causes() {
        let error = partly_done();
        assert_eq!(
            error.to_string(),
            "upsert \"notes\": stopped after 1 of 3 records"
        );
        assert_eq!(
            format!("{error:#}"),
            "upsert \"notes\": stopped after 1 of 3 records: upsert \"notes\": the connection broke: reset by peer"
        );
    }

    #[test]
    fn debug_prints_sentences() {
        assert_eq!(
            format!("{:?}", partly_done()),
            "upsert \"notes\": stopped after 1 of 3 records\n\nCaused by:\n    upsert \"notes\": the connection broke\n    reset by peer"
        );
        let cancelled = Error::Cancelled {
            call: Box::new(Call::new("upsert", None)),
        };
        assert_eq!(format!("{cancelled:?}"), "upsert: cancelled");
    }

    #[test]
    fn the_source_of_a_broken_connection_is_the_io_error() {
        let error = partly_done();
        let kinds: Vec<_> = causes(&error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .map(io::Error::kind)
            .collect();
        assert_eq!(kinds, [io::ErrorKind::ConnectionReset]);
    }
}
