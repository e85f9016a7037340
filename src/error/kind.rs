//! The name of an error's kind.

use super::Error;

impl Error {
    /// The name of its kind, as [metrics](crate::metrics::Metrics), logs and traces show it: the variant's in lower case, with
    /// underscores (`not_found`, `rate_limited` …).
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
            Error::Timeout { .. } => "timeout",
            Error::Connection { .. } => "connection",
            Error::CircuitOpen { .. } => "circuit_open",
            Error::NotChroma { .. } => "not_chroma",
            Error::Server { .. } => "server",
            Error::Decode { .. } => "decode",
            Error::Embedding { .. } => "embedding",
            Error::PartlyDone { .. } => "partly_done",
            Error::PartlyEmbedded { .. } => "partly_embedded",
            Error::Ingest { .. } => "ingest",
            Error::Cancelled { .. } => "cancelled",
            Error::LocalServer { .. } => "local_server",
            Error::Io { .. } => "io",
            Error::Cache { .. } => "cache",
        }
    }
}
