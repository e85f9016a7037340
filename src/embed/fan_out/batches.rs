//! [`BatchQueue`]: the batches that are still to be sent.

use std::iter::Peekable;
use std::ops::Range;
use std::time::Instant;

use super::job::Batch;
use crate::transport::RetryPolicy;

/// The batches that are still to be sent: new ones, and those that are sent again.
pub(super) struct BatchQueue<'a, I: Iterator> {
    new: Peekable<I>,
    /// Each not before its time.
    retries: Vec<(Instant, Batch)>,
    /// The batch that waits for a permit.
    first: Option<Batch>,
    policy: &'a RetryPolicy,
}

impl<'a, I: Iterator<Item = Range<usize>>> BatchQueue<'a, I> {
    pub(super) fn new(ranges: I, policy: &'a RetryPolicy) -> Self {
        BatchQueue {
            new: ranges.peekable(),
            retries: Vec::new(),
            first: None,
            policy,
        }
    }

    pub(super) fn is_empty(&mut self) -> bool {
        self.first.is_none() && self.retries.is_empty() && self.new.peek().is_none()
    }

    /// Takes the next batch that may be sent now: one that was put back, then one that is sent again, then a
    /// new one.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Batch> {
        let first = self.first.take().or_else(|| self.take_due_retry(now));
        first.or_else(|| Some(Batch::new(self.new.next()?, self.policy)))
    }

    /// Takes the smallest batch that is due, because a small one may be all that is left of a search for a
    /// refused text.
    fn take_due_retry(&mut self, now: Instant) -> Option<Batch> {
        let retries = self.retries.iter().enumerate();
        let due = retries.filter(|(_, (at, _))| *at <= now);
        let (index, _) = due.min_by_key(|(_, (at, batch))| (batch.range.len(), *at))?;
        Some(self.retries.remove(index).1)
    }

    /// Puts back a batch that was taken and not sent.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.first = Some(batch);
    }

    /// Adds a batch that is sent at `at` or later.
    pub(super) fn retry(&mut self, batch: Batch, at: Instant) {
        self.retries.push((at, batch));
    }

    /// Adds a new batch that is sent as soon as possible.
    pub(super) fn add(&mut self, range: Range<usize>, now: Instant) {
        self.retry(Batch::new(range, self.policy), now);
    }

    pub(super) fn next_retry_at(&self) -> Option<Instant> {
        self.retries.iter().map(|(at, _)| *at).min()
    }
}
