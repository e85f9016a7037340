//! [`CircuitBreaker`]: stops calls to an endpoint that keeps failing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connect_options::FOREVER;
use crate::metrics::{self, BreakerState};

/// The longest wait before a trial call, divided by the first one.
const FIRST_TO_LONGEST: u32 = 20;

/// Stops calls to an endpoint that keeps failing.
///
/// These are failures: a connection that cannot be made or that breaks, a timeout, and the statuses 502, 503,
/// 504 and 520 to 524. Any other response is a success. After several failures in a row the breaker opens:
/// calls fail immediately with [`Error::CircuitOpen`](crate::Error::CircuitOpen), without a request.
///
/// Requests that fail at the same time count once: a failure counts only if its request began after the last
/// failure that counted. So a short failure does not open the breaker, whatever the number of threads.
///
/// While the breaker is open, it allows one trial call at a time. The first wait is a twentieth of
/// [`open_for`](CircuitBreaker::open_for), by default 0.1 s. It doubles after each trial that fails, up to
/// `open_for`. If a trial call succeeds, the breaker closes. If one takes longer than `open_for`, another
/// call may try.
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
            open_for: Duration::from_secs(2),
        }
    }
}

impl CircuitBreaker {
    /// Returns a breaker that opens after five failures in a row, and then allows a trial call at least every
    /// two seconds.
    pub fn new() -> CircuitBreaker {
        CircuitBreaker::default()
    }

    /// Sets the number of failures in a row that open the breaker, at least 1. Default: 5.
    pub fn failures(mut self, failures: u32) -> CircuitBreaker {
        self.failures = failures;
        self
    }

    /// Sets the longest time that the breaker stays open before the next trial call. After an outage, calls
    /// may fail for this time more. The first waits are shorter. Must be greater than zero. Default: 2 s.
    pub fn open_for(mut self, time: Duration) -> CircuitBreaker {
        self.open_for = time;
        self
    }
}

/// The breaker of one endpoint.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    waits: Waits,
    state: Mutex<State>,
    /// The metrics. `None` if the endpoint is only skipped.
    reported: Option<metrics::Breaker>,
}

/// The waits of an open breaker before its trials.
#[derive(Debug, Clone, Copy)]
struct Waits {
    first: Duration,
    longest: Duration,
}

impl Waits {
    /// Returns the wait after a failed trial, which followed a wait of `last`.
    fn after(self, last: Duration) -> Duration {
        last.saturating_mul(2).min(self.longest)
    }
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
        /// A failure of a request that began earlier does not count.
        counts_from: Option<Instant>,
    },
    Open {
        /// The time of the next trial.
        until: Instant,
        /// The wait before the last trial, or before the next one if there was none.
        wait: Duration,
        /// Whether a trial is under way.
        is_tried: bool,
    },
}

impl State {
    const CLOSED: State = State::Closed {
        failures: 0,
        counts_from: None,
    };

    fn refuses_for(&self, now: Instant) -> Duration {
        match *self {
            State::Closed { .. } => Duration::ZERO,
            State::Open {
                until,
                wait,
                is_tried,
            } => {
                let left = until.saturating_duration_since(now);
                // How long the trial takes is unknown. If it fails, about the same wait follows.
                if is_tried { left.min(wait) } else { left }
            }
        }
    }
}

impl Breaker {
    /// Returns the breaker of an endpoint. While it is open, it refuses calls.
    pub(crate) fn refusing(settings: CircuitBreaker, reported: metrics::Breaker) -> Breaker {
        let longest = settings.open_for.min(FOREVER);
        Breaker {
            failures: settings.failures,
            waits: Waits {
                first: longest / FIRST_TO_LONGEST,
                longest,
            },
            state: Mutex::new(State::CLOSED),
            reported: Some(reported),
        }
    }

    /// Returns the breaker of an endpoint that is skipped for this time after a failure.
    pub(crate) fn skipping(time: Duration) -> Breaker {
        Breaker {
            failures: 1,
            waits: Waits {
                first: time,
                longest: time,
            },
            state: Mutex::new(State::CLOSED),
            reported: None,
        }
    }

