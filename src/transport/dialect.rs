//! [`Dialect`]: how one kind of server reports errors, and how logs and traces name its requests.

use std::fmt::Debug;
use std::time::Duration;

use super::endpoint::Endpoint;
#[cfg(feature = "opentelemetry")]
use super::operation::HttpRequest;
use super::operation::Operation;
use crate::error::{Call, Error};

/// A response whose status is not a success.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) call: Box<Call>,
    pub(crate) status: u16,
    /// The wait that the `Retry-After` header asks for.
    pub(crate) retry_after: Option<Duration>,
    /// The body, without secrets.
    pub(crate) body: Vec<u8>,
}

/// The advice for a service on the internet that cannot be reached.
pub(crate) const CHECK_THE_NETWORK: &str =
    "check the network connection; to use a proxy, set HTTPS_PROXY";

/// A kind of server, such as Chroma or Gemini.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// Reads the error from a response.
    fn error(&self, response: ErrorResponse) -> Error;

    /// Whether the error says that the server did nothing, although its status leaves that open.
    fn did_nothing(&self, _: &Error) -> bool {
        false
    }

    /// Returns the advice for a server that cannot be reached.
    fn unreachable_hint(&self, at: &Endpoint) -> String;

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
