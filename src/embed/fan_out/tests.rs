//! Tests of [`FanOut`] with a server in this process.

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use rayon::ThreadPoolBuilder;

use super::job::Work;
use super::options::FanOut;
use super::outcome::Outcome;
use super::scheduler::MAX_REFUSED_WITHOUT_SUCCESS;
use crate::embed::limiter::{Cost, Limiter};
use crate::error::{Call, Error, Result};
use crate::transport::RetryPolicy;

const MS: Duration = Duration::from_millis(1);
/// No wait of these tests is longer, unless the code is wrong.
const LONG: Duration = Duration::from_secs(20);

/// A server in this process. Its closure returns the error of a request, given the batch and the number of
/// earlier requests.
struct Server<F> {
    answer: F,
    sent: Mutex<Vec<(Range<usize>, Instant)>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl<F: Fn(&Range<usize>, usize) -> Option<Error> + Sync> Work for Server<F> {
    fn cost(&self, batch: Range<usize>) -> Cost {
        Cost {
            items: batch.len(),
            tokens: 0,
        }
    }

    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<f32>> {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let before = {
            let mut sent = self.sent.lock().unwrap();
            sent.push((batch.clone(), Instant::now()));
            sent.len() - 1
        };
        let error = (self.answer)(&batch, before);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(error) = error {
            Err(error)
        } else {
            answered();
            Ok(batch.map(|index| index as f32).collect())
        }
    }

    fn is_refusal(&self, error: &Error) -> bool {
        error.status() == Some(400)
    }
}

fn server<F: Fn(&Range<usize>, usize) -> Option<Error> + Sync>(answer: F) -> Server<F> {
    Server {
        answer,
        sent: Mutex::default(),
        in_flight: AtomicUsize::new(0),
        most_in_flight: AtomicUsize::new(0),
    }
}

impl<F> Server<F> {
    fn sent(&self) -> Vec<Range<usize>> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|(batch, _)| batch.clone()).collect()
    }
}

/// Holds requests back until all that are expected have arrived.
#[derive(Default)]
struct Gathering {
    arrived: Mutex<usize>,
    changed: Condvar,
}

impl Gathering {
    /// Waits until `expected` threads have called this.
    fn wait_for(&self, expected: usize) {
        let mut arrived = self.arrived.lock().unwrap();
        *arrived += 1;
        self.changed.notify_all();
        let missing = |arrived: &mut usize| *arrived < expected;
        let (arrived, _) = self
            .changed
            .wait_timeout_while(arrived, LONG, missing)
            .unwrap();
        assert!(*arrived >= expected, "only {arrived} at the same time");
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the answer of a test server")]
fn status(status: u16) -> Option<Error> {
    Some(Error::Server {
        call: Box::new(Call::new("embed", None)),
        status,
        name: String::new(),
        retry_after: None,
        message: format!("words of {status}"),
    })
}

#[allow(clippy::unnecessary_wraps, reason = "the answer of a test server")]
fn rate_limited(retry_after: Option<Duration>) -> Option<Error> {
    Some(Error::RateLimited {
        call: Box::new(Call::new("embed", None)),
        retry_after,
        message: "too many".to_owned(),
    })
}

#[derive(Default)]
struct Options<'a> {
    without_pool: bool,
    skip_refused: bool,
    cancel: &'a [&'a AtomicBool],
    within: Option<Duration>,
    /// Default: a new one for four requests in flight.
    limiter: Option<&'a Limiter>,
}

