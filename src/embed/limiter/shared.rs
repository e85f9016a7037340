//! [`Limiter`], and the [`Ticket`]s and [`Permit`]s that it issues.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::rate::Rate;
use super::state::{Cost, State, Unavailable};
use crate::error::Error;

/// The longest pause. If a server asks for more, it is asked again after this time.
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// Limits the number of requests in flight and, if set, their rates. Respects the pauses that a server asks
/// for.
///
/// The number of requests in flight adapts to the server: it is halved after a 429 or 503, grows slowly after
/// successes, and never exceeds its initial value.
#[derive(Debug)]
pub(crate) struct Limiter(Mutex<State>);

impl Limiter {
    /// Allows at most `max_in_flight` requests at a time, at any rate.
    pub(crate) fn new(max_in_flight: usize) -> Limiter {
        Limiter(Mutex::new(State::new(max_in_flight)))
    }

    /// Sets the limit of items per minute. At most `burst` items (a full request) go ahead of an even pace.
    pub(crate) fn items(mut self, per_minute: usize, burst: usize) -> Limiter {
        self.get_mut().items = Some(Rate::new(per_minute, burst));
        self
    }

    /// Sets the limit of tokens per minute.
    pub(crate) fn tokens(mut self, per_minute: usize) -> Limiter {
        self.get_mut().tokens = Some(Rate::new(per_minute, per_minute / 60));
        self
    }

    fn get_mut(&mut self) -> &mut State {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the queue at its end.
    pub(crate) fn join_queue(&self) -> Ticket<'_> {
        Ticket {
            limiter: self,
            number: self.state().join_queue(),
        }
    }

    /// Returns the rest of the server's pause, if there is one.
    pub(crate) fn pause_left(&self, now: Instant) -> Option<Duration> {
        self.state().pause_left(now)
    }

    /// Forbids all requests before `until`, but for at most an hour.
    pub(crate) fn pause(&self, until: Instant) {
        let latest = Instant::now() + MAX_PAUSE;
        self.state().pause(until.min(latest));
    }
}

/// A place in the queue of a limiter. Dropping it leaves the queue.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    limiter: &'a Limiter,
    number: u64,
}

impl<'a> Ticket<'a> {
    /// Returns a permit for one request, if this ticket is the first in the queue and the limits allow it.
    pub(crate) fn try_acquire(&self, cost: Cost, now: Instant) -> Result<Permit<'a>, Unavailable> {
        let limiter = self.limiter;
        limiter.state().try_start(self.number, cost, now)?;
        Ok(Permit(limiter))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.limiter.state().leave_queue(self.number);
    }
}

/// Allows one request. Dropping it ends the request.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Limiter);

