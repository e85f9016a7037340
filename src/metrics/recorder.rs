//! [`Recorder`]: the counters behind [`Metrics`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::embedding::EmbeddingCall;
use super::facade;
use super::latency::Durations;
use super::snapshot::{EmbeddingMetrics, Metrics, OperationMetrics, PoolMetrics};
use crate::error::Error;

/// An upper bound of the number of operations.
const OPERATIONS: usize = 64;

/// Counts what a transport does. Threads share it. Only errors and embeddings take a lock.
pub(crate) struct Recorder {
    started: Instant,
    /// Slots in the order of the first calls, so that a linear search finds frequent operations early.
    operations: Box<[OnceLock<OperationCounters>; OPERATIONS]>,
    embeddings: Mutex<BTreeMap<String, Arc<EmbeddingCounters>>>,
    pool: Arc<PoolCounters>,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            started: Instant::now(),
            operations: Box::new([const { OnceLock::new() }; OPERATIONS]),
            embeddings: Mutex::default(),
            pool: Arc::new(PoolCounters::new()),
        }
    }

    pub(crate) fn pool(&self) -> &Arc<PoolCounters> {
        &self.pool
    }

    /// Returns the counters of an operation; `None` if there are more than [`OPERATIONS`] operations.
    pub(crate) fn operation(&self, name: &'static str) -> Option<&OperationCounters> {
        (self.operations.iter())
            .map(|slot| slot.get_or_init(|| OperationCounters::new(name)))
            .find(|counters| counters.name == name)
    }

    /// Records a call of an embedding function.
    pub(crate) fn record_embedding(&self, function: &str, call: &EmbeddingCall) {
        let known = self.embeddings().get(function).cloned();
        let counters = known.unwrap_or_else(|| {
            // This calls the program's recorder, so no lock may be held.
            let new = Arc::new(EmbeddingCounters::new(function));
            let mut all = self.embeddings();
            all.entry(function.to_owned()).or_insert(new).clone()
        });
        counters.add(call);
    }

    fn embeddings(&self) -> MutexGuard<'_, BTreeMap<String, Arc<EmbeddingCounters>>> {
        // No code panics while it holds the lock.
        (self.embeddings.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a snapshot without the endpoints.
    pub(crate) fn snapshot(&self) -> Metrics {
        let operations = self.operations.iter().filter_map(OnceLock::get);
        Metrics {
            operations: operations
                .map(|counters| (counters.name, counters.snapshot()))
                .collect(),
            pool: self.pool.snapshot(),
            endpoints: Vec::new(),
            embeddings: (self.embeddings().iter())
                .map(|(name, counters)| (name.clone(), counters.snapshot()))
                .collect(),
            elapsed: self.started.elapsed(),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// The counters of an operation.
#[derive(Debug)]
pub(crate) struct OperationCounters {
    name: &'static str,
    attempts: AtomicU64,
    retries: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    calls: AtomicU64,
    errors: Mutex<BTreeMap<&'static str, u64>>,
    durations: Durations,
    facade: facade::Operation,
}

impl OperationCounters {
    fn new(name: &'static str) -> OperationCounters {
        OperationCounters {
            name,
            attempts: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            errors: Mutex::default(),
            durations: Durations::new(),
            facade: facade::Operation::new(name),
        }
    }

    /// Records an attempt.
    pub(crate) fn record_attempt(&self, bytes_out: usize, bytes_in: usize) {
        let (bytes_out, bytes_in) = (bytes_out as u64, bytes_in as u64);
        self.attempts.fetch_add(1, Relaxed);
        self.bytes_out.fetch_add(bytes_out, Relaxed);
        self.bytes_in.fetch_add(bytes_in, Relaxed);
        self.facade.record_attempt(bytes_out, bytes_in);
    }

    /// Records that a request is sent again after a failure.
    pub(crate) fn record_retry(&self) {
        self.retries.fetch_add(1, Relaxed);
        self.facade.record_retry();
    }

    /// Records a finished call.
    pub(crate) fn record_call(&self, took: Duration, error: Option<&Error>) {
        self.calls.fetch_add(1, Relaxed);
        self.durations.add(took);
        self.facade.record_call(took);
        if let Some(error) = error {
            let kind = error.kind();
            let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
            *errors.entry(kind).or_insert(0) += 1;
            // The facade calls the program's recorder, so no lock may be held.
            drop(errors);
            facade::record_error(self.name, kind);
        }
    }

    fn snapshot(&self) -> OperationMetrics {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        OperationMetrics {
            calls: self.calls.load(Relaxed),
            attempts: self.attempts.load(Relaxed),
            retries: self.retries.load(Relaxed),
            errors: errors.clone(),
            bytes_out: self.bytes_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            latency: self.durations.snapshot(),
        }
    }
}

/// The counters of an embedding function.
#[derive(Debug)]
struct EmbeddingCounters {
    calls: AtomicU64,
    texts: AtomicU64,
    cache_hits: AtomicU64,
    retries: AtomicU64,
    limiter_wait_micros: AtomicU64,
    errors: AtomicU64,
    durations: Durations,
    facade: facade::Embedding,
}

impl EmbeddingCounters {
    fn new(function: &str) -> EmbeddingCounters {
        EmbeddingCounters {
            calls: AtomicU64::new(0),
            texts: AtomicU64::new(0),
            cache_hits: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            limiter_wait_micros: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            durations: Durations::new(),
            facade: facade::Embedding::new(function),
        }
    }

    fn add(&self, call: &EmbeddingCall) {
        self.facade.record_call(call);
        self.calls.fetch_add(1, Relaxed);
        if call.failed {
            self.errors.fetch_add(1, Relaxed);
        } else {
            self.texts.fetch_add(call.texts as u64, Relaxed);
            self.cache_hits.fetch_add(call.used.cache_hits, Relaxed);
        }
        self.retries.fetch_add(call.used.retries, Relaxed);
        let waited = u64::try_from(call.used.limiter_wait.as_micros()).unwrap_or(u64::MAX);
        self.limiter_wait_micros.fetch_add(waited, Relaxed);
        self.durations.add(call.took);
    }

    fn snapshot(&self) -> EmbeddingMetrics {
        EmbeddingMetrics {
            calls: self.calls.load(Relaxed),
            texts: self.texts.load(Relaxed),
            cache_hits: self.cache_hits.load(Relaxed),
            retries: self.retries.load(Relaxed),
            limiter_wait: Duration::from_micros(self.limiter_wait_micros.load(Relaxed)),
            errors: self.errors.load(Relaxed),
            latency: self.durations.snapshot(),
        }
    }
}

/// Counts connections.
#[derive(Debug)]
pub(crate) struct PoolCounters {
    opened: AtomicU64,
    closed: AtomicU64,
    /// Connections with a request in progress.
    busy: AtomicU64,
    reused: AtomicU64,
    facade: facade::Pool,
}

impl PoolCounters {
    fn new() -> PoolCounters {
        PoolCounters {
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            facade: facade::Pool::new(),
        }
    }

    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
        self.facade.opened();
    }

    pub(crate) fn closed(&self) {
        self.closed.fetch_add(1, Relaxed);
        self.facade.closed();
    }

    pub(crate) fn reused(&self) {
        self.reused.fetch_add(1, Relaxed);
        self.facade.reused();
    }

    /// Records that a request begins on a connection.
    pub(crate) fn busy(&self) {
        self.busy.fetch_add(1, Relaxed);
        self.facade.busy();
    }

    /// Records that a request on a connection has ended.
    pub(crate) fn idle(&self) {
        self.busy.fetch_sub(1, Relaxed);
        self.facade.idle();
    }

    fn snapshot(&self) -> PoolMetrics {
        let closed = self.closed.load(Relaxed);
        let opened = self.opened.load(Relaxed);
        let open = opened.saturating_sub(closed);
        PoolMetrics {
            opened,
            open,
            idle: open.saturating_sub(self.busy.load(Relaxed)),
            reused: self.reused.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn threads_share_the_counters_of_an_operation() {
        let recorder = Recorder::new();
        thread::scope(|scope| {
            for thread in 0..8 {
                let recorder = &recorder;
                scope.spawn(move || {
                    let names = ["query", "get", "upsert", "count"];
                    for call in 0..1_000 {
                        let name = names[(call + thread) % names.len()];
                        let counters = recorder.operation(name).unwrap();
                        counters.record_attempt(2, 3);
                        counters.record_call(Duration::from_millis(1), None);
                    }
                });
            }
        });
        let metrics = recorder.snapshot();
        assert_eq!(metrics.operations.len(), 4);
        for operation in metrics.operations.values() {
            assert_eq!((operation.calls, operation.attempts), (2_000, 2_000));
            assert_eq!((operation.bytes_out, operation.bytes_in), (4_000, 6_000));
            assert_eq!(operation.latency.max, Duration::from_millis(1));
        }
    }

    #[test]
    fn the_recorder_has_room_for_every_operation() {
        assert!(crate::client::operations::ALL.len() < OPERATIONS);
    }

    #[test]
    fn a_failed_call_is_counted_once_under_its_kind() {
        let recorder = Recorder::new();
        let error = crate::error::Call::new("query", None)
            .invalid(crate::InvalidInput::EmptyId { index: 0 });
        let counters = recorder.operation("query").unwrap();
        counters.record_call(Duration::ZERO, Some(&error));
        counters.record_call(Duration::ZERO, None);
        let metrics = recorder.snapshot();
        let query = &metrics.operations["query"];
        assert_eq!((query.calls, query.failed()), (2, 1));
        assert_eq!(query.errors["invalid"], 1);
    }
}
