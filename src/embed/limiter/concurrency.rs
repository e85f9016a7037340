//! [`Concurrency`]: how many requests may be in flight, adapted to the server's load.

use std::time::Instant;

/// The number of requests in flight, and the number allowed. A back-off halves the allowed number. After that
/// many successes in a row, it grows by one.
#[derive(Debug)]
pub(super) struct Concurrency {
    max: usize,
    allowed: usize,
    in_flight: usize,
    /// Since `allowed` changed.
    successes: usize,
    backed_off_at: Option<Instant>,
}

impl Concurrency {
    pub(super) fn new(max: usize) -> Concurrency {
        Concurrency {
            max,
            allowed: max,
            in_flight: 0,
            successes: 0,
            backed_off_at: None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= self.allowed
    }

    pub(super) fn start(&mut self) {
        self.in_flight += 1;
    }

    pub(super) fn finish(&mut self) {
        self.in_flight -= 1;
    }

    pub(super) fn succeeded(&mut self) {
        self.successes += 1;
        if self.successes >= self.allowed && self.allowed < self.max {
            self.allowed += 1;
            self.successes = 0;
        }
    }

    /// Halves the allowed requests because the server complained about one that was sent at `sent`. Returns
    /// `false`, and changes nothing, if that request was sent before the last back-off: it was in flight
    /// then.
    pub(super) fn back_off(&mut self, sent: Instant, now: Instant) -> bool {
        if self.backed_off_at.is_some_and(|at| sent < at) {
            return false;
        }
        self.allowed = (self.allowed / 2).max(1);
        self.successes = 0;
        self.backed_off_at = Some(now);
        true
    }

    #[cfg(test)]
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }
}
