//! [`Limiter`]: how many requests may be in flight, and how much may be sent in a minute.
//!
//! It is shared by everything that sends with one key, and waits for nothing itself: it is told what time it is, and says
//! when to ask again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// What a server counts as a minute. The second more is for requests that travel at different speeds.
const MINUTE: Duration = Duration::from_secs(61);
/// A server that asks for a longer one is asked again then.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// When to ask again where it depends on the requests of others.
const SOON: Duration = Duration::from_millis(5);

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) items: usize,
    pub(crate) tokens: usize,
}

/// Requests in flight adapt to what the server bears: fewer after it complained, more after successes, and never more
/// than at the start. Rates are kept, where there are any, and so is a pause that a server asked for.
#[derive(Debug)]
pub(crate) struct Limiter {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    allowed: usize,
    /// Since `allowed` changed last.
    successes: usize,
    /// When `allowed` went down last.
    eased: Option<Instant>,
    paused_until: Option<Instant>,
    items: Option<Rate>,
    tokens: Option<Rate>,
    /// Who waits to send, in the order of their coming: a large call must not keep a small one waiting to its end.
    line: VecDeque<u64>,
    newest: u64,
}

impl Limiter {
    /// `most` requests in flight, no limit to their rate.
    pub(crate) fn new(most: usize) -> Limiter {
        Limiter {
            most,
            state: Mutex::new(State {
                in_flight: 0,
                allowed: most,
                successes: 0,
                eased: None,
                paused_until: None,
                items: None,
                tokens: None,
                line: VecDeque::new(),
                newest: 0,
            }),
        }
    }

    /// At most `per_minute` items, and never more than `at_once` (which is a full request) in one go.
    pub(crate) fn items(mut self, per_minute: usize, at_once: usize) -> Limiter {
        self.get_mut().items = Some(Rate::new(per_minute, at_once));
        self
    }

    /// At most `per_minute` tokens.
    pub(crate) fn tokens(mut self, per_minute: usize) -> Limiter {
        self.get_mut().tokens = Some(Rate::new(per_minute, per_minute / 60));
        self
    }

    fn get_mut(&mut self) -> &mut State {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at the end of the line.
    pub(crate) fn queue(&self) -> Turn<'_> {
        let mut state = self.state();
        state.newest += 1;
        let number = state.newest;
        state.line.push_back(number);
        Turn {
            limiter: self,
            number,
        }
    }

    /// A request has succeeded.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.successes += 1;
        if state.successes >= state.allowed && state.allowed < self.most {
            state.allowed += 1;
            state.successes = 0;
        }
    }

    /// The server complained about a request that was sent at `sent`: half as many from now on. Whether that is news: a
    /// request that was on its way when another complaint came in says nothing new.
    pub(crate) fn ease(&self, sent: Instant, now: Instant) -> bool {
        let mut state = self.state();
        if state.eased.is_some_and(|eased| sent < eased) {
            return false;
        }
        state.allowed = (state.allowed / 2).max(1);
        state.successes = 0;
        state.eased = Some(now);
        true
    }

    /// How long nothing may be sent, because a server said so.
    pub(crate) fn pause_left(&self, now: Instant) -> Option<Duration> {
        let until = self.state().paused_until?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// Nothing is sent before `until`.
    pub(crate) fn pause(&self, until: Instant) {
        // Whatever a server says, it is asked again after a while.
        let latest = Instant::now() + LONGEST_PAUSE;
        let mut state = self.state();
        state.paused_until = state.paused_until.max(Some(until.min(latest)));
    }
}

/// No leave to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotYet {
    pub(crate) ask_again: Instant,
    /// Whether that is for a rate, or for a pause that a server asked for, and not for other requests.
    pub(crate) held_back: bool,
}

/// A place in the line, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    limiter: &'a Limiter,
    number: u64,
}

