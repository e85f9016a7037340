//! Parts of an error's message that are there only sometimes.

use std::fmt;
use std::time::Duration;

use super::{Call, RefusedText};

/// ", refused text 17 and 2 more", or nothing.
pub(super) struct Refused<'a>(pub(super) &'a [RefusedText]);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return Ok(());
        };
        write!(f, ", refused text {}", first.index)?;
        match others.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// ", try again in 31.0 s", or nothing.
pub(super) struct Wait(pub(super) Option<Duration>);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(wait) => write!(f, ", try again in {:.1} s", wait.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// A text behind its prefix, or nothing where the text is empty.
pub(super) struct Behind<'a>(pub(super) &'static str, pub(super) &'a str);

impl fmt::Display for Behind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            "" => Ok(()),
            text => write!(f, "{}{text}", self.0),
        }
    }
}

/// What to do about a status of the server's own failure, or of what stands before it, or nothing. The status, and the
/// server's name for the error: where it has one, it also has words of its own.
pub(super) struct Advice<'a>(pub(super) u16, pub(super) &'a str);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Advice(500, "" | "InternalError") => "; the server's own log says more",
            Advice(503, "") => "; it is overloaded, or not ready yet",
            Advice(502 | 504 | 520..=524, "") => {
                "; a gateway says so: does the server behind it run?"
            }
            _ => "",
        })
    }
}

/// The call that an error is about, before the error's own words; nothing where there is no call.
pub(super) struct Before<'a>(pub(super) &'a Call);

impl fmt::Display for Before<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.operation.is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Call, Error};

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
    fn a_failure_without_words_of_its_own_says_what_to_try() {
        for (status, name, end) in [
            (500, "InternalError", "log says more"),
            (500, "", "log says more"),
            (502, "", "does the server behind it run?"),
            (503, "", "not ready yet"),
            (524, "", "does the server behind it run?"),
        ] {
            let shown = server(status, name);
            assert!(
                shown.contains(": words; ") && shown.ends_with(end),
                "{shown}"
            );
        }
        // Google's, and what is nobody's failure but the caller's.
        for (status, name) in [
            (500, "INTERNAL"),
            (503, "UNAVAILABLE"),
            (400, ""),
            (413, ""),
        ] {
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
            "conditional_commit \"notes\": conflict: words; nothing was written, begin the transaction again"
        );
    }
}
