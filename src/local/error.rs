//! Constructors of [`Error::LocalServer`].

use std::io;

use crate::error::Error;
use crate::printable::one_line;

impl Error {
    /// Returns an error of a local server. The message becomes one line.
    pub(super) fn local(message: impl AsRef<str>) -> Error {
        Error::local_lines([message])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_06_only_the_lines_of_an_error_are_breaks() {
        let evil = "\u{1b}[2J\u{202e}\r\nforged";
        let escaped = r"\u001b[2J\u202e\r\nforged";
        let shown = Error::local_lines([evil, "output:", evil]).to_string();
        assert_eq!(
            shown,
            format!("local Chroma server: {escaped}\noutput:\n{escaped}")
        );
        let cause = io::Error::other(evil);
        let error = Error::local_io(evil, cause);
        assert_eq!(
            format!("{error:#}"),
            format!("local Chroma server: {escaped}: {escaped}")
        );
    }
}
