//! [`RetryPolicy`]: how often, after which wait, and for how long in all, a failed request is sent again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How often, after which wait, and for how long in all, a failed request is sent again.
///
/// The wait doubles from one retry to the next (1 s, 2 s, 4 s by default) up to a cap, and is [scattered](Jitter), so that
/// many clients do not come back at the same moment. A server that names a wait (`Retry-After`, or Gemini's `retryDelay`)
/// is obeyed if it asks for more.
///
/// What may have been acted on already is repeated only where that does no harm: reads, `upsert`, `update`, `delete`,
/// `get_or_create` and `add`, but not `create`; there the client asks whether it is done.
///
/// It is set for a client ([`ClientBuilder::retry`](crate::ClientBuilder::retry)), or for some of its calls:
///
/// ```no_run
/// use std::time::Duration;
/// use chroma_blocking::{Client, RetryPolicy};
///
/// let notes = Client::from_env()?.collection("notes").get()?;
/// let hurried = notes.with_retry(RetryPolicy::default().deadline(Duration::from_secs(2)));
/// let hits = hurried.query(vec![0.1, 0.2]).run()?; // within two seconds, or an error
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use = "a policy does nothing until it is given to a client"]
pub struct RetryPolicy {
    max_retries: u32,
    base_delay: Duration,
    max_delay: Duration,
    jitter: Jitter,
    pub(crate) deadline: Option<Duration>,
}

/// How waits are scattered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// By up to a half in both directions: the wait is about as long as its name, so that a server has time to come back.
    #[default]
    Half,
    /// From nothing to all of it: a crowd of clients is spread best, and each waits half as long on average.
    Full,
    /// From the first wait to three times the last one, whatever the number of the retry.
    Decorrelated,
}

impl Default for RetryPolicy {
    /// Three retries, after about 1, 2 and 4 seconds.
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_retries: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            jitter: Jitter::default(),
            deadline: None,
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

    /// How waits are scattered. Default [`Jitter::Half`].
    pub fn jitter(mut self, jitter: Jitter) -> RetryPolicy {
        self.jitter = jitter;
        self
    }

    /// How long a whole call may take: all of its requests, all attempts, and all waits. No wait is begun that would end
    /// later. Default: no bound, but for the timeouts of its attempts.
    ///
    /// A text that is embedded on the way takes the time that its embedding function takes (for Gemini bounded by
    /// [`GeminiBuilder::deadline`](crate::embed::GeminiBuilder::deadline)), and what is left is for the rest. A
    /// [`scan`](crate::Collection::scan) has it for each of its requests.
    pub fn deadline(mut self, deadline: Duration) -> RetryPolicy {
        self.deadline = Some(deadline);
        self
    }

    /// The waits of one call.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff {
            policy: *self,
            retries: 0,
            last: self.base_delay,
        }
    }

    /// The wait before retry `retry` (counted from 0), or `None` when it is not to be tried again.
    ///
    /// `last` is the wait before this one, `random` a number from 0 to 1, `asked` what the server asked for.
    fn wait(
        &self,
        retry: u32,
        last: Duration,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        if retry >= self.max_retries || asked.is_some_and(|asked| asked > self.max_delay) {
            return None;
        }
        let doubled = self.base_delay.saturating_mul(1_u32 << retry.min(31));
        let doubled = doubled.min(self.max_delay).as_secs_f64();
        let base = self.base_delay.as_secs_f64();
        let random = random.clamp(0.0, 1.0);
        let seconds = match self.jitter {
            Jitter::Half => doubled * (0.5 + random),
            Jitter::Full => doubled * random,
            Jitter::Decorrelated => base + (3.0 * last.as_secs_f64() - base).max(0.0) * random,
        };
        let scattered = Duration::try_from_secs_f64(seconds).unwrap_or(self.max_delay);
        Some(scattered.min(self.max_delay).max(asked.unwrap_or_default()))
    }
}

/// The waits of one call, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    retries: u32,
    last: Duration,
}

