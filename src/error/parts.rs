//! Parts of an error's message that not every error has.

use std::fmt;
use std::time::Duration;

use super::call::RefusedText;

/// Returns the advice for a status that reports a failure of the server or of a gateway.
///
/// Empty if the server gave the error a name, because its message then says more.
pub(super) fn advice(status: u16, name: &str) -> &'static str {
    match (status, name) {
        (500, "" | "InternalError") => "; see the server's log",
        (503, "") => "; the server is overloaded or not ready yet",
        (502 | 504 | 520..=524, "") => "; a gateway sent this, so check that the server runs",
        _ => "",
    }
}

/// Prints ", refused text 17 and 2 more", or nothing.
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

/// Prints ", try again in 31.0 s", or nothing. Rounds up, so that a short wait is not "0.0 s".
pub(super) struct TryAgain(pub(super) Option<Duration>);

impl fmt::Display for TryAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(wait) => {
                let tenths = wait.as_millis().div_ceil(100);
                write!(f, ", try again in {}.{} s", tenths / 10, tenths % 10)
            }
            None => Ok(()),
        }
    }
}

/// Prints a text after a prefix, or nothing if the text is empty.
pub(super) struct AfterPrefix<'a>(pub(super) &'static str, pub(super) &'a str);

impl fmt::Display for AfterPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            "" => Ok(()),
            text => write!(f, "{}{text}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_31_a_short_wait_is_not_shown_as_none() {
        let shown = |millis| TryAgain(Some(Duration::from_millis(millis))).to_string();
        assert_eq!(shown(1), ", try again in 0.1 s");
        assert_eq!(shown(0), ", try again in 0.0 s");
        assert_eq!(shown(31_000), ", try again in 31.0 s");
        assert_eq!(shown(2_150), ", try again in 2.2 s");
        assert_eq!(TryAgain(None).to_string(), "");
    }
}
