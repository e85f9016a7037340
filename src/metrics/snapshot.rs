//! [`Metrics`] and its parts: a snapshot of what a client has counted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::latency::Latency;

/// A snapshot of what a client and its clones have done since the client was created.
///
/// Taking a snapshot costs a few microseconds; counting adds less than 1 µs to a request. The `Display` of a
/// snapshot is a table.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// The operations that were called, by name. Errors and logs use the same names: `query`, `upsert`,
    /// `get_or_create_collection` and so on.
    pub operations: BTreeMap<&'static str, OperationMetrics>,
    /// The connections to all endpoints.
    pub pool: PoolMetrics,
    /// The endpoints, the primary first.
    pub endpoints: Vec<EndpointMetrics>,
    /// The embedding functions called for collections of this client, by name.
    pub embeddings: BTreeMap<String, EmbeddingMetrics>,
    /// The time since the client was created.
    pub elapsed: Duration,
}

/// The calls of one operation.
///
/// A call is one request with all of its attempts. An `upsert` that is split into ten requests counts as ten
/// calls. Calls that are refused before anything is sent ([`Error::Invalid`](crate::Error::Invalid)) are not
/// counted.
///
/// Embedding functions schedule their own retries, so each of their requests counts as a call of the
/// operation `embed`: a request that fails and succeeds later is one failed and one successful call.
/// [`EmbeddingMetrics::errors`] counts the calls that failed for the caller.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// The number of finished calls, successful or not.
    pub calls: u64,
    /// The number of HTTP requests, including those that found no server. A call without retries makes one
    /// attempt, or two if the reused connection turned out to be closed, or none if a circuit breaker was
    /// open.
    pub attempts: u64,
    /// The number of attempts after a failure, made by the [retry policy](crate::RetryPolicy). An attempt on
    /// a new connection after a reused connection turned out to be closed is not counted.
    pub retries: u64,
    /// The number of failed calls by [`Error::kind`](crate::Error::kind). The caller may see a different
    /// result: if a response was lost, the client may find out that the call succeeded; and the client
    /// examines a response that it cannot read (`decode`, `not_chroma`) before it reports the error.
    pub errors: BTreeMap<&'static str, u64>,
    /// The size of all request bodies in bytes, over all attempts, whether or not they were sent completely.
    pub bytes_out: u64,
    /// The size of all response bodies in bytes, over all attempts with a complete response. Of an error
    /// response, the client reads at most 64 KiB.
    pub bytes_in: u64,
    /// The durations of the calls, with all attempts and the waits between them.
    pub latency: Latency,
}

impl OperationMetrics {
    /// Returns the number of failed calls, of all error kinds.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// The connections of a client to all of its endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// The number of connections opened so far.
    pub opened: u64,
    /// The number of open connections. A connection that the server has closed counts as open until the
    /// client tries to use it.
    pub open: u64,
    /// The number of open connections without a request.
    pub idle: u64,
    /// The number of requests sent on a connection that had been used before.
    pub reused: u64,
}

/// One endpoint of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointMetrics {
    /// The address.
    pub url: String,
    /// The number of attempts. An attempt that was repeated on a new connection, because the reused one was
    /// closed, counts once.
    pub attempts: u64,
    /// The number of attempts that showed the endpoint to be down, as
    /// [`CircuitBreaker`](crate::client::CircuitBreaker) defines it.
    pub failures: u64,
    /// The state of its circuit breaker; `None` if there is none. A client with several endpoints has one for
    /// each, and an open breaker only makes it skip the endpoint.
    pub breaker: Option<BreakerState>,
}

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// All requests are sent.
    Closed,
    /// No request is sent until the breaker's time has elapsed. The next request is then a trial.
    Open,
    /// A trial request has been sent, and its result is not known yet.
    HalfOpen,
}

/// The calls of one embedding function for the collections of a client.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EmbeddingMetrics {
    /// The number of calls of the function. A write makes one call for all of its texts, and so does a query.
    pub calls: u64,
    /// The number of texts in successful calls.
    pub texts: u64,
    /// The number of these texts whose vectors came from a cache, if the function reports this.
    pub cache_hits: u64,
    /// The number of requests that the function repeated, if it reports them.
    pub retries: u64,
    /// The total time that requests were delayed by a rate limit, or by a pause that the service asked for,
    /// if the function reports this.
    pub limiter_wait: Duration,
    /// The number of failed calls.
    pub errors: u64,
    /// The durations of the calls.
    pub latency: Latency,
}

impl EmbeddingMetrics {
    /// Returns the number of embedded texts per second of call time: the sum of the durations of all calls,
    /// including concurrent and failed ones.
    pub fn texts_per_second(&self) -> f64 {
        let seconds = self.latency.total.as_secs_f64();
        if seconds > 0.0 {
            self.texts as f64 / seconds
        } else {
            0.0
        }
    }
}
