//! [`Call`] and [`RefusedText`]: parts of an [`Error`](super::Error).

use std::fmt;
use std::time::Duration;

/// The call that failed, and how far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// This crate's name for the operation, such as `upsert` or `get_or_create_collection`.
    pub operation: &'static str,
    /// The name of the collection or the model, if there is one.
    pub subject: Option<String>,
    /// The address that the request was sent to, without secrets. Empty if nothing was sent.
    pub url: String,
    /// The number of times the request was sent. 0 if nothing was sent.
    pub attempts: u32,
    /// The time from the start of the call to the error, including waits.
    pub elapsed: Duration,
    /// Whether the server may have changed something, because a response was lost or the server failed while
    /// it worked. Always `false` for a call that only reads.
    pub may_have_acted: bool,
    /// The reason why the client did not repeat the request, although the retry policy had retries left.
    /// `None` if there were none left, or if a repetition would not help.
    pub not_retried_because: Option<&'static str>,
}

impl Call {
    /// Returns a call that has sent nothing yet.
    pub(crate) fn new(operation: &'static str, subject: Option<&str>) -> Call {
        Call {
            operation,
            subject: subject.map(str::to_owned),
            ..Call::default()
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(subject) = &self.subject {
            write!(f, " {subject:?}")?;
        }
        if !self.url.is_empty() {
            write!(f, " at {}", self.url)?;
        }
        let seconds = self.elapsed.as_secs_f64();
        match (self.attempts, self.not_retried_because) {
            (0, _) => Ok(()),
            (1, None) if seconds < 1.0 => Ok(()),
            (1, Some(reason)) if seconds < 1.0 => write!(f, " (no retry: {reason})"),
            (1, None) => write!(f, " (after {seconds:.1} s)"),
            (1, Some(reason)) => write!(f, " (after {seconds:.1} s; no retry: {reason})"),
            (attempts, None) => write!(f, " ({attempts} attempts in {seconds:.1} s)"),
            (attempts, Some(reason)) => {
                write!(
                    f,
                    " ({attempts} attempts in {seconds:.1} s; no further retry: {reason})"
                )
            }
        }
    }
}

/// A text that cannot be embedded as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedText {
    /// The text's index, counted from 0.
    pub index: usize,
    /// The reason. If the server refused the text, this is the server's message.
    pub message: String,
}
