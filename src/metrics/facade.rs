//! Reports to the facade `metrics`.
//!
//! Handles are registered once and kept: those of connections and breakers when a client is created, those of
//! an operation or an embedding function at its first call.

use std::fmt;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};

use super::embedding::EmbeddingCall;

const CALLS: &str = "chroma_client_calls_total";
const ERRORS: &str = "chroma_client_errors_total";
const ATTEMPTS: &str = "chroma_client_attempts_total";
const RETRIES: &str = "chroma_client_retries_total";
const REQUEST_BYTES: &str = "chroma_client_request_bytes_total";
const RESPONSE_BYTES: &str = "chroma_client_response_bytes_total";
const CALL_DURATION: &str = "chroma_client_call_duration_seconds";

const CONNECTIONS_OPENED: &str = "chroma_client_connections_opened_total";
const CONNECTIONS_REUSED: &str = "chroma_client_connections_reused_total";
const CONNECTIONS_OPEN: &str = "chroma_client_connections_open";
const CONNECTIONS_BUSY: &str = "chroma_client_connections_busy";

const CIRCUIT_OPEN: &str = "chroma_client_circuit_open";

const EMBEDDING_CALLS: &str = "chroma_client_embedding_calls_total";
const EMBEDDING_ERRORS: &str = "chroma_client_embedding_errors_total";
const EMBEDDED_TEXTS: &str = "chroma_client_embedded_texts_total";
const CACHE_HITS: &str = "chroma_client_embedding_cache_hits_total";
const EMBEDDING_RETRIES: &str = "chroma_client_embedding_retries_total";
const LIMITER_WAIT: &str = "chroma_client_embedding_limiter_wait_seconds";
const EMBEDDING_DURATION: &str = "chroma_client_embedding_duration_seconds";

pub(super) struct Operation {
    calls: Counter,
    attempts: Counter,
    retries: Counter,
    bytes_out: Counter,
    bytes_in: Counter,
    durations: Histogram,
}

impl Operation {
    pub(super) fn new(operation: &'static str) -> Operation {
        describe_counter!(CALLS, "Finished calls, successful or not");
        describe_counter!(ERRORS, "Failed calls");
        describe_counter!(ATTEMPTS, "HTTP requests");
        describe_counter!(RETRIES, "Attempts after a failure");
        describe_counter!(REQUEST_BYTES, Unit::Bytes, "Size of the request bodies");
        describe_counter!(RESPONSE_BYTES, Unit::Bytes, "Size of the response bodies");
        let duration = "Duration of calls, with all attempts and waits";
        describe_histogram!(CALL_DURATION, Unit::Seconds, duration);
        Operation {
            calls: counter!(CALLS, "operation" => operation),
            attempts: counter!(ATTEMPTS, "operation" => operation),
            retries: counter!(RETRIES, "operation" => operation),
            bytes_out: counter!(REQUEST_BYTES, "operation" => operation),
            bytes_in: counter!(RESPONSE_BYTES, "operation" => operation),
            durations: histogram!(CALL_DURATION, "operation" => operation),
        }
    }

    pub(super) fn record_attempt(&self, bytes_out: u64, bytes_in: u64) {
        self.attempts.increment(1);
        self.bytes_out.increment(bytes_out);
        self.bytes_in.increment(bytes_in);
    }

    pub(super) fn record_retry(&self) {
        self.retries.increment(1);
    }

    pub(super) fn record_call(&self, took: Duration) {
        self.calls.increment(1);
        self.durations.record(took.as_secs_f64());
    }
}

/// Records a failed call.
pub(super) fn record_error(operation: &'static str, kind: &'static str) {
    counter!(ERRORS, "operation" => operation, "error" => kind).increment(1);
}

pub(super) struct Embedding {
    calls: Counter,
    errors: Counter,
    texts: Counter,
    cache_hits: Counter,
    retries: Counter,
    limiter_waits: Histogram,
    durations: Histogram,
}

impl Embedding {
    pub(super) fn new(function: &str) -> Embedding {
        let function = || function.to_owned();
        describe_counter!(EMBEDDING_CALLS, "Calls of embedding functions");
        describe_counter!(EMBEDDING_ERRORS, "Failed calls of embedding functions");
        describe_counter!(EMBEDDED_TEXTS, "Embedded texts");
        describe_counter!(CACHE_HITS, "Texts whose vectors came from a cache");
        describe_counter!(EMBEDDING_RETRIES, "Retries of embedding functions");
        let waited = "Time that calls of embedding functions waited for a rate limit or a pause";
        describe_histogram!(LIMITER_WAIT, Unit::Seconds, waited);
        let duration = "Duration of calls of embedding functions";
        describe_histogram!(EMBEDDING_DURATION, Unit::Seconds, duration);
        Embedding {
            calls: counter!(EMBEDDING_CALLS, "function" => function()),
            errors: counter!(EMBEDDING_ERRORS, "function" => function()),
            texts: counter!(EMBEDDED_TEXTS, "function" => function()),
            cache_hits: counter!(CACHE_HITS, "function" => function()),
            retries: counter!(EMBEDDING_RETRIES, "function" => function()),
            limiter_waits: histogram!(LIMITER_WAIT, "function" => function()),
            durations: histogram!(EMBEDDING_DURATION, "function" => function()),
        }
    }

