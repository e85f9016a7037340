//! Constructors of [`Error::LocalServer`].

use std::io;

use crate::error::Error;
use crate::printable::one_line;

impl Error {
    /// Returns an error of a local server. The message becomes one line.
    pub(super) fn local(message: impl AsRef<str>) -> Error {
        Error::LocalServer {
            message: one_line(message.as_ref()).into_owned(),
            source: None,
        }
    }

    /// Returns an error of a local server that shows several lines, such as the server's output.
    pub(super) fn local_lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Error {
        let lines = lines.into_iter();
        let lines: Vec<_> = lines
            .map(|line| one_line(line.as_ref()).into_owned())
            .collect();
        Error::LocalServer {
            message: lines.join("\n"),
            source: None,
        }
    }

    /// Returns an error of a local server with its cause.
    pub(super) fn local_io(message: impl AsRef<str>, cause: io::Error) -> Error {
        Error::LocalServer {
            message: one_line(message.as_ref()).into_owned(),
            source: Some(cause.into()),
        }
    }
}
