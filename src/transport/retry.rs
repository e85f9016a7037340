//! [`RetryPolicy`]: the limits and the waits of retries.

use std::time::Duration;

use crate::random::Random;

/// Sets how often a failed request is retried, how long the client waits between attempts, and how long a
/// call may take.
///
/// The wait doubles from one retry to the next (by default 1 s, 2 s, 4 s) up to
/// [`max_delay`](RetryPolicy::max_delay). [Jitter] randomizes it, so that many clients do not retry at the
/// same moment. If the server asks for a longer wait (`Retry-After`, or Gemini's `retryDelay`), the client
/// waits that long.
///
/// If the server may already have acted on a request, the client repeats it only where that is harmless:
/// reads, `upsert`, `update`, `delete`, `get_or_create` and `add`. After a `create`, the client looks up
/// whether the write took effect.
///
/// A policy applies to a client ([`ClientBuilder::retry`](crate::ClientBuilder::retry)) or to some of its
/// calls:
///
/// ```no_run
/// use std::time::Duration;
/// use chroma_blocking::{Client, RetryPolicy};
///
/// let notes = Client::from_env()?.collection("notes").get()?;
/// let policy = RetryPolicy::default().deadline(Duration::from_secs(2));
/// // Ends within two seconds.
/// let hits = notes.with_retry(policy).query(vec![0.1, 0.2]).run()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use = "a policy does nothing until it is given to a client"]
pub struct RetryPolicy {
    max_retries: u32,
    base_delay: Duration,
    /// `None` for the default.
    max_delay: Option<Duration>,
    jitter: Jitter,
    pub(crate) deadline: Option<Duration>,
}

/// The longest wait, unless the policy sets one or begins with a longer one.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// How waits are randomized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Jitter {
    /// From 0.5 to 1.5 times the wait. The server gets about the full wait to recover.
    #[default]
    Half,
    /// From zero to the full wait. This spreads many clients best, and halves the average wait.
    Full,
    /// From the base delay to three times the previous wait, independent of the number of the retry.
    Decorrelated,
}

impl Default for RetryPolicy {
    /// Returns a policy of three retries, after about 1, 2 and 4 seconds.
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_retries: 3,
            base_delay: Duration::from_secs(1),
            max_delay: None,
            jitter: Jitter::default(),
            deadline: None,
        }
    }
}

impl RetryPolicy {
    /// Returns a policy without retries.
    pub fn none() -> RetryPolicy {
        RetryPolicy::default().max_retries(0)
    }

    /// Sets the maximum number of retries. Default: 3.
    pub fn max_retries(mut self, retries: u32) -> RetryPolicy {
        self.max_retries = retries;
        self
    }

    /// Sets the wait before the first retry. It is never longer than a [`max_delay`](RetryPolicy::max_delay)
    /// that you set, whether before or after it. Default: 1 s.
    pub fn base_delay(mut self, delay: Duration) -> RetryPolicy {
        self.base_delay = delay;
        self
    }

    /// Sets the longest wait. If the server asks for a longer one, the call fails and the error says how
    /// long. Default: 60 s, or [`base_delay`](RetryPolicy::base_delay) if that is longer.
    pub fn max_delay(mut self, delay: Duration) -> RetryPolicy {
        self.max_delay = Some(delay);
        self
    }

    /// Sets how waits are randomized. Default: [`Jitter::Half`].
    pub fn jitter(mut self, jitter: Jitter) -> RetryPolicy {
        self.jitter = jitter;
        self
    }

    /// Sets the maximum time of a whole call: all of its requests, attempts and waits. A wait that would end
    /// later does not begin. If it is zero, every call fails before anything is sent. Default: no deadline;
    /// only the timeouts limit each attempt.
    ///
    /// Embedding functions are not interrupted. Their time counts towards the deadline. For Gemini, set
    /// [`GeminiBuilder::deadline`](crate::embed::GeminiBuilder::deadline). A
    /// [`scan`](crate::Collection::scan) applies the deadline to each of its requests.
    pub fn deadline(mut self, deadline: Duration) -> RetryPolicy {
        self.deadline = Some(deadline);
        self
    }

    /// Returns the waits of one call.
    pub(crate) fn backoff(&self) -> Backoff {
        let max_delay = self.max_delay.unwrap_or(MAX_DELAY.max(self.base_delay));
        let base_delay = self.base_delay.min(max_delay);
        Backoff {
            max_retries: self.max_retries,
            base_delay,
            max_delay,
            jitter: self.jitter,
            retries: 0,
            last_wait: base_delay,
        }
    }
}

/// The waits of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    max_retries: u32,
    base_delay: Duration,
    max_delay: Duration,
    jitter: Jitter,
    /// The number of retries so far.
    retries: u32,
    last_wait: Duration,
}

