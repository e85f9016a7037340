//! [`Dialect`]: how one kind of server reports errors, and how logs and traces name its requests.

use std::fmt::Debug;
use std::time::Duration;

use super::endpoint::Endpoint;
#[cfg(feature = "opentelemetry")]
use super::operation::HttpRequest;
use super::operation::Operation;
use super::secrets::Secrets;
use crate::error::{Call, Error};
use crate::wire::read::shown;

/// A response whose status is not a success.
///
/// A [`Dialect`] decides on the body as the server sent it, since a secret may be an ordinary word, such as
/// `database`. Only texts from [`clean`](ErrorResponse::clean) and [`shown`](ErrorResponse::shown) become
/// part of an error.
#[derive(Debug)]
pub(crate) struct ErrorResponse<'a> {
    pub(crate) call: Box<Call>,
    pub(crate) status: u16,
    /// The wait that the `Retry-After` header asks for.
    pub(crate) retry_after: Option<Duration>,
    /// The body, which may repeat secrets.
    pub(crate) body: Vec<u8>,
    /// Whether the body is truncated.
    pub(super) is_cut: bool,
    pub(super) secrets: &'a Secrets,
}

impl ErrorResponse<'_> {
    /// Returns a text of the body for an error: as one line, without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.secrets.clean(text.to_owned())
    }

    /// Returns the start of the body for an error: as one line, without secrets.
    pub(crate) fn shown(&self) -> String {
        shown(&self.secrets.clean_body(&self.body, self.is_cut))
    }

    /// Returns the error of a status that means the same for all servers.
    #[cfg(any(feature = "gemini", feature = "onnx"))]
    pub(crate) fn into_error(self, name: String, message: String) -> Error {
        let ErrorResponse {
            call,
            status,
            retry_after,
            ..
        } = self;
        match status {
            404 => Error::NotFound { call, message },
            429 => Error::RateLimited {
                call,
                retry_after,
                message,
            },
            _ => Error::Server {
                call,
                status,
                name,
                retry_after,
                message,
            },
        }
    }
}

/// The advice for a service on the internet that cannot be reached.
pub(crate) const CHECK_THE_NETWORK: &str =
    "check the network connection; to use a proxy, set HTTPS_PROXY";

/// A kind of server, such as Chroma or Gemini.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// Reads the error from a response.
    fn error(&self, response: ErrorResponse<'_>) -> Error;

    /// Whether the error says that the server did nothing, although its status leaves that open.
    fn did_nothing(&self, _: &Error) -> bool {
        false
    }

    /// Returns the advice for a server that cannot be reached.
    fn unreachable_hint(&self, at: &Endpoint) -> String;

    /// Returns the advice for a response that is too large.
    fn too_large_hint(&self) -> &'static str;

    /// Returns the name and the attributes of a request's span, without the server's address.
    #[cfg(feature = "opentelemetry")]
    fn span(
        &self,
        request: HttpRequest<'_>,
        at: &Endpoint,
    ) -> (String, Vec<opentelemetry::KeyValue>);

    /// Whether requests carry the trace's context. It may hold the program's baggage, which is only for the
    /// program's own servers.
    #[cfg(feature = "opentelemetry")]
    fn is_told_of_traces(&self) -> bool {
        false
    }

    /// Returns the span attribute for the status of a failed call, if the conventions for this kind of server
    /// have one.
    #[cfg(feature = "opentelemetry")]
    fn status_is(&self) -> Option<&'static str> {
        None
    }

    /// Returns the log key for the subject of a request, such as `collection` or `model`.
    fn subject_is(&self, operation: &Operation) -> &'static str;
}

/// Returns the error of a response with a status and a body, without `secrets`.
#[cfg(any(test, fuzzing))]
pub(crate) fn error_of(
    dialect: &dyn Dialect,
    call: Call,
    (status, body): (u16, &[u8]),
    secrets: &[String],
) -> Error {
    dialect.error(ErrorResponse {
        call: Box::new(call),
        status,
        retry_after: None,
        body: body.into(),
        is_cut: false,
        secrets: &Secrets::new(&[], secrets),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A dialect in which every refusal is an [`Error::Server`].
    #[derive(Debug)]
    pub(crate) struct Plain;

    impl Dialect for Plain {
        fn error(&self, response: ErrorResponse<'_>) -> Error {
            Error::Server {
                call: response.call,
                status: response.status,
                name: String::new(),
                retry_after: response.retry_after,
                message: "overloaded".to_owned(),
            }
        }

        fn too_large_hint(&self) -> &'static str {
            ""
        }

        fn unreachable_hint(&self, _: &Endpoint) -> String {
            String::new()
        }

        #[cfg(feature = "opentelemetry")]
        fn span(&self, _: HttpRequest<'_>, _: &Endpoint) -> (String, Vec<opentelemetry::KeyValue>) {
            (String::new(), Vec::new())
        }

        fn subject_is(&self, _: &Operation) -> &'static str {
            "collection"
        }
    }
}
