//! [`Operation`] and [`HttpRequest`]: an operation of a server's API, and a request for it.

use ureq::http::Method;

/// An operation of a server's API. All requests for it have the same name, method and path template.
#[derive(Debug)]
pub(crate) struct Operation {
    /// This crate's name for the operation, for errors, logs and metrics.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// The path, with `{name}` for each parameter.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
}

/// The effect of a request on a server. It decides whether the request may be sent again after its response
/// was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads something small. Any endpoint can respond.
    Reads,
    /// Reads any number of rows. Any endpoint can respond.
    ReadsRows,
    /// Writes. A second request changes nothing more.
    Idempotent,
    /// Writes, and is repeated only if the server has certainly not acted.
    Once,
}

impl Kind {
    /// Whether the request only reads.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Kind::Reads | Kind::ReadsRows)
    }
}

/// A request. Each attempt sends the same bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpRequest<'a> {
    pub(crate) operation: &'static Operation,
    /// The collection, model, tenant or database that errors and logs name.
    pub(crate) subject: Option<&'a str>,
    /// The tenant and the database, for traces.
    #[cfg_attr(not(feature = "opentelemetry"), allow(dead_code))]
    pub(crate) namespace: Option<(&'a str, &'a str)>,
    /// The path with its parameters and the query.
    pub(crate) path: &'a str,
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
}
