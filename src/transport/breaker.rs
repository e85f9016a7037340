//! [`CircuitBreaker`]: an endpoint that keeps failing is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::FOREVER;
use crate::metrics::{self, BreakerState};

/// When to ask again while a call is on its way to see; how long that takes nobody knows.
const TRIAL: Duration = Duration::from_secs(1);

/// When an endpoint that keeps failing is left alone, and for how long.
///
/// A failure is a connection that cannot be made or breaks, an answer that does not come in time, and the statuses 502, 503,
/// 504 and 520 to 524; any other answer is a sign of life. After so many failures in a row the breaker opens: calls fail at
/// once with [`Error::CircuitOpen`](crate::Error::CircuitOpen), without a request. When the time is over one call is let
/// through: if that succeeds the breaker closes, and else the time begins anew.
///
/// ```
/// use std::time::Duration;
/// use chroma_blocking::Client;
/// use chroma_blocking::client::CircuitBreaker;
///
/// let breaker = CircuitBreaker::new().failures(3).open_for(Duration::from_secs(10));
/// let client = Client::builder().host("localhost:8000").circuit_breaker(breaker).build()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "does nothing until it is given to a client"]
pub struct CircuitBreaker {
    pub(crate) failures: u32,
    pub(crate) open_for: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> CircuitBreaker {
        CircuitBreaker {
            failures: 5,
            open_for: Duration::from_secs(30),
        }
    }
}

impl CircuitBreaker {
    /// Opens after five failures, for 30 seconds.
    pub fn new() -> CircuitBreaker {
        CircuitBreaker::default()
    }

    /// How many failures in a row open it, 1 or more. Default 5.
    pub fn failures(mut self, failures: u32) -> CircuitBreaker {
        self.failures = failures;
        self
    }

    /// How long it stays open. Default 30 s.
    pub fn open_for(mut self, time: Duration) -> CircuitBreaker {
        self.open_for = time;
        self
    }
}

/// The breaker of one endpoint.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: CircuitBreaker,
    state: Mutex<State>,
    /// To metrics; nothing where it only passes over.
    reported: Option<metrics::Breaker>,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is on its way to see.
    HalfOpen,
}

impl Breaker {
    pub(crate) fn new(settings: CircuitBreaker, reported: Option<metrics::Breaker>) -> Breaker {
        Breaker {
            settings,
            state: Mutex::new(State::Closed { failures: 0 }),
            reported,
        }
    }

    /// Leave to send a request; or how long there is none, as far as is known.
    pub(crate) fn admit(&self, now: Instant) -> Result<Admission<'_>, Duration> {
        let mut state = self.state();
        let trial = match *state {
            State::Closed { .. } => false,
            State::Open { until } if until <= now => {
                *state = State::HalfOpen;
                true
            }
            State::Open { until } => return Err(until - now),
            State::HalfOpen => return Err(TRIAL),
        };
        Ok(Admission {
            breaker: self,
            trial,
        })
    }

    /// How long there is no leave, as far as is known.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        match *self.state() {
            State::Closed { .. } => Duration::ZERO,
            State::Open { until } => until.saturating_duration_since(now),
            State::HalfOpen => TRIAL,
        }
    }

    /// As metrics show it.
    pub(crate) fn shown(&self) -> BreakerState {
        match *self.state() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Leave that is not asked for: where there is nothing else to try.
    pub(crate) fn force(&self) -> Admission<'_> {
        Admission {
            breaker: self,
            trial: false,
        }
    }

    fn report(&self, failed: bool, trial: bool, now: Instant) {
        let mut state = self.state();
        let was_closed = matches!(*state, State::Closed { .. });
        let failures = match *state {
            _ if !failed => 0,
            State::Closed { failures } => failures.saturating_add(1),
            _ if trial => self.settings.failures,
            // Of a request that was sent before it opened.
            _ => return,
        };
        let is_closed = failures < self.settings.failures;
        *state = match is_closed {
            true => State::Closed { failures },
            false => State::Open {
                until: now + self.settings.open_for.min(FOREVER),
            },
        };
        // The program's recorder is called without a lock of ours.
        drop(state);
        match (was_closed, is_closed, &self.reported) {
            (true, false, Some(reported)) => reported.opened(),
            (false, true, Some(reported)) => reported.closed(),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    /// Nobody is kept from anything any more.
    fn drop(&mut self) {
        if let (Some(reported), false) = (&self.reported, self.shown() == BreakerState::Closed) {
            reported.closed();
        }
    }
}

/// Leave for one request, which is to be told how it went.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    breaker: &'a Breaker,
    trial: bool,
}

impl Admission<'_> {
    pub(crate) fn report(mut self, failed: bool) {
        self.breaker.report(failed, self.trial, Instant::now());
        self.trial = false;
    }
}

impl Drop for Admission<'_> {
    /// A trial that nobody tells of (a panic in the caller's logger, say): the next call may try.
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        if let (true, State::HalfOpen) = (self.trial, &*state) {
            *state = State::Open {
                until: Instant::now(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn breaker(failures: u32) -> Breaker {
        let settings = CircuitBreaker::new().failures(failures).open_for(MINUTE);
        Breaker::new(settings, None)
    }

    #[test]
    fn opens_after_failures_in_a_row() {
        let breaker = breaker(3);
        for failed in [true, true, false, true, true] {
            breaker.admit(Instant::now()).unwrap().report(failed);
        }
        breaker.admit(Instant::now()).unwrap().report(true);
        let left = breaker.admit(Instant::now()).unwrap_err();
        assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}");
    }

    #[test]
    fn one_call_tries_whether_it_may_close() {
        let breaker = breaker(1);
        let late = [(); 2].map(|()| breaker.admit(Instant::now()).unwrap());
        breaker.admit(Instant::now()).unwrap().report(true);
        assert!(breaker.admit(Instant::now()).is_err());
        let later = Instant::now() + 2 * MINUTE;
        let trial = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err(), "one, and no other");
        let [late, later_still] = late;
        late.report(true);
        assert!(breaker.admit(later).is_err(), "no news");
        trial.report(true);
        assert!(breaker.admit(Instant::now()).is_err(), "open again");
        breaker.admit(later).unwrap().report(false);
        assert!(breaker.admit(Instant::now()).is_ok(), "closed");
        breaker.admit(Instant::now()).unwrap().report(true);
        later_still.report(false);
        assert!(
            breaker.admit(Instant::now()).is_ok(),
            "any answer closes it"
        );
    }

    #[test]
    fn a_trial_that_nobody_tells_of_blocks_nothing() {
        let breaker = breaker(1);
        breaker.admit(Instant::now()).unwrap().report(true);
        let later = Instant::now() + 2 * MINUTE;
        drop(breaker.admit(later).unwrap());
        assert!(breaker.admit(Instant::now()).is_ok());
    }

    #[test]
    fn endless_times_are_no_panic() {
        let endless = CircuitBreaker::new().failures(1).open_for(Duration::MAX);
        let breaker = Breaker::new(endless, None);
        breaker.admit(Instant::now()).unwrap().report(true);
        assert!(breaker.admit(Instant::now()).is_err());
    }
}
