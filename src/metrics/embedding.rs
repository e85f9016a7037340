//! One call of an embedding function, as it is recorded.

use std::time::Duration;

/// The work of an embedding function, as it reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EmbeddingUsage {
    pub(crate) cache_hits: u64,
    pub(crate) retries: u64,
    pub(crate) limiter_wait: Duration,
}

/// A finished call of an embedding function.
#[derive(Debug)]
pub(crate) struct EmbeddingCall {
    pub(crate) texts: usize,
    pub(crate) used: EmbeddingUsage,
    pub(crate) failed: bool,
    pub(crate) took: Duration,
}
