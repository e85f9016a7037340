//! [`workers`]: the threads that run models, one for each core, shared by all models of the process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use rten::ThreadPool;

/// Threads, each in a pool of its own: a batch on one thread takes less time of all cores than on several.
pub(super) fn workers() -> &'static [Arc<ThreadPool>] {
    static WORKERS: OnceLock<Vec<Arc<ThreadPool>>> = OnceLock::new();
    WORKERS.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores)
            .map(|_| Arc::new(ThreadPool::with_num_threads(1)))
            .collect()
    })
}

/// Returns the worker whose turn it is.
pub(super) fn next() -> &'static Arc<ThreadPool> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let workers = workers();
    &workers[TURN.fetch_add(1, Ordering::Relaxed) % workers.len()]
}
