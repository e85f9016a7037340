//! Questions that an [`Error`] answers without a `match`.

use std::time::Duration;

use super::call::Call;
use super::variants::Error;

/// Returns the call of an error, by reference or by mutable reference, like the error itself.
macro_rules! call_of {
    ($error:expr) => {
        match $error {
            Error::Invalid { call, .. }
            | Error::NotFound { call, .. }
            | Error::AlreadyExists { call, .. }
            | Error::Conflict { call, .. }
            | Error::Unsupported { call, .. }
            | Error::Unauthorized { call, .. }
            | Error::RateLimited { call, .. }
            | Error::QuotaExhausted { call, .. }
            | Error::TooLarge { call, .. }
            | Error::Timeout { call, .. }
            | Error::Connection { call, .. }
            | Error::CircuitOpen { call, .. }
            | Error::NotChroma { call, .. }
            | Error::Server { call, .. }
            | Error::BrokenIndex { call, .. }
            | Error::Storage { call, .. }
            | Error::Decode { call, .. }
            | Error::Embedding { call, .. }
            | Error::Reranking { call, .. }
            | Error::PartlyDone { call, .. }
            | Error::PartlyEmbedded { call, .. }
            | Error::Ingest { call, .. }
            | Error::Differs { call, .. }
            | Error::Cancelled { call } => Some(call),
            Error::LocalServer { .. } | Error::Io { .. } | Error::Cache { .. } => None,
        }
    };
}

impl Error {
    /// Returns the name of the error's kind, as [metrics](crate::metrics::Metrics), logs and traces show it:
    /// the variant's name in lower case with underscores, such as `not_found` or `rate_limited`.
    ///
    /// ```
    /// # use chroma_blocking::Client;
    /// let error = Client::new("localhost:no port").unwrap_err();
    /// assert_eq!(error.kind(), "invalid");
    /// ```
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Invalid { .. } => "invalid",
            Error::NotFound { .. } => "not_found",
            Error::AlreadyExists { .. } => "already_exists",
            Error::Conflict { .. } => "conflict",
            Error::Unsupported { .. } => "unsupported",
            Error::Unauthorized { .. } => "unauthorized",
            Error::RateLimited { .. } => "rate_limited",
            Error::QuotaExhausted { .. } => "quota_exhausted",
            Error::TooLarge { .. } => "too_large",
            Error::Timeout { .. } => "timeout",
            Error::Connection { .. } => "connection",
            Error::CircuitOpen { .. } => "circuit_open",
            Error::NotChroma { .. } => "not_chroma",
            Error::Server { .. } => "server",
            Error::BrokenIndex { .. } => "broken_index",
            Error::Storage { .. } => "storage",
            Error::Decode { .. } => "decode",
            Error::Embedding { .. } => "embedding",
            Error::Reranking { .. } => "reranking",
            Error::PartlyDone { .. } => "partly_done",
            Error::PartlyEmbedded { .. } => "partly_embedded",
            Error::Ingest { .. } => "ingest",
            Error::Differs { .. } => "differs",
            Error::Cancelled { .. } => "cancelled",
            Error::LocalServer { .. } => "local_server",
            Error::Io { .. } => "io",
            Error::Cache { .. } => "cache",
        }
    }

    /// Whether the same call may succeed later without a change. True for timeouts, broken connections, rate
    /// limits, an open circuit breaker, and the statuses 408, 500, 502, 503, 504 and 520 to 524. False for
    /// [`Error::BrokenIndex`] and [`Error::Storage`], which last until the server is repaired, and if TLS
    /// fails: a refused certificate, a port that does not speak TLS, or a TLS alert of the server.
    ///
    /// The client has already made its own retries ([`RetryPolicy`](crate::RetryPolicy)) when it returns the
    /// error.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::RateLimited { .. } | Error::Timeout { .. } | Error::CircuitOpen { .. } => true,
            Error::Connection { retryable, .. } => *retryable,
            // 520 to 524: a content delivery network cannot reach its origin.
            Error::Server { status, .. } => matches!(status, 408 | 500 | 502..=504 | 520..=524),
            _ => self.inner().is_some_and(Error::is_retryable),
        }
    }

    /// Returns the HTTP status of the response. `None` without a response, and for kinds that cover several
    /// statuses, such as [`Error::Conflict`].
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::NotFound { .. } => Some(404),
            Error::AlreadyExists { .. } => Some(409),
            Error::RateLimited { .. } | Error::QuotaExhausted { .. } => Some(429),
            Error::Unauthorized { status, .. }
            | Error::TooLarge { status, .. }
            | Error::Server { status, .. } => Some(*status),
            Error::BrokenIndex { .. } | Error::Storage { .. } => Some(500),
            _ => self.inner()?.status(),
        }
    }

    /// Returns the wait that the server asked for, in a header or in the body.
    pub(crate) fn asked_wait(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_after, .. } | Error::Server { retry_after, .. } => {
                *retry_after
            }
            _ => self.inner()?.asked_wait(),
        }
    }

    /// Returns the error that stopped a larger call, if this is the error of one.
    fn inner(&self) -> Option<&Error> {
        match self {
            Error::PartlyDone { source, .. }
            | Error::PartlyEmbedded { source, .. }
            | Error::Ingest { source, .. } => Some(source),
            Error::Embedding { source, .. } | Error::Reranking { source, .. } => {
                source.downcast_ref()
            }
            _ => None,
        }
    }

    /// Returns the call that failed. `None` for an error of a local server, a file or a cache.
    pub fn call(&self) -> Option<&Call> {
        call_of!(self)
    }

    /// Adds the reason why the client does not repeat the request, if there is one.
    pub(crate) fn without_retry(mut self, reason: Option<&'static str>) -> Error {
        if let Some(call) = self.call_mut() {
            call.not_retried_because = reason;
        }
        self
    }

    /// Like [`call`](Error::call), for code that sums up several requests of one call.
    pub(crate) fn call_mut(&mut self) -> Option<&mut Call> {
        call_of!(self)
    }
}
