//! [`CircuitBreaker`]: stops calls to an endpoint that keeps failing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connect_options::FOREVER;
use crate::metrics::{self, BreakerState};

/// The wait that is reported while a trial call is under way. How long the trial takes is unknown.
const TRIAL: Duration = Duration::from_secs(1);

/// Stops calls to an endpoint that keeps failing.
///
/// These are failures: a connection that cannot be made or that breaks, a timeout, and the statuses 502, 503,
/// 504 and 520 to 524. Any other response is a success. After several failures in a row the breaker opens:
/// calls fail immediately with [`Error::CircuitOpen`](crate::Error::CircuitOpen), without a request. After a
/// while the breaker allows one trial call. If that succeeds, the breaker closes. Otherwise it stays open for
/// the same time again.
///
/// ```
/// use std::time::Duration;
/// use chroma_blocking::Client;
/// use chroma_blocking::client::CircuitBreaker;
///
/// let breaker = CircuitBreaker::new()
///     .failures(3)
///     .open_for(Duration::from_secs(10));
/// let client = Client::builder()
///     .host("localhost:8000")
///     .circuit_breaker(breaker)
///     .build()?;
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
    /// Returns a breaker that opens after five failures in a row, for 30 seconds.
    pub fn new() -> CircuitBreaker {
        CircuitBreaker::default()
    }

    /// Sets the number of failures in a row that open the breaker, at least 1. Default: 5.
    pub fn failures(mut self, failures: u32) -> CircuitBreaker {
        self.failures = failures;
        self
    }

    /// Sets how long the breaker stays open. Default: 30 s.
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
    /// The metrics. `None` if the endpoint is only skipped.
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
    /// A trial call is under way.
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

    /// Admits a request.
    ///
    /// # Errors
    /// The wait until the breaker admits one.
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

    /// Returns how long the breaker will refuse requests.
    pub(crate) fn refuses_for(&self, now: Instant) -> Duration {
        match *self.state() {
            State::Closed { .. } => Duration::ZERO,
            State::Open { until } => until.saturating_duration_since(now),
            State::HalfOpen => TRIAL,
        }
    }

    /// Returns the state for metrics.
    pub(crate) fn shown(&self) -> BreakerState {
        match *self.state() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Admits a request whatever the state, because there is no other endpoint to try.
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
            // A failure of a request that was sent before the breaker opened.
            _ => return,
        };
        let is_closed = failures < self.settings.failures;
        *state = if is_closed {
            State::Closed { failures }
        } else {
            State::Open {
                until: now + self.settings.open_for.min(FOREVER),
            }
        };
        // The program's recorder must not run under this lock.
        drop(state);
        match (was_closed, is_closed, &self.reported) {
            (true, false, Some(reported)) => reported.opened(),
            (false, true, Some(reported)) => reported.closed(),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    /// Reports the breaker as closed, so that metrics do not count it as open forever.
    fn drop(&mut self) {
        if let (Some(reported), false) = (&self.reported, self.shown() == BreakerState::Closed) {
            reported.closed();
        }
    }
}

/// The permission for one request, whose result must be reported.
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
    /// Lets the next call be the trial if this one reported no result, for example because the caller's
    /// logger panicked.
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
    fn one_trial_call_decides_whether_it_closes() {
        let breaker = breaker(1);
        let late = [(); 2].map(|()| breaker.admit(Instant::now()).unwrap());
        breaker.admit(Instant::now()).unwrap().report(true);
        assert!(breaker.admit(Instant::now()).is_err());
        let later = Instant::now() + 2 * MINUTE;
        let trial = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err(), "only one trial");
        let [late, later_still] = late;
        late.report(true);
        assert!(
            breaker.admit(later).is_err(),
            "a late failure changes nothing"
        );
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
    fn a_trial_without_a_result_blocks_nothing() {
        let breaker = breaker(1);
        breaker.admit(Instant::now()).unwrap().report(true);
        let later = Instant::now() + 2 * MINUTE;
        drop(breaker.admit(later).unwrap());
        assert!(breaker.admit(Instant::now()).is_ok());
    }

    #[test]
    fn endless_times_do_not_overflow() {
        let endless = CircuitBreaker::new().failures(1).open_for(Duration::MAX);
        let breaker = Breaker::new(endless, None);
        breaker.admit(Instant::now()).unwrap().report(true);
        assert!(breaker.admit(Instant::now()).is_err());
    }
}
