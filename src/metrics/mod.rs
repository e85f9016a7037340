//! [`Metrics`]: what a client has done, counted; a snapshot.

#[cfg(feature = "metrics")]
mod facade;
#[cfg(not(feature = "metrics"))]
#[path = "no_facade.rs"]
mod facade;
mod latency;
mod recorder;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use facade::Breaker;
pub use latency::Latency;
pub(crate) use recorder::{Embedded, OperationCounters, PoolCounters, Recorder, Used};

/// What a client and its clones have done since it was made. A snapshot; it costs a few microseconds to take, and to count
/// costs a request less than one. Its `Display` is a table.
///
/// ```no_run
/// use chroma_blocking::Client;
///
/// let client = Client::from_env()?;
/// let notes = client.collection("notes").get()?;
/// notes.query(vec![0.1, 0.2]).run()?;
///
/// let metrics = client.metrics();
/// let queries = &metrics.operations["query"];
/// println!("{} queries, 95 % of them within {:?}", queries.calls, queries.latency.p95);
/// println!("{metrics}");
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// With the feature `metrics` the same goes to the facade [`metrics`](https://docs.rs/metrics), and so to Prometheus and
/// others; see [the manual](crate#see-what-it-does).
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// By operation, as errors and logs name it (`query`, `upsert`, `get_or_create_collection` …): those that were called.
    pub operations: BTreeMap<&'static str, OperationMetrics>,
    /// Connections.
    pub pool: PoolMetrics,
    /// Where requests go, the primary first.
    pub endpoints: Vec<EndpointMetrics>,
    /// What was embedded for collections of this client, by the name of the embedding function.
    pub embeddings: BTreeMap<String, EmbeddingMetrics>,
    /// Since the client was made.
    pub elapsed: Duration,
}

/// What was asked of a server, of one kind.
///
/// A call here is a request with all of its attempts. A large `upsert` that is cut into ten requests counts as ten. What is
/// refused before it is sent ([`Error::Invalid`](crate::Error::Invalid)) does not count.
///
/// `Gemini` sends its requests again by a schedule of its own, so in its metrics (operation `embed`) each of them is a call,
/// and one that was turned away and went well later is a call that failed. What failed for who asked is in
/// [`EmbeddingMetrics::errors`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// Calls that have ended, well or not.
    pub calls: u64,
    /// HTTP requests made for them, also those that found no server. Of a call without retries, one; two where the kept
    /// connection turned out to be closed; none where a breaker was open.
    pub attempts: u64,
    /// Attempts that followed a failure, by the [policy](crate::RetryPolicy). An attempt on a new connection, because the
    /// server had closed the one that was kept, is not among them.
    pub retries: u64,
    /// Calls that failed in the end, by [`Error::kind`](crate::Error::kind). Who asked may hear otherwise: where an answer was
    /// lost the client may find out that all went well, and an answer that makes no sense (`decode`, `not_chroma`) is
    /// looked into before it is reported.
    pub errors: BTreeMap<&'static str, u64>,
    /// Bytes of the bodies that were to be sent, in all attempts, also of those that came to nothing.
    pub bytes_out: u64,
    /// Bytes of the bodies received, in all attempts that had a whole answer. Of an answer that is not a success, only the
    /// first 64 KiB are read.
    pub bytes_in: u64,
    /// How long calls took, with all attempts and the waits between them.
    pub latency: Latency,
}

impl OperationMetrics {
    /// Calls that failed in the end, for whatever reason.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// The connections of a client to all of its endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Made so far.
    pub opened: u64,
    /// Open, as far as is known: that a server has closed one is seen when it is to be used again.
    pub open: u64,
    /// Of these, waiting for a request.
    pub idle: u64,
    /// Requests that went over a connection that had served before.
    pub reused: u64,
}

/// One address of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointMetrics {
    /// The address.
    pub url: String,
    /// Attempts made there; one that was made again on a new connection, since the kept one was closed, counts once.
    pub attempts: u64,
    /// Attempts that showed it to be down, as [`CircuitBreaker`](crate::client::CircuitBreaker) has it.
    pub failures: u64,
    /// Its circuit breaker; `None` without one. Among several endpoints each has one, which only passes it over.
    pub breaker: Option<BreakerState>,
}

/// What a circuit breaker does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// It lets everything through.
    Closed,
    /// It lets nothing through, or, once its time is over, the next call, to see.
    Open,
    /// A call is on its way to see.
    HalfOpen,
}

/// What an embedding function did for the collections of a client.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EmbeddingMetrics {
    /// Calls of the function: by a write for all of its texts, by a query for its own.
    pub calls: u64,
    /// Texts given to it in calls that went well.
    pub texts: u64,
    /// Of these, texts whose vectors a cache had, where the function says so.
    pub cache_hits: u64,
    /// Requests that it made again, where it says so.
    pub retries: u64,
    /// How long its requests were held back by a rate or by a pause that the service asked for, where it says so; for all of
    /// its calls together.
    pub limiter_wait: Duration,
    /// Calls that failed.
    pub errors: u64,
    /// How long calls took.
    pub latency: Latency,
}

impl EmbeddingMetrics {
    /// Texts per second of its calls. Calls at the same time count one after the other, and those that failed took time, too.
    pub fn texts_per_second(&self) -> f64 {
        let seconds = self.latency.total.as_secs_f64();
        match seconds > 0.0 {
            true => self.texts as f64 / seconds,
            false => 0.0,
        }
    }
}