    /// Admits a request.
    ///
    /// # Errors
    /// The wait until the breaker admits one, unless a trial call closes it earlier.
    pub(crate) fn admit(&self, now: Instant) -> Result<Admission<'_>, Duration> {
        let mut state = self.state();
        let is_trial = match &mut *state {
            State::Closed { .. } => false,
            State::Open {
                until, is_tried, ..
            } if *until <= now => {
                // Another call may try if this one takes very long.
                *until = now + self.waits.longest;
                *is_tried = true;
                true
            }
            State::Open { .. } => return Err(state.refuses_for(now)),
        };
        Ok(self.admission(is_trial, now))
    }

    /// Returns how long the breaker will refuse requests.
    pub(crate) fn refuses_for(&self, now: Instant) -> Duration {
        self.state().refuses_for(now)
    }

    /// Returns the state for metrics.
    pub(crate) fn shown(&self) -> BreakerState {
        match *self.state() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { is_tried: true, .. } => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// Admits a request whatever the state, because there is no other endpoint to try.
    pub(crate) fn force(&self) -> Admission<'_> {
        self.admission(false, Instant::now())
    }

    fn admission(&self, is_trial: bool, began: Instant) -> Admission<'_> {
        Admission {
            breaker: self,
            is_trial,
            began,
        }
    }

    fn succeeded(&self, now: Instant) {
        let mut state = self.state();
        let was_open = matches!(*state, State::Open { .. });
        *state = State::Closed {
            failures: 0,
            // The failures of earlier requests are about the endpoint as it was.
            counts_from: was_open.then_some(now),
        };
        // The program's recorder must not run under this lock.
        drop(state);
        if let (true, Some(reported)) = (was_open, &self.reported) {
            reported.closed();
        }
    }

    fn failed(&self, admission: &Admission<'_>, now: Instant) {
        let mut state = self.state();
        let wait = match *state {
            State::Closed { counts_from, .. }
                if counts_from.is_some_and(|from| admission.began < from) =>
            {
                return;
            }
            State::Closed { failures, .. } if failures + 1 < self.failures => {
                *state = State::Closed {
                    failures: failures + 1,
                    counts_from: Some(now),
                };
                return;
            }
            State::Closed { .. } => self.waits.first,
            State::Open { wait, .. } if admission.is_trial => self.waits.after(wait),
            // A failure of a request that was sent before the breaker opened.
            State::Open { .. } => return,
        };
        let was_closed = matches!(*state, State::Closed { .. });
        *state = State::Open {
            until: now + wait,
            wait,
            is_tried: false,
        };
        // The program's recorder must not run under this lock.
        drop(state);
        if let (true, Some(reported)) = (was_closed, &self.reported) {
            reported.opened();
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
    is_trial: bool,
    began: Instant,
}

impl Admission<'_> {
    /// Reports the result at this time.
    pub(crate) fn report(mut self, failed: bool, now: Instant) {
        if failed {
            self.breaker.failed(&self, now);
        } else {
            self.breaker.succeeded(now);
        }
        self.is_trial = false;
    }
}