impl Backoff {
    /// Returns the next wait. `None` if the retries are used up, or if the wait that the server asked for is
    /// too long.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let wait = self.wait(asked, Random::from_entropy().fraction())?;
        self.retries += 1;
        self.last_wait = wait;
        Some(wait)
    }

    /// Whether there are retries left.
    pub(crate) fn has_retries(&self) -> bool {
        self.retries < self.max_retries
    }

    /// Takes a retry without a wait. Returns whether there was one left.
    pub(crate) fn next_at_once(&mut self) -> bool {
        let has_retries = self.has_retries();
        self.retries += u32::from(has_retries);
        has_retries
    }

    /// Computes the next wait. `random` is from 0 to 1.
    ///
    /// `Full` and `Decorrelated` are the formulas of "Exponential Backoff And Jitter" (AWS Architecture Blog,
    /// 2015).
    fn wait(&self, asked: Option<Duration>, random: f64) -> Option<Duration> {
        let is_too_long = asked.is_some_and(|asked| asked > self.max_delay);
        if !self.has_retries() || is_too_long {
            return None;
        }
        let factor = 1_u32 << self.retries.min(31);
        let doubled = self.base_delay.saturating_mul(factor);
        let doubled = doubled.min(self.max_delay).as_secs_f64();
        let base = self.base_delay.as_secs_f64();
        let seconds = match self.jitter {
            Jitter::Half => doubled * (0.5 + random),
            Jitter::Full => doubled * random,
            Jitter::Decorrelated => {
                base + (3.0 * self.last_wait.as_secs_f64() - base).max(0.0) * random
            }
        };
        let scattered = Duration::try_from_secs_f64(seconds).unwrap_or(self.max_delay);
        let wait = scattered.min(self.max_delay);
        Some(wait.max(asked.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the wait before retry `retry`, counted from 0.
    fn wait(
        policy: RetryPolicy,
        retry: u32,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let mut backoff = policy.backoff();
        backoff.retries = retry;
        backoff.wait(asked, random)
    }

    /// Returns the first wait after one of `last_wait`.
    fn wait_after(last_wait: Duration, policy: RetryPolicy, random: f64) -> Option<Duration> {
        let mut backoff = policy.backoff();
        backoff.last_wait = last_wait;
        backoff.wait(None, random)
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
    fn half_jitter_is_from_half_to_one_and_a_half() {
        let policy = RetryPolicy::default();
        assert_eq!(wait(policy, 0, None, 0.0), Some(SECOND / 2));
        assert_eq!(wait(policy, 0, None, 1.0), Some(SECOND * 3 / 2));
    }

    #[test]
    fn full_jitter_is_from_zero_to_the_wait() {
        let policy = RetryPolicy::default().jitter(Jitter::Full);
        assert_eq!(wait(policy, 1, None, 0.0), Some(Duration::ZERO));
        assert_eq!(wait(policy, 1, None, 0.5), Some(SECOND));
        assert_eq!(wait(policy, 1, None, 1.0), Some(2 * SECOND));
    }

    #[test]
    fn decorrelated_jitter_depends_on_the_last_wait() {
        let policy = RetryPolicy::default().jitter(Jitter::Decorrelated);
        assert_eq!(wait_after(4 * SECOND, policy, 0.0), Some(SECOND));
        assert_eq!(wait_after(4 * SECOND, policy, 1.0), Some(12 * SECOND));
        assert_eq!(wait_after(50 * SECOND, policy, 1.0), Some(60 * SECOND));
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
        assert!(backoff.next_at_once() && backoff.next(None).is_some() && backoff.next_at_once());
        assert!(!backoff.next_at_once() && backoff.next(None).is_none());
    }

    #[test]
    fn the_server_may_ask_for_a_wait_up_to_the_cap() {
        let policy = RetryPolicy::default();
        assert_eq!(wait(policy, 0, Some(31 * SECOND), 0.5), Some(31 * SECOND));
        assert_eq!(wait(policy, 0, Some(SECOND / 10), 0.5), Some(SECOND));
        assert_eq!(wait(policy, 0, Some(3600 * SECOND), 0.5), None);
    }

    #[test]
    fn field_31_the_order_of_base_delay_and_max_delay_does_not_matter() {
        let of = |policy: RetryPolicy, random| {
            let waits: Vec<_> = (0..3)
                .map(|retry| wait(policy, retry, None, random))
                .collect();
            waits
                .into_iter()
                .map(|wait| wait.unwrap().as_secs())
                .collect::<Vec<_>>()
        };
        let new = RetryPolicy::default;
        for jitter in [Jitter::Half, Jitter::Full, Jitter::Decorrelated] {
            for (base, max) in [(120, 10), (2, 3), (1, 60), (10, 10), (120, 600)] {
                let (base, max) = (base * SECOND, max * SECOND);
                let first = new().base_delay(base).max_delay(max).jitter(jitter);
                let second = new().max_delay(max).base_delay(base).jitter(jitter);
                assert_eq!(first, second);
                for random in [0.0, 0.5, 1.0] {
                    assert_eq!(of(first, random), of(second, random));
                    let longest = of(first, random).into_iter().max().unwrap();
                    assert!(longest <= max.as_secs(), "{first:?}: {longest} s");
                }
            }
        }
        // A limit that only the default sets does not shorten what the caller sets.
        assert_eq!(of(new().base_delay(120 * SECOND), 0.5), [120, 120, 120]);
        assert_eq!(
            of(new().max_delay(SECOND).base_delay(9 * SECOND), 0.5),
            [1, 1, 1]
        );
        let asked = Some(90 * SECOND);
        assert_eq!(
            wait(new().base_delay(120 * SECOND), 0, asked, 0.5),
            Some(120 * SECOND)
        );
        assert_eq!(wait(new().max_delay(80 * SECOND), 0, asked, 0.5), None);
    }

    #[test]
    fn endless_waits_do_not_overflow() {
        let endless = RetryPolicy::default().base_delay(Duration::MAX);
        for jitter in [Jitter::Half, Jitter::Full, Jitter::Decorrelated] {
            let endless = endless.jitter(jitter);
            let longest = wait_after(Duration::MAX, endless, 1.0);
            assert_eq!(longest, Some(Duration::MAX), "{jitter:?}");
        }
        let asked = Some(Duration::MAX);
        assert_eq!(wait(endless, 2, asked, 0.9), Some(Duration::MAX));
    }
}