impl<'a> Turn<'a> {
    /// Leave to send, or when to ask again.
    pub(crate) fn leave(&self, cost: Cost, now: Instant) -> Result<Permit<'a>, NotYet> {
        let mut state = self.limiter.state();
        let state = &mut *state;
        let mut rates = [
            (&mut state.items, cost.items),
            (&mut state.tokens, cost.tokens),
        ];
        let free = |(rate, amount): &mut (&mut Option<Rate>, usize)| {
            rate.as_mut().and_then(|rate| rate.free_at(*amount, now))
        };
        let free = rates.iter_mut().map(free).max().flatten();
        let later = free.max(state.paused_until).filter(|at| *at > now);
        if state.line.front() != Some(&self.number) || state.in_flight >= state.allowed {
            return Err(NotYet {
                ask_again: now + SOON,
                held_back: later.is_some(),
            });
        }
        match later {
            Some(ask_again) => Err(NotYet {
                ask_again,
                held_back: true,
            }),
            None => {
                for (rate, amount) in rates {
                    if let Some(rate) = rate {
                        rate.spend(amount, now);
                    }
                }
                state.in_flight += 1;
                Ok(Permit(self.limiter))
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.line.retain(|number| *number != self.number);
    }
}

/// Leave for one request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Limiter);

impl Permit<'_> {
    /// A good answer has come.
    pub(crate) fn succeeded(self) {
        self.0.succeeded();
    }