impl Backoff {
    /// The next wait, or `None` when it is not to be tried again. `asked` is what the server asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let wait = self.policy.wait(self.retries, self.last, asked, random())?;
        self.retries += 1;
        self.last = wait;
        Some(wait)
    }

    /// As [`next`](Backoff::next), where there is no need to wait.
    pub(crate) fn at_once(&mut self) -> bool {
        let more = self.retries < self.policy.max_retries;
        self.retries += u32::from(more);
        more
    }
}

/// A number from 0 to 1 that differs from call to call and from process to process.
fn random() -> f64 {
    // std seeds each RandomState from the system's randomness and a counter; good enough to scatter waits.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wait(
        policy: RetryPolicy,
        retry: u32,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        policy.wait(retry, SECOND, asked, random)
    }

    #[test]
    fn doubles_up_to_the_cap() {
        let policy = RetryPolicy::default().max_retries(100);
        let waits: Vec<_> = (0..8)
            .map(|retry| wait(policy, retry, None, 0.5).unwrap().as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait(policy, 99, None, 1.0), Some(60 * SECOND));
    }

    #[test]
    fn scatters_by_a_half() {
        let policy = RetryPolicy::default();
        assert_eq!(wait(policy, 0, None, 0.0), Some(SECOND / 2));
        assert_eq!(wait(policy, 0, None, 1.0), Some(SECOND * 3 / 2));
    }

    #[test]
    fn full_jitter_is_from_nothing_to_all_of_it() {
        let policy = RetryPolicy::default().jitter(Jitter::Full);
        assert_eq!(wait(policy, 1, None, 0.0), Some(Duration::ZERO));
        assert_eq!(wait(policy, 1, None, 0.5), Some(SECOND));
        assert_eq!(wait(policy, 1, None, 1.0), Some(2 * SECOND));
    }

    #[test]
    fn decorrelated_jitter_goes_by_the_last_wait() {
        let policy = RetryPolicy::default().jitter(Jitter::Decorrelated);
        assert_eq!(policy.wait(0, 4 * SECOND, None, 0.0), Some(SECOND));
        assert_eq!(policy.wait(0, 4 * SECOND, None, 1.0), Some(12 * SECOND));
        assert_eq!(policy.wait(0, 50 * SECOND, None, 1.0), Some(60 * SECOND));
        let mut backoff = policy.max_retries(1000).backoff();
        let waits: Vec<_> = (0..1000).map(|_| backoff.next(None).unwrap()).collect();
        assert!(
            waits
                .iter()
                .all(|wait| (SECOND..=60 * SECOND).contains(wait))
        );
        assert!(waits.iter().any(|wait| *wait > 50 * SECOND));
    }

    #[test]
    fn ends_after_the_last_retry() {
        assert!(wait(RetryPolicy::default(), 2, None, 0.5).is_some());
        assert_eq!(wait(RetryPolicy::default(), 3, None, 0.5), None);
        assert_eq!(wait(RetryPolicy::none(), 0, None, 0.5), None);
        let mut backoff = RetryPolicy::default().backoff();
        assert!(backoff.at_once() && backoff.next(None).is_some() && backoff.at_once());
        assert!(!backoff.at_once() && backoff.next(None).is_none());
    }

    #[test]
    fn obeys_the_server_within_the_cap() {
        let policy = RetryPolicy::default();
        assert_eq!(wait(policy, 0, Some(31 * SECOND), 0.5), Some(31 * SECOND));
        assert_eq!(wait(policy, 0, Some(SECOND / 10), 0.5), Some(SECOND));
        assert_eq!(wait(policy, 0, Some(3600 * SECOND), 0.5), None);
    }

    #[test]
    fn endless_waits_are_no_panic() {
        let endless = RetryPolicy::default().base_delay(Duration::MAX);
        for jitter in [Jitter::Half, Jitter::Full, Jitter::Decorrelated] {
            let endless = endless.jitter(jitter);
            let longest = endless.wait(0, Duration::MAX, None, 1.0);
            assert_eq!(longest, Some(Duration::MAX), "{jitter:?}");
        }
        let asked = Some(Duration::MAX);
        assert_eq!(wait(endless, 2, asked, 0.9), Some(Duration::MAX));
    }

    #[test]
    fn random_numbers_differ() {
        let numbers: Vec<_> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
