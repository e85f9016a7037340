//! [`Job`]: the state that all threads of a batch job share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use super::pool::VectorPool;
use super::settings::Settings;
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::transport::{Backoff, retries_of_this_thread};

/// How often a waiting thread checks the flags.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The state that all threads of a job share.
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) call: &'a Call,
    pub(super) vectors: VectorPool,
    /// Set when the threads must not start anything new.
    finished: AtomicBool,
    /// Set once the caller's flag was seen set. Clearing the flag later does not continue the job.
    cancelled: AtomicBool,
    /// Set when the pieces of a document turn out not to follow each other in the input.
    is_unsorted: AtomicBool,
    retries: AtomicU64,
}

impl<'a> Job<'a> {
    pub(super) fn new(settings: &'a Settings, call: &'a Call) -> Job<'a> {
        Job {
            settings,
            call,
            vectors: VectorPool::default(),
            finished: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            is_unsorted: AtomicBool::new(false),
            retries: AtomicU64::new(0),
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// Marks the job as finished when the guard is dropped, also by a panic, so that no thread waits forever.
    pub(super) fn finish_on_drop(&self) -> FinishGuard<'_> {
        FinishGuard(&self.finished)
    }

    /// Checks the caller's flag, and returns whether the job must stop before its end.
    pub(super) fn check_cancelled(&self) -> bool {
        if self.settings.is_cancel_requested() {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.was_cancelled()
    }

    /// Whether an earlier check has found the caller's flag set.
    pub(super) fn was_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Stops the deletion of old pieces, because the pieces of a document do not follow each other.
    pub(super) fn set_unsorted(&self) {
        self.is_unsorted.store(true, Ordering::Relaxed);
    }

    /// Whether the pieces of a document are known not to follow each other in the input.
    pub(super) fn is_unsorted(&self) -> bool {
        self.is_unsorted.load(Ordering::Relaxed)
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(super) fn add_retries(&self, retries: u64) {
        self.retries.fetch_add(retries, Ordering::Relaxed);
    }

    /// Counts the requests that the current thread repeats until the counter is dropped.
    pub(super) fn count_retries(&self) -> RetryCounter<'_> {
        RetryCounter {
            retries: &self.retries,
            before: retries_of_this_thread(),
        }
    }

    /// Sleeps before a retry.
    ///
    /// # Errors
    /// The given error if the policy allows no further retry; [`Error::Cancelled`] if the job ends meanwhile.
    pub(super) fn wait(&self, backoff: &mut Backoff, error: Error) -> Result<()> {
        let Some(wait) = backoff.next(error.asked_wait()) else {
            return Err(error);
        };
        let pairs = [self.settings.log_pair(), logs::wait_ms(wait)];
        logs::Line::new(logs::INGEST, Level::Warn, &pairs).log_failure(
            &error,
            format_args!("the job retries in {:.1} s", wait.as_secs_f64()),
        );
        let started = Instant::now();
        while let Some(left) = wait.checked_sub(started.elapsed()) {
            if self.is_finished() || self.check_cancelled() {
                let call = Box::new(error.call().cloned().unwrap_or_default());
                return Err(Error::Cancelled { call });
            }
            thread::sleep(left.min(POLL_INTERVAL));
        }
        self.add_retries(1);
        Ok(())
    }

    /// Makes a call, and repeats it as the job's policy allows.
    ///
    /// # Errors
    /// The error of the last attempt; [`Error::Cancelled`] if the job ends during a wait.
    pub(super) fn retry<T>(&self, attempt: impl Fn() -> Result<T>) -> Result<T> {
        let mut backoff = self.settings.retry.backoff();
        loop {
            match attempt() {
                Err(error) if error.is_retryable() => self.wait(&mut backoff, error)?,
                result => return result,
            }
        }
    }
}

/// Created by [`Job::finish_on_drop`].
pub(super) struct FinishGuard<'a>(&'a AtomicBool);

impl Drop for FinishGuard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Created by [`Job::count_retries`].
pub(super) struct RetryCounter<'a> {
    retries: &'a AtomicU64,
    before: u64,
}

impl Drop for RetryCounter<'_> {
    fn drop(&mut self) {
        let retries = retries_of_this_thread() - self.before;
        self.retries.fetch_add(retries, Ordering::Relaxed);
    }
}
