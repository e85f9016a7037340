//! The numbers that a client counts: calls, errors, retries, bytes and latencies by operation, connections,
//! circuit breakers, and embeddings.
//!
//! Start from [`Client::metrics`](crate::Client::metrics), which returns a [`Metrics`] snapshot. Its
//! `Display` is a table. `Gemini::metrics` and `HttpFunction::metrics` return the same for the requests of
//! these functions.
//!
//! ```no_run
//! use chroma_blocking::Client;
//!
//! let client = Client::from_env()?;
//! let notes = client.collection("notes").get()?;
//! notes.query(vec![0.1, 0.2]).run()?;
//!
//! let metrics = client.metrics();
//! let queries = &metrics.operations["query"];
//! println!("{} queries", queries.calls);
//! println!("95 % of them within {:?}", queries.latency.p95);
//! println!("{metrics}");
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! # Features
//! With the feature `metrics`, the client also reports these numbers to the facade
//! [`metrics`](https://docs.rs/metrics/0.24), and so to Prometheus and other systems. The program must use
//! version 0.24 of that crate, and must install its recorder before it creates the first client. The names of
//! the metrics begin with `chroma_client_`.
//!
//! With the feature `opentelemetry`, each call and each attempt is a span. The program must use version 0.33
//! of the crate [`opentelemetry`](https://docs.rs/opentelemetry/0.33). Spans go to its global tracer
//! provider.

mod embedding;
#[cfg(feature = "metrics")]
mod facade;
#[cfg(not(feature = "metrics"))]
#[path = "no_facade.rs"]
mod facade;
mod latency;
mod recorder;
mod snapshot;
mod table;

pub(crate) use embedding::{EmbeddingCall, EmbeddingUsage};
pub(crate) use facade::Breaker;
pub use latency::Latency;
pub(crate) use recorder::{OperationCounters, PoolCounters, Recorder};
pub use snapshot::{
    BreakerState, EmbeddingMetrics, EndpointMetrics, Metrics, OperationMetrics, PoolMetrics,
};
