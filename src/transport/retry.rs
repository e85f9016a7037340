//! [`RetryPolicy`]: how often, and after which wait, a failed request is sent again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How often, and after which wait, a failed request is sent again.
///
/// The wait doubles from one retry to the next (1 s, 2 s, 4 s by default) up to a cap, and is scattered by up to a
/// half in both directions, so that many clients do not come back at the same moment. A server that names a wait
/// (`Retry-After`, or Gemini's `retryDelay`) is obeyed if it asks for more.
///
/// What may have been acted on already is repeated only where that does no harm: reads, `upsert`, `update`, `delete`,
/// `get_or_create` and `add`, but not `create`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use = "a policy does nothing until it is given to a client"]
pub struct RetryPolicy {
    max_retries: u32,
    base_delay: Duration,
    max_delay: Duration,
}

impl Default for RetryPolicy {
    /// Three retries, after about 1, 2 and 4 seconds.
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_retries: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// No retries at all.
    pub fn none() -> RetryPolicy {
        RetryPolicy::default().max_retries(0)
    }

    /// How many times a request is sent again after it failed. Default 3.
    pub fn max_retries(mut self, retries: u32) -> RetryPolicy {
        self.max_retries = retries;
        self
    }

    /// The wait before the first retry. Default 1 s. Where it is longer than the longest wait, that becomes as long.
    pub fn base_delay(mut self, delay: Duration) -> RetryPolicy {
        self.base_delay = delay;
        self.max_delay = self.max_delay.max(delay);
        self
    }

    /// No wait is longer, unless the server asks for it; one that asks for more than this is not waited for, and the
    /// error says how long it wants. Default 60 s.
    pub fn max_delay(mut self, delay: Duration) -> RetryPolicy {
        self.max_delay = delay;
        self
    }

    /// The wait before retry `retry` (counted from 0), or `None` when it is not to be tried again.
    ///
    /// `random` is a number from 0 to 1, `asked` what the server asked for.
    pub(crate) fn wait(
        &self,
        retry: u32,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        if retry >= self.max_retries || asked.is_some_and(|asked| asked > self.max_delay) {
            return None;
        }
        let doubled = self.base_delay.saturating_mul(1_u32 << retry.min(31));
        let seconds = doubled.min(self.max_delay).as_secs_f64() * (0.5 + random.clamp(0.0, 1.0));
        let scattered = Duration::try_from_secs_f64(seconds).unwrap_or(self.max_delay);
        Some(scattered.min(self.max_delay).max(asked.unwrap_or_default()))
    }
}

/// A number from 0 to 1 that differs from call to call and from process to process.
pub(crate) fn random() -> f64 {
    // std seeds each RandomState from the system's randomness and a counter; good enough to scatter waits.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn doubles_up_to_the_cap() {
        let policy = RetryPolicy::default().max_retries(100);
        let waits: Vec<_> = (0..8)
            .map(|retry| policy.wait(retry, None, 0.5).unwrap().as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(policy.wait(99, None, 1.0), Some(60 * SECOND));
    }

    #[test]
    fn scatters_by_a_half() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(0, None, 0.0), Some(SECOND / 2));
        assert_eq!(policy.wait(0, None, 1.0), Some(SECOND * 3 / 2));
    }

    #[test]
    fn ends_after_the_last_retry() {
        assert!(RetryPolicy::default().wait(2, None, 0.5).is_some());
        assert_eq!(RetryPolicy::default().wait(3, None, 0.5), None);
        assert_eq!(RetryPolicy::none().wait(0, None, 0.5), None);
    }

    #[test]
    fn obeys_the_server_within_the_cap() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(0, Some(31 * SECOND), 0.5), Some(31 * SECOND));
        assert_eq!(policy.wait(0, Some(SECOND / 10), 0.5), Some(SECOND));
        assert_eq!(policy.wait(0, Some(3600 * SECOND), 0.5), None);
    }

    #[test]
    fn endless_waits_are_no_panic() {
        let endless = RetryPolicy::default().base_delay(Duration::MAX);
        assert_eq!(endless.wait(0, None, 1.0), Some(Duration::MAX));
        assert_eq!(
            endless.wait(2, Some(Duration::MAX), 0.9),
            Some(Duration::MAX)
        );
    }

    #[test]
    fn random_numbers_differ() {
        let numbers: Vec<_> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
