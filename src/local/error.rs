//! Constructors of [`Error::LocalServer`].

use std::io;

use crate::error::Error;

impl Error {
    /// Returns an error of a local server.
    pub(super) fn local(message: impl Into<String>) -> Error {
        Error::LocalServer {
            message: message.into(),
            source: None,
        }
    }

    /// Returns an error of a local server with its cause.
    pub(super) fn local_io(message: impl Into<String>, cause: io::Error) -> Error {
        Error::LocalServer {
            message: message.into(),
            source: Some(cause.into()),
        }
    }
}