    /// The request, sent at `sent`, has failed. Whether the server complained, and that is news.
    pub(crate) fn failed(&self, error: &Error, sent: Instant, now: Instant) -> bool {
        if let Some(until) = error.asked_wait().and_then(|wait| now.checked_add(wait)) {
            self.0.pause(until);
        }
        matches!(error.status(), Some(429 | 503)) && self.0.ease(sent, now)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

/// A limit per minute, spread over the minute.
#[derive(Debug)]
struct Rate {
    per_minute: usize,
    at_once: usize,
    /// When how much was sent, in the last minute.
    spent: VecDeque<(Instant, usize)>,
    /// When all that was sent would have gone at an even pace.
    due: Option<Instant>,
}

impl Rate {
    fn new(per_minute: usize, at_once: usize) -> Rate {
        Rate {
            per_minute,
            at_once: at_once.clamp(1, per_minute),
            spent: VecDeque::new(),
            due: None,
        }
    }

    /// How long so much takes at an even pace.
    fn pace(&self, amount: usize) -> Duration {
        MINUTE.mul_f64(amount as f64 / self.per_minute as f64)
    }

    /// When so much may be sent, if not at once. More than a minute's amount counts as that.
    fn free_at(&mut self, amount: usize, now: Instant) -> Option<Instant> {
        while let Some((at, _)) = self.spent.front() {
            if now.saturating_duration_since(*at) < MINUTE {
                break;
            }
            self.spent.pop_front();
        }
        let amount = amount.min(self.per_minute);
        // Never more than `at_once` ahead of an even pace, lest everything goes in the first second.
        let ahead = self.pace(self.at_once.saturating_sub(amount));
        let in_turn = self.due.and_then(|due| due.checked_sub(ahead));
        in_turn.max(self.room(amount))
    }

    fn spend(&mut self, amount: usize, now: Instant) {
        let amount = amount.min(self.per_minute);
        self.spent.push_back((now, amount));
        let from = self.due.map_or(now, |due| due.max(now));
        self.due = from.checked_add(self.pace(amount));
    }

    /// When there is room for so much, if no minute has more than a minute's amount.
    fn room(&self, amount: usize) -> Option<Instant> {
        let mut sum = amount;
        for (at, spent) in self.spent.iter().rev() {
            sum = sum.saturating_add(*spent);
            if sum > self.per_minute {
                return Some(*at + MINUTE);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cost(items: usize, tokens: usize) -> Cost {
        Cost { items, tokens }
    }

    /// Sends requests of this cost one after the other, each as soon as it may go, for so long: when each one went.
    fn sent(limiter: &Limiter, cost: Cost, during: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let (mut now, mut sent) = (start, Vec::new());
        while now - start < during {
            match limiter.queue().leave(cost, now) {
                Ok(_permit) => sent.push(now - start),
                Err(not_yet) => now = not_yet.ask_again,
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
    fn no_minute_has_more_whatever_the_sizes() {
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
                    .filter(|at| *at >= start && **at - *start < MINUTE);
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
    fn small_requests_need_not_wait_for_each_other() {
        let limiter = Limiter::new(8).items(1000, 100).tokens(60_000);
        let sent = sent(&limiter, cost(1, 10), SECOND);
        assert_eq!(sent.iter().filter(|at| **at < SECOND / 1000).count(), 100);
        assert_eq!(sent.len(), 100 + 1000 / 61, "then at an even pace");
    }

    #[test]
    fn tokens_count_as_well() {
        let limiter = Limiter::new(8).items(100_000, 100).tokens(6_000);
        let sent = sent(&limiter, cost(1, 600), MINUTE * 2);
        assert_eq!(sent.len(), 20);
        assert!(sent[1] >= MINUTE / 11, "{:?}", sent[1]);
    }

    #[test]
    fn as_many_in_flight_as_allowed_and_no_more() {
        let limiter = Limiter::new(2);
        let now = Instant::now();
        let send = || limiter.queue().leave(cost(100, 1), now);
        let first = send().unwrap();
        let _second = send().unwrap();
        assert!(send().is_err());
        drop(first);
        assert!(send().is_ok());
    }

    fn allowed(limiter: &Limiter) -> usize {
        limiter.state().allowed
    }

    #[test]
    fn complaints_halve_and_successes_add_one() {
        let limiter = Limiter::new(8);
        let now = Instant::now();
        assert!(limiter.ease(now, now + SECOND));
        assert!(
            !limiter.ease(now, now + 2 * SECOND),
            "the others that were on their way are no news"
        );
        assert_eq!(allowed(&limiter), 4);
        for sent in 2..6 {
            limiter.ease(now + sent * SECOND, now + sent * SECOND);
        }
        assert_eq!(allowed(&limiter), 1, "never none");
        let mut grown = Vec::new();
        for _ in 0..36 {
            limiter.succeeded();
            grown.push(allowed(&limiter));
        }
        assert_eq!(grown[..6], [2, 2, 3, 3, 3, 4]);
        assert_eq!(grown.last(), Some(&8), "never more than at the start");
    }

    #[test]
    fn a_pause_is_for_all() {
        let limiter = Limiter::new(8);
        let now = Instant::now();
        limiter.pause(now + 31 * SECOND);
        limiter.pause(now + 2 * SECOND);
        let turn = limiter.queue();
        let not_yet = NotYet {
            ask_again: now + 31 * SECOND,
            held_back: true,
        };
        assert_eq!(turn.leave(cost(1, 1), now).err(), Some(not_yet));
        let behind = limiter.queue();
        assert!(behind.leave(cost(1, 1), now).unwrap_err().held_back);
        assert!(turn.leave(cost(1, 1), now + 31 * SECOND).is_ok());
        let not_yet = behind.leave(cost(1, 1), now + 31 * SECOND).unwrap_err();
        assert!(!not_yet.held_back, "only its turn is not there yet");
    }

    #[test]
    fn who_came_first_goes_first() {
        let limiter = Limiter::new(1);
        let now = Instant::now();
        let (first, second) = (limiter.queue(), limiter.queue());
        assert!(second.leave(cost(1, 1), now).is_err());
        let permit = first.leave(cost(1, 1), now).unwrap();
        drop(first);
        let third = limiter.queue();
        drop(permit);
        assert!(third.leave(cost(1, 1), now).is_err(), "the second is there");
        drop(second);
        assert!(third.leave(cost(1, 1), now).is_ok());
    }
}
