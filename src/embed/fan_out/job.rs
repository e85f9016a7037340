//! [`Job`]: one request for a batch, and the [`Event`]s that it reports to the scheduler.

use std::any::Any;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::Sender;
use std::time::Instant;

use crate::embed::limiter::{Cost, Permit};
use crate::error::{Error, Result};
use crate::transport::{Backoff, RetryPolicy};

/// Sends batches. A batch is a range of texts, and `V` holds the vectors of a batch.
pub(in crate::embed) trait Work<V = Vec<f32>>: Sync {
    /// Returns what a request for the batch costs.
    fn cost(&self, batch: Range<usize>) -> Cost;

    /// Sends a batch once. Returns its vectors, in the order of the texts. Calls `answered` when a good
    /// response has arrived, before it is parsed: the next request need not wait for that.
    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<V>;

    /// Returns whether the server may have refused the batch because of its texts, or because of their size.
    fn is_refusal(&self, error: &Error) -> bool;
}

/// Texts that are sent in one request.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) range: Range<usize>,
    pub(super) attempts: u32,
    /// The waits after failures other than rate limits.
    pub(super) backoff: Backoff,
    pub(super) first_sent: Option<Instant>,
}

impl Batch {
    pub(super) fn new(range: Range<usize>, policy: &RetryPolicy) -> Batch {
        Batch {
            range,
            attempts: 0,
            backoff: policy.backoff(),
            first_sent: None,
        }
    }

    /// Counts an attempt that starts now.
    pub(super) fn start_attempt(&mut self, now: Instant) {
        self.attempts += 1;
        self.first_sent.get_or_insert(now);
    }
}

/// A batch on its way to the server.
pub(super) struct Job<'a, V> {
    pub(super) batch: Batch,
    pub(super) sent: Instant,
    pub(super) permit: Permit<'a>,
    pub(super) events: Sender<Event<V>>,
}

/// A report of a job to the scheduler.
pub(super) enum Event<V> {
    /// A good response has arrived.
    Answered,
    /// The job has ended.
    Finished {
        batch: Box<Batch>,
        result: JobResult<V>,
    },
}

/// How a job ended.
pub(super) enum JobResult<V> {
    /// The vectors of its texts.
    Vectors(V),
    Failed {
        error: Error,
        /// Whether the limiter lowered the number of requests in flight because of it.
        backed_off: bool,
    },
    /// A panic, for example of the caller's logger.
    Panicked(Box<dyn Any + Send>),
}

impl<V> Job<'_, V> {
    /// Sends the batch and reports to the scheduler.
    pub(super) fn run(self, work: &dyn Work<V>) {
        let mut permit = Some(self.permit);
        // The channel is closed only if the caller's thread has panicked.
        let mut answered = || {
            if let Some(permit) = permit.take() {
                permit.succeeded();
                let _ = self.events.send(Event::Answered);
            }
        };
        let send = AssertUnwindSafe(|| work.send(self.batch.range.clone(), &mut answered));
        let result = match panic::catch_unwind(send) {
            Ok(Ok(vectors)) => JobResult::Vectors(vectors),
            Ok(Err(error)) => {
                // The limiter learns of it here, not in the scheduler: that one may be busy with its caller
                // while other calls send.
                let failed = |permit: &Permit<'_>| permit.failed(&error, self.sent, Instant::now());
                let backed_off = permit.as_ref().is_some_and(failed);
                JobResult::Failed { error, backed_off }
            }
            Err(panic) => JobResult::Panicked(panic),
        };
        drop(permit);
        let _ = self.events.send(Event::Finished {
            batch: Box::new(self.batch),
            result,
        });
    }
}