    pub(super) fn record_call(&self, call: &EmbeddingCall) {
        self.calls.increment(1);
        if call.failed {
            self.errors.increment(1);
        } else {
            self.texts.increment(call.texts as u64);
            self.cache_hits.increment(call.used.cache_hits);
        }
        self.retries.increment(call.used.retries);
        let waited = call.used.limiter_wait.as_secs_f64();
        self.limiter_waits.record(waited);
        self.durations.record(call.took.as_secs_f64());
    }
}

pub(super) struct Pool {
    opened: Counter,
    reused: Counter,
    open: Gauge,
    busy: Gauge,
}

impl Pool {
    pub(super) fn new() -> Pool {
        describe_counter!(CONNECTIONS_OPENED, "Connections opened");
        let reused = "Requests sent on a reused connection";
        describe_counter!(CONNECTIONS_REUSED, reused);
        describe_gauge!(CONNECTIONS_OPEN, "Open connections");
        describe_gauge!(CONNECTIONS_BUSY, "Connections with a request in progress");
        Pool {
            opened: counter!(CONNECTIONS_OPENED),
            reused: counter!(CONNECTIONS_REUSED),
            open: gauge!(CONNECTIONS_OPEN),
            busy: gauge!(CONNECTIONS_BUSY),
        }
    }

    pub(super) fn opened(&self) {
        self.opened.increment(1);
        self.open.increment(1.0);
    }

    pub(super) fn closed(&self) {
        self.open.decrement(1.0);
    }

    pub(super) fn busy(&self) {
        self.busy.increment(1.0);
    }

    pub(super) fn idle(&self) {
        self.busy.decrement(1.0);
    }

    pub(super) fn reused(&self) {
        self.reused.increment(1);
    }
}

/// The circuit breaker of an endpoint.
pub(crate) struct Breaker(Gauge);

impl Breaker {
    pub(crate) fn new(endpoint: &str) -> Breaker {
        let open = "Clients whose circuit breaker for the endpoint is open";
        describe_gauge!(CIRCUIT_OPEN, open);
        Breaker(gauge!(CIRCUIT_OPEN, "endpoint" => endpoint.to_owned()))
    }

    /// Records that the breaker has opened. Several clients may have one for the same endpoint, so the gauge
    /// counts them.
    pub(crate) fn opened(&self) {
        self.0.increment(1.0);
    }

    /// Records that the breaker has closed.
    pub(crate) fn closed(&self) {
        self.0.decrement(1.0);
    }
}

macro_rules! debug {
    ($($handles:ident),+) => {$(
        impl fmt::Debug for $handles {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handles)).finish_non_exhaustive()
            }
        }
    )+};
}
debug!(Operation, Embedding, Pool, Breaker);

#[cfg(test)]
mod tests {
    use metrics::{Key, KeyName, Metadata, SharedString, with_local_recorder};

    use super::*;
    use crate::error::{Call, InvalidInput};
    use crate::metrics::{EmbeddingUsage, Recorder};

    /// A recorder that takes a snapshot of the client whenever it registers a handle.
    struct SnapshottingRecorder<'a>(&'a Recorder);

    impl metrics::Recorder for SnapshottingRecorder<'_> {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            self.0.snapshot();
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            self.0.snapshot();
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            self.0.snapshot();
            Histogram::noop()
        }
    }

    /// If the client called the recorder with a lock held, this would deadlock.
    #[test]
    fn a_recorder_may_take_a_snapshot_while_it_registers() {
        let recorder = Recorder::new();
        let error = Call::new("query", None).invalid(InvalidInput::EmptyId { index: 0 });
        with_local_recorder(&SnapshottingRecorder(&recorder), || {
            let call = EmbeddingCall {
                texts: 1,
                used: EmbeddingUsage::default(),
                failed: false,
                took: Duration::ZERO,
            };
            recorder.record_embedding("hashing", &call);
            let query = recorder.operation("query").unwrap();
            query.record_call(Duration::ZERO, Some(&error));
        });
        let metrics = recorder.snapshot();
        assert_eq!(metrics.operations["query"].failed(), 1);
        assert_eq!(metrics.embeddings["hashing"].texts, 1);
    }
}
