//! [`FanOut`]: the options of a call that sends many batches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use super::job::Work;
use crate::embed::limiter::Limiter;
use crate::error::Call;
use crate::transport::RetryPolicy;

/// The options of a call that sends many batches.
pub(in crate::embed) struct FanOut<'a, V = Vec<f32>> {
    pub(in crate::embed) work: &'a dyn Work<V>,
    /// The threads that send. Without a pool the caller's thread sends, one batch at a time.
    pub(in crate::embed) pool: Option<&'a ThreadPool>,
    pub(in crate::embed) limiter: &'a Limiter,
    pub(in crate::embed) policy: &'a RetryPolicy,
    /// Whether the call goes on after a text was refused.
    pub(in crate::embed) skip_refused: bool,
    /// Nothing more is sent when one of these flags is `true`.
    pub(in crate::embed) cancel: &'a [&'a AtomicBool],
    pub(in crate::embed) deadline: Option<Instant>,
    /// Identifies the call in errors.
    pub(in crate::embed) call: Call,
    pub(in crate::embed) started: Instant,
}

impl<V> FanOut<'_, V> {
    pub(super) fn is_cancelled(&self) -> bool {
        let is_set = |flag: &&AtomicBool| flag.load(Ordering::Relaxed);
        self.cancel.iter().any(is_set)
    }

    /// Returns whether `at` is before the deadline. Without a deadline it always is.
    pub(super) fn is_in_time(&self, at: Instant) -> bool {
        self.deadline.is_none_or(|deadline| at < deadline)
    }

    /// Whether a wait that a server asked for would pass the deadline, or is longer than the policy allows.
    pub(super) fn is_too_long(&self, wait: Duration, now: Instant) -> bool {
        let ends_in_time = now.checked_add(wait).is_some_and(|at| self.is_in_time(at));
        !ends_in_time || self.policy.backoff().next(Some(wait)).is_none()
    }

    /// The call with the time that it took so far, for an error.
    pub(super) fn call(&self) -> Call {
        Call {
            elapsed: self.started.elapsed(),
            ..self.call.clone()
        }
    }
}