/// Sends 100 texts in batches of 10, from eight threads, at most four at a time. Returns the texts that have
/// vectors, and the outcome.
fn run<F>(server: &Server<F>, options: Options<'_>) -> (Vec<usize>, Outcome)
where
    F: Fn(&Range<usize>, usize) -> Option<Error> + Sync,
{
    let pool = ThreadPoolBuilder::new().num_threads(8).build().unwrap();
    let limiter = Limiter::new(4);
    let policy = RetryPolicy::default().max_retries(2).base_delay(MS);
    let started = Instant::now();
    let mut done = Vec::new();
    let outcome = FanOut {
        work: server,
        pool: (!options.without_pool).then_some(&pool),
        limiter: options.limiter.unwrap_or(&limiter),
        policy: &policy,
        skip_refused: options.skip_refused,
        cancel: options.cancel,
        deadline: options.within.map(|within| started + within),
        call: Call::new("embed", Some("model")),
        started,
    }
    .run(
        (0..10).map(|batch| batch * 10..batch * 10 + 10),
        |batch, vectors| {
            let expected: Vec<f32> = batch.clone().map(|index| index as f32).collect();
            assert_eq!(vectors, expected);
            done.extend(batch);
        },
    );
    done.sort_unstable();
    (done, outcome)
}

fn all_but(missing: &[usize]) -> Vec<usize> {
    (0..100).filter(|index| !missing.contains(index)).collect()
}

#[test]
fn every_batch_is_sent_once_and_several_at_a_time() {
    let gathering = Gathering::default();
    let server = server(|_, before| {
        if before < 4 {
            gathering.wait_for(4);
        }
        None
    });
    let (done, outcome) = run(&server, Options::default());
    assert_eq!(done, all_but(&[]));
    assert!(outcome.error.is_none());
    assert_eq!(server.sent().len(), 10);
    assert_eq!(server.most_in_flight.into_inner(), 4);
}

#[test]
fn only_a_batch_that_fails_is_sent_again() {
    let server = server(|_, before| if before < 2 { status(500) } else { None });
    let (done, outcome) = run(&server, Options::default());
    assert_eq!((done, outcome.error.is_none()), (all_but(&[]), true));
    assert_eq!(server.sent().len(), 12);
}

#[test]
fn a_batch_that_always_fails_stops_the_call_and_no_vectors_are_lost() {
    let server = server(|batch, _| if batch.start == 30 { status(503) } else { None });
    let (done, outcome) = run(&server, Options::default());
    let error = outcome.error.unwrap();
    assert_eq!(error.status(), Some(503));
    assert_eq!(error.call().unwrap().attempts, 3);
    let sent = server.sent();
    let failed = sent.iter().filter(|batch| batch.start == 30).count();
    assert_eq!(failed, 3);
    let good = sent.iter().filter(|batch| batch.start != 30);
    let mut good: Vec<usize> = good.cloned().flatten().collect();
    good.sort_unstable();
    assert_eq!(done, good, "all vectors that were answered are returned");
}

#[test]
fn a_rate_limit_pauses_all_requests_for_as_long_as_the_server_asks() {
    let limiter = Limiter::new(4);
    let gathering = Gathering::default();
    let refused_at = Mutex::new(None);
    let server = server(|_, before| {
        if before >= 4 {
            return None;
        }
        // The first four are in flight together. One of them is refused, and the others response after that.
        gathering.wait_for(4);
        if before == 2 {
            *refused_at.lock().unwrap() = Some(Instant::now());
            return rate_limited(Some(60 * MS));
        }
        let is_paused = || limiter.pause_left(Instant::now()).is_some();
        let is_over = || (refused_at.lock().unwrap()).is_some_and(|at| at.elapsed() > 60 * MS);
        while !is_paused() && !is_over() {
            std::thread::yield_now();
        }
        None
    });
    let options = Options {
        limiter: Some(&limiter),
        ..Options::default()
    };
    let (done, outcome) = run(&server, options);
    assert_eq!((done, outcome.error.is_none()), (all_but(&[]), true));
    let pause_end = refused_at.lock().unwrap().unwrap() + 60 * MS;
    let sent = server.sent.into_inner().unwrap();
    assert_eq!(sent.len(), 11);
    for (batch, at) in &sent[4..] {
        assert!(
            *at >= pause_end,
            "{batch:?} was sent {:?} early",
            pause_end - *at
        );
    }
}

#[test]
fn a_batch_that_is_turned_away_while_others_succeed_is_not_given_up() {
    let turned_away = AtomicUsize::new(0);
    let server = server(|batch, _| {
        if batch.start == 0 && turned_away.fetch_add(1, Ordering::SeqCst) < 4 {
            return rate_limited(Some(30 * MS));
        }
        None
    });
    let options = Options {
        without_pool: true,
        ..Options::default()
    };
    let (done, outcome) = run(&server, options);
    assert_eq!((done, outcome.error.is_none()), (all_but(&[]), true));
    let sent = server.sent();
    let first = sent.iter().filter(|batch| batch.start == 0).count();
    assert_eq!(first, 5, "more often than the policy repeats");
}

#[test]
fn a_rate_limit_without_end_is_an_error() {
    for without_pool in [true, false] {
        let server = server(|_, _| rate_limited(None));
        let options = Options {
            without_pool,
            ..Options::default()
        };
        let (done, outcome) = run(&server, options);
        assert!(done.is_empty());
        assert!(matches!(outcome.error, Some(Error::RateLimited { .. })));
        let sent = server.sent().len();
        if without_pool {
            assert_eq!(sent, 3);
        } else {
            // At most four in flight, then two, then one; and a few while results are on their way to the
            // scheduler.
            assert!((3..=12).contains(&sent), "{sent}");
        }
    }
}

#[test]
fn a_refused_text_is_found_and_the_others_are_embedded() {
    let server = server(|batch, _| {
        let is_bad = batch.contains(&37) || batch.contains(&62);
        if is_bad { status(400) } else { None }
    });
    let (done, mut outcome) = run(
        &server,
        Options {
            skip_refused: true,
            ..Options::default()
        },
    );
    assert_eq!(done, all_but(&[37, 62]));
    outcome.refused.sort();
    let words = || "words of 400".to_owned();
    assert_eq!(outcome.refused, [(37, words()), (62, words())]);
    assert_eq!(outcome.error.unwrap().status(), Some(400));
}

#[test]
fn a_refused_text_stops_the_call() {
    let server = server(|batch, _| {
        if batch.contains(&37) {
            status(400)
        } else {
            None
        }
    });
    let (done, outcome) = run(&server, Options::default());
    assert_eq!(outcome.refused, [(37, "words of 400".to_owned())]);
    assert!(!done.contains(&37) && done.contains(&0));
}

#[test]
fn a_call_stops_when_every_text_is_refused() {
    let server = server(|_, _| status(400));
    let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let outcome = FanOut {
        work: &server,
        pool: Some(&pool),
        limiter: &Limiter::new(2),
        policy: &RetryPolicy::none(),
        skip_refused: true,
        cancel: &[],
        deadline: None,
        call: Call::default(),
        started: Instant::now(),
    }
    .run((0..1000).map(|i| i..i + 1), |_, _| {});
    assert!(
        (MAX_REFUSED_WITHOUT_SUCCESS..MAX_REFUSED_WITHOUT_SUCCESS + 2)
            .contains(&outcome.refused.len())
    );
    assert!(server.sent().len() <= MAX_REFUSED_WITHOUT_SUCCESS + 4);
}

#[test]
fn a_flag_stops_the_call_before_the_next_request() {
    let stop = AtomicBool::new(false);
    let server = server(|_, before| {
        if before >= 4 {
            stop.store(true, Ordering::Relaxed);
        }
        if before == 0 {
            rate_limited(Some(MS))
        } else {
            None
        }
    });
    let (done, outcome) = run(
        &server,
        Options {
            cancel: &[&AtomicBool::new(false), &stop],
            ..Options::default()
        },
    );
    assert!(matches!(outcome.error, Some(Error::Cancelled { .. })));
    let sent = server.sent().len();
    assert!((5..=8).contains(&sent), "{sent}");
    assert_eq!(
        done.len(),
        (sent - 1) * 10,
        "requests in flight are finished"
    );
}

#[test]
fn nothing_is_sent_after_a_cancellation_or_the_deadline() {
    let server = server(|_, _| None);
    let up = AtomicBool::new(true);
    let cancel: &[&AtomicBool] = &[&up];
    let cancelled = Options {
        cancel,
        ..Options::default()
    };
    let (_, outcome) = run(&server, cancelled);
    assert!(matches!(outcome.error, Some(Error::Cancelled { .. })));
    let late = Options {
        within: Some(Duration::ZERO),
        ..Options::default()
    };
    let (_, outcome) = run(&server, late);
    assert!(matches!(outcome.error, Some(Error::Timeout { .. })));
    assert!(server.sent().is_empty());
}

#[test]
fn a_wait_beyond_the_deadline_fails_at_once() {
    let server = server(|_, _| rate_limited(Some(Duration::from_secs(30))));
    let patient = Options {
        within: Some(Duration::from_secs(25)),
        ..Options::default()
    };
    let started = Instant::now();
    let (_, outcome) = run(&server, patient);
    assert!(matches!(outcome.error, Some(Error::RateLimited { .. })));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_panic_is_resumed_in_the_caller() {
    let server = server(|_, before| {
        assert!(before != 3, "a panic of this test");
        None
    });
    let run = AssertUnwindSafe(|| run(&server, Options::default()));
    assert!(panic::catch_unwind(run).is_err());
}
