//! The server of the archive: the operation and the errors.

#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;
use ureq::http::Method;

use crate::error::Error;
#[cfg(feature = "opentelemetry")]
use crate::transport::HttpRequest;
use crate::transport::{CHECK_THE_NETWORK, Dialect, Endpoint, ErrorResponse, Kind, Operation};

pub(super) const DOWNLOAD: Operation = Operation {
    name: "download",
    method: Method::GET,
    path: "/",
    kind: Kind::Reads,
};
pub(super) const CHECK_THE_ADDRESS: &str = "check the address, and any proxy";

/// The errors of a server of files.
#[derive(Debug)]
pub(super) struct Errors;

impl Dialect for Errors {
    fn error(&self, response: ErrorResponse<'_>) -> Error {
        let mut message = response.shown();
        if response.status < 500 && response.status != 429 {
            message = format!("{message}; {CHECK_THE_ADDRESS}");
        }
        response.into_error(String::new(), message)
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, request: HttpRequest<'_>, _: &Endpoint) -> (String, Vec<KeyValue>) {
        let model = request.subject.unwrap_or_default();
        (format!("{} {model}", DOWNLOAD.name), Vec::new())
    }

    fn subject_is(&self, _: &Operation) -> &'static str {
        "model"
    }

    fn too_large_hint(&self) -> &'static str {
        CHECK_THE_ADDRESS
    }

    fn unreachable_hint(&self, _: &Endpoint) -> String {
        CHECK_THE_NETWORK.to_owned()
    }
}