impl Permit<'_> {
    /// Records that the request has succeeded, and ends it.
    pub(crate) fn succeeded(self) {
        self.0.state().concurrency.succeeded();
    }

    /// Records that the request, sent at `sent`, has failed. A wait that the server asks for pauses all
    /// requests, and after a 429 or 503 fewer are in flight.
    ///
    /// Returns whether the limiter backed off. It does not if it already did so while this request was in
    /// flight.
    pub(crate) fn failed(&self, error: &Error, sent: Instant, now: Instant) -> bool {
        if let Some(until) = error.asked_wait().and_then(|wait| now.checked_add(wait)) {
            self.0.pause(until);
        }
        let is_complaint = matches!(error.status(), Some(429 | 503));
        is_complaint && self.0.state().concurrency.back_off(sent, now)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state().concurrency.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::limiter::rate::MINUTE;

    const SECOND: Duration = Duration::from_secs(1);

    fn cost(items: usize, tokens: usize) -> Cost {
        Cost { items, tokens }
    }

    /// Sends requests of this cost one after the other, each as soon as the limiter allows it. Returns the
    /// time at which each one was sent.
    fn sent(limiter: &Limiter, cost: Cost, during: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let (mut now, mut sent) = (start, Vec::new());
        while now - start < during {
            match limiter.join_queue().try_acquire(cost, now) {
                Ok(_permit) => sent.push(now - start),
                Err(unavailable) => now = unavailable.retry_at,
            }
        }
        sent
    }

    #[test]
    fn full_requests_are_spread_over_the_minute() {
        let limiter = Limiter::new(8).items(1000, 100);
        let sent = sent(&limiter, cost(100, 0), MINUTE * 3);
        assert_eq!(sent.len(), 30);
        for (index, at) in sent.iter().enumerate() {
            let expected = MINUTE.mul_f64(index as f64 / 10.0);
            assert!(at.abs_diff(expected) < SECOND / 100, "{index}: {at:?}");
        }
    }

    #[test]
    fn no_minute_exceeds_the_limit_for_any_size() {
        for (per_minute, size) in [
            (150, 100),
            (100, 100),
            (7, 1),
            (100, 1),
            (3000, 99),
            (5, 100),
        ] {
            let limiter = Limiter::new(8).items(per_minute, 100);
            let sent = sent(&limiter, cost(size, 0), MINUTE * 4);
            let size = size.min(per_minute);
            assert!(sent.len() >= 4 * (per_minute / size), "{per_minute} {size}");
            for start in &sent {
                let minute = sent
                    .iter()
                    .filter(|at| *at >= start && (**at).checked_sub(*start).unwrap() < MINUTE);
                assert!(minute.count() * size <= per_minute, "{per_minute} {size}");
            }
        }
    }

    #[test]
    fn requests_of_any_size_use_the_whole_quota() {
        for size in [1, 30, 51, 67, 99, 100] {
            let limiter = Limiter::new(8).items(3000, 100);
            let sent = sent(&limiter, cost(size, 0), MINUTE * 10);
            let used = (sent.len() * size) as f64 / 30_000.0;
            assert!(used > 0.97, "{size}: {used}");
        }
    }

    #[test]
    fn small_requests_go_in_a_burst() {
        let limiter = Limiter::new(8).items(1000, 100).tokens(60_000);
        let sent = sent(&limiter, cost(1, 10), SECOND);
        assert_eq!(sent.iter().filter(|at| **at < SECOND / 1000).count(), 100);
        assert_eq!(sent.len(), 100 + 1000 / 61, "then at an even pace");
    }

    #[test]
    fn tokens_are_limited_as_well() {
        let limiter = Limiter::new(8).items(100_000, 100).tokens(6_000);
        let sent = sent(&limiter, cost(1, 600), MINUTE * 2);
        assert_eq!(sent.len(), 20);
        assert!(sent[1] >= MINUTE / 11, "{:?}", sent[1]);
    }

    #[test]
    fn requests_in_flight_are_limited() {
        let limiter = Limiter::new(2);
        let now = Instant::now();
        let send = || limiter.join_queue().try_acquire(cost(100, 1), now);
        let first = send().unwrap();
        let _second = send().unwrap();
        assert!(send().is_err());
        drop(first);
        assert!(send().is_ok());
    }

    fn allowed(limiter: &Limiter) -> usize {
        limiter.state().concurrency.allowed()
    }

    #[test]
    fn complaints_halve_the_limit_and_successes_raise_it() {
        let limiter = Limiter::new(8);
        let now = Instant::now();
        let back_off = |sent, now| limiter.state().concurrency.back_off(sent, now);
        assert!(back_off(now, now + SECOND));
        assert!(
            !back_off(now, now + 2 * SECOND),
            "those in flight at the first complaint do not count"
        );
        assert_eq!(allowed(&limiter), 4);
        for sent in 2..6 {
            back_off(now + sent * SECOND, now + sent * SECOND);
        }
        assert_eq!(allowed(&limiter), 1, "at least one");
        let mut grown = Vec::new();
        for _ in 0..36 {
            limiter.state().concurrency.succeeded();
            grown.push(allowed(&limiter));
        }
        assert_eq!(grown[..6], [2, 2, 3, 3, 3, 4]);
        assert_eq!(grown.last(), Some(&8), "never more than at the start");
    }

    #[test]
    fn a_pause_holds_for_all_tickets() {
        let limiter = Limiter::new(8);
        let now = Instant::now();
        limiter.pause(now + 31 * SECOND);
        limiter.pause(now + 2 * SECOND);
        let turn = limiter.join_queue();
        let unavailable = Unavailable {
            retry_at: now + 31 * SECOND,
            is_throttled: true,
        };
        assert_eq!(turn.try_acquire(cost(1, 1), now).err(), Some(unavailable));
        let second = limiter.join_queue();
        assert!(
            second
                .try_acquire(cost(1, 1), now)
                .unwrap_err()
                .is_throttled
        );
        assert!(turn.try_acquire(cost(1, 1), now + 31 * SECOND).is_ok());
        let unavailable = second
            .try_acquire(cost(1, 1), now + 31 * SECOND)
            .unwrap_err();
        assert!(!unavailable.is_throttled, "it waits only for the first");
    }

    #[test]
    fn tickets_are_served_in_order() {
        let limiter = Limiter::new(1);
        let now = Instant::now();
        let (first, second) = (limiter.join_queue(), limiter.join_queue());
        assert!(second.try_acquire(cost(1, 1), now).is_err());
        let permit = first.try_acquire(cost(1, 1), now).unwrap();
        drop(first);
        let third = limiter.join_queue();
        drop(permit);
        assert!(
            third.try_acquire(cost(1, 1), now).is_err(),
            "the second is first in the queue"
        );
        drop(second);
        assert!(third.try_acquire(cost(1, 1), now).is_ok());
    }
}
