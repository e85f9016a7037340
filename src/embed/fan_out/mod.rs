//! [`FanOut`]: batches of texts, embedded several at a time. It knows no HTTP.
//!
//! The caller's thread decides and waits; the threads of a pool send. So every wait ends early when the caller's flag is
//! up or the time is over, and a thread of the pool is never taken by a batch that waits.

mod desk;

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use super::limiter::{Cost, Limiter, Permit};
use crate::error::{Call, Error, Result};
use crate::transport::{Backoff, Parent, RetryPolicy};
use desk::Desk;

/// What is done with a batch.
pub(crate) trait Work: Sync {
    fn cost(&self, batch: Range<usize>) -> Cost;

    /// Sends a batch once. Its vectors, one behind the other. Calls `answered` when a good answer is in, before it is
    /// read: the next request need not wait for that.
    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<f32>>;

    /// Whether the error may be about some of the texts, or about their being so many.
    fn refuses(&self, error: &Error) -> bool;
}

/// How to go about it.
pub(crate) struct FanOut<'a> {
    /// Without one, the caller's thread does everything.
    pub(crate) pool: Option<&'a ThreadPool>,
    pub(crate) limiter: &'a Limiter,
    pub(crate) policy: &'a RetryPolicy,
    /// Whether a refused text leaves the others be.
    pub(crate) go_on: bool,
    /// If one is true, nothing more is sent.
    pub(crate) cancel: &'a [&'a AtomicBool],
    pub(crate) deadline: Option<Instant>,
    /// For errors about the call as a whole.
    pub(crate) call: Call,
    pub(crate) started: Instant,
}

/// What did not go well.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What stopped it; where nothing did, why a text was refused.
    pub(crate) error: Option<Error>,
    /// Texts that were refused, and why.
    pub(crate) refused: Vec<(usize, String)>,
    /// Batches that were sent again, after a failure that was not about their texts.
    pub(crate) retries: u64,
    /// How long nothing could be sent because of a rate, or because the server had asked for a pause.
    pub(crate) held_back: Duration,
}

impl FanOut<'_> {
    /// Does all batches; `done` is given the vectors of each, on the caller's thread, in whatever order.
    pub(crate) fn run(
        &self,
        work: &dyn Work,
        batches: impl Iterator<Item = Range<usize>>,
        done: impl FnMut(Range<usize>, Vec<f32>),
    ) -> Outcome {
        let desk = Desk::new(self, work, batches, done);
        let parent = Parent::current();
        match self.pool {
            None => desk.run(|job| job.run(work)),
            Some(pool) => pool.in_place_scope(|scope| {
                desk.run(|job| {
                    let parent = parent.clone();
                    scope.spawn(move |_| {
                        let _entered = parent.enter();
                        job.run(work);
                    });
                })
            }),
        }
    }
}

/// Some of the texts, on their way to becoming vectors.
#[derive(Debug)]
struct Batch {
    range: Range<usize>,
    attempts: u32,
    /// The waits after failures for another reason than the rate.
    backoff: Backoff,
    first_sent: Option<Instant>,
}

impl Batch {
    fn new(range: Range<usize>, policy: &RetryPolicy) -> Batch {
        Batch {
            range,
            attempts: 0,
            backoff: policy.backoff(),
            first_sent: None,
        }
    }
}

/// A batch that is sent.
struct Job<'a> {
    batch: Batch,
    sent: Instant,
    permit: Permit<'a>,
    news: Sender<News>,
}

/// What becomes of it.
enum News {
    /// A good answer is in.
    Answered,
    Done {
        batch: Box<Batch>,
        result: thread::Result<Result<Vec<f32>>>,
        /// Whether the limiter learned something from an answer that was not good.
        eased: bool,
    },
}

impl Job<'_> {
    fn run(self, work: &dyn Work) {
        let mut permit = Some(self.permit);
        // Nobody listens when the caller panics.
        let mut answered = || {
            if let Some(permit) = permit.take() {
                permit.succeeded();
                let _ = self.news.send(News::Answered);
            }
        };
        // The desk waits for news; a panic (of the caller's logger, say) goes on there.
        let send = AssertUnwindSafe(|| work.send(self.batch.range.clone(), &mut answered));
        let result = panic::catch_unwind(send);
        // What the answer says may forbid the next request, of whichever call; the desk may be busy with its caller.
        let eased = match (&result, &permit) {
            (Ok(Err(error)), Some(permit)) => permit.failed(error, self.sent, Instant::now()),
            _ => false,
        };
        drop(permit);
        let _ = self.news.send(News::Done {
            batch: Box::new(self.batch),
            result,
            eased,
        });
    }
}