impl Drop for Admission<'_> {
    /// Lets the next call be the trial if this one reported no result, for example because the caller's
    /// logger panicked.
    fn drop(&mut self) {
        if !self.is_trial {
            return;
        }
        if let State::Open {
            until, is_tried, ..
        } = &mut *self.breaker.state()
        {
            *until = Instant::now();
            *is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MINUTE: Duration = Duration::from_secs(60);
    /// The first wait of a breaker that stays open for at most a minute.
    const FIRST_WAIT: Duration = Duration::from_secs(3);

    /// Returns a breaker, and the time at which the test starts.
    fn breaker(failures: u32, open_for: Duration) -> (Breaker, Instant) {
        let settings = CircuitBreaker::new().failures(failures).open_for(open_for);
        let reported = metrics::Breaker::new("http://localhost:8000");
        (Breaker::refusing(settings, reported), Instant::now())
    }

    /// Makes a request at this time, which has its result at once.
    #[track_caller]
    fn request(breaker: &Breaker, at: Instant, failed: bool) {
        breaker.admit(at).unwrap().report(failed, at);
    }

    #[test]
    fn opens_after_failures_in_a_row() {
        let (breaker, now) = breaker(3, MINUTE);
        for failed in [true, true, false, true, true] {
            request(&breaker, now, failed);
        }
        assert_eq!(breaker.refuses_for(now), Duration::ZERO);
        request(&breaker, now, true);
        assert_eq!(breaker.admit(now).unwrap_err(), FIRST_WAIT);
        assert_eq!(
            breaker.refuses_for(now + 40 * MS),
            FIRST_WAIT.saturating_sub(40 * MS)
        );
    }

    #[test]
    fn field_18_requests_that_fail_together_count_once() {
        let (breaker, start) = breaker(5, MINUTE);
        for round in 0..5 {
            let began = start + round * 10 * MS;
            let together: Vec<_> = (0..128).map(|_| breaker.admit(began).unwrap()).collect();
            for (request, number) in together.into_iter().zip(1..) {
                assert_eq!(
                    breaker.shown() == BreakerState::Open,
                    (round, number) > (4, 1)
                );
                request.report(true, began + 5 * MS);
            }
        }
    }

    #[test]
    fn field_18_the_first_trial_comes_early_and_the_waits_double_up_to_the_longest() {
        let (breaker, mut now) = breaker(1, Duration::from_secs(2));
        request(&breaker, now, true);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let wait = breaker.admit(now).unwrap_err();
            assert!(breaker.admit(now + wait.saturating_sub(MS)).is_err());
            now += wait;
            waits.push(wait.as_millis());
            request(&breaker, now, true);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000]);
        now += 2000 * MS;
        request(&breaker, now, false);
        request(&breaker, now, true);
        assert_eq!(breaker.admit(now).unwrap_err(), 100 * MS, "from the start");
    }

    #[test]
    fn one_trial_call_decides_whether_it_closes() {
        let (breaker, now) = breaker(1, MINUTE);
        let [late, later_still] = [(); 2].map(|()| breaker.admit(now).unwrap());
        request(&breaker, now, true);
        let then = now + FIRST_WAIT;
        let trial = breaker.admit(then).unwrap();
        assert_eq!(breaker.shown(), BreakerState::HalfOpen);
        assert!(breaker.admit(then).is_err(), "only one trial");
        late.report(true, then);
        assert!(
            breaker.admit(then).is_err(),
            "a late failure changes nothing"
        );
        trial.report(true, then);
        assert_eq!(
            breaker.admit(then).unwrap_err(),
            2 * FIRST_WAIT,
            "open again"
        );
        let then = then + 2 * FIRST_WAIT;
        request(&breaker, then, false);
        later_still.report(true, then);
        assert!(
            breaker.admit(then).is_ok(),
            "an old failure changes nothing"
        );
        request(&breaker, then, true);
        assert!(breaker.admit(then).is_err(), "a new one does");
    }

    #[test]
    fn any_response_closes_it() {
        let (breaker, now) = breaker(1, MINUTE);
        let late = breaker.admit(now).unwrap();
        request(&breaker, now, true);
        late.report(false, now);
        assert!(breaker.admit(now).is_ok());
    }

    #[test]
    fn field_18_a_trial_that_hangs_does_not_keep_others_away() {
        let (breaker, now) = breaker(1, Duration::from_secs(2));
        request(&breaker, now, true);
        let hanging = breaker.admit(now + 100 * MS).unwrap();
        assert!(breaker.admit(now + 2099 * MS).is_err());
        let then = now + 2100 * MS;
        request(&breaker, then, false);
        hanging.report(true, then + MS);
        assert!(breaker.admit(then + MS).is_ok());
    }

    #[test]
    fn a_trial_without_a_result_blocks_nothing() {
        let (breaker, now) = breaker(1, MINUTE);
        request(&breaker, now, true);
        drop(breaker.admit(now + FIRST_WAIT).unwrap());
        assert!(breaker.admit(Instant::now()).is_ok());
    }

    #[test]
    fn an_endpoint_that_is_only_skipped_is_skipped_for_the_same_time_each_time() {
        let (breaker, mut now) = (Breaker::skipping(MINUTE), Instant::now());
        for _ in 0..3 {
            request(&breaker, now, true);
            assert_eq!(breaker.admit(now).unwrap_err(), MINUTE);
            now += MINUTE;
        }
    }

    #[test]
    fn times_without_bounds_do_not_overflow() {
        for time in [Duration::MAX, Duration::ZERO] {
            let (breaker, mut now) = breaker(1, time);
            for _ in 0..100 {
                request(&breaker, now, true);
                now += breaker.refuses_for(now);
            }
        }
        let (endless, now) = breaker(u32::MAX, Duration::MAX);
        request(&endless, now, true);
        assert!(endless.admit(now).is_ok());
    }
}
