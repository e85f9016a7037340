//! [`RateLimitBackoff`]: the waits after responses with status 429.

use std::time::Duration;

use crate::transport::{Backoff, RetryPolicy};

/// The waits after rate limits (429), for all batches of a call together. They grow only while no request
/// succeeds. A batch that is rate-limited while others succeed may be sent again any number of times.
pub(super) struct RateLimitBackoff {
    start: Backoff,
    next: Backoff,
    /// The waits as they were before the last one.
    last: Backoff,
}

impl RateLimitBackoff {
    pub(super) fn new(policy: &RetryPolicy) -> RateLimitBackoff {
        let start = policy.backoff();
        RateLimitBackoff {
            start,
            next: start,
            last: start,
        }
    }

    /// Starts again with the shortest wait, after a success.
    pub(super) fn reset(&mut self) {
        self.next = self.start;
        self.last = self.start;
    }

    /// Returns the wait after a new rate limit, or `None` if the policy allows no more retries. `asked` is
    /// the wait that the server asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.last = self.next;
        self.next.next(asked)
    }

    /// Returns the wait of a request that was in flight when the last rate limit came. Its failure says
    /// nothing new, so it does not count.
    pub(super) fn same_as_last(&self, asked: Option<Duration>) -> Option<Duration> {
        let mut last = self.last;
        last.next(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rate_limits_without_a_success_between_them_count() {
        let policy = RetryPolicy::default().max_retries(2);
        let mut backoff = RateLimitBackoff::new(&policy);
        for _ in 0..10 {
            assert!(backoff.next(None).is_some());
            assert!(backoff.same_as_last(None).is_some());
            assert!(backoff.next(None).is_some());
            for _ in 0..10 {
                assert!(backoff.same_as_last(None).is_some());
            }
            assert!(backoff.next(None).is_none());
            backoff.reset();
        }
    }
}
