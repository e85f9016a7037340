//! [`Desk`]: where it is decided what is sent next, on the caller's thread.

use std::iter::Peekable;
use std::ops::Range;
use std::panic;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use log::Level;
use log::kv::Value;

use super::{Batch, FanOut, Job, News, Outcome, Work};
use crate::embed::limiter::{NotYet, Turn};
use crate::error::{Call, Error};
use crate::logs;
use crate::transport::Backoff;

/// How often a wait looks at the caller's flag.
const POLL: Duration = Duration::from_millis(20);
/// So many refused texts before any success, and it is not the texts.
const HOPELESS: usize = 100;

/// The batches that are left, and what is known about those that were sent.
pub(super) struct Desk<'a, B: Iterator, D> {
    how: &'a FanOut<'a>,
    work: &'a dyn Work,
    batches: Peekable<B>,
    done: D,
    sender: Sender<News>,
    news: Receiver<News>,
    /// Taken from the others, and waiting for leave.
    ready: Option<Batch>,
    /// To be sent again, each not before its time.
    later: Vec<(Instant, Batch)>,
    running: usize,
    /// The waits after 429s in a row; and what they were before the last one.
    limited: Backoff,
    limited_before: Backoff,
    any_done: bool,
    stopped: bool,
    outcome: Outcome,
}

impl<'a, B: Iterator<Item = Range<usize>>, D: FnMut(Range<usize>, Vec<f32>)> Desk<'a, B, D> {
    pub(super) fn new(how: &'a FanOut<'a>, work: &'a dyn Work, batches: B, done: D) -> Self {
        let (sender, news) = mpsc::channel();
        Desk {
            how,
            work,
            batches: batches.peekable(),
            done,
            sender,
            news,
            ready: None,
            later: Vec::new(),
            running: 0,
            limited: how.policy.backoff(),
            limited_before: how.policy.backoff(),
            any_done: false,
            stopped: false,
            outcome: Outcome::default(),
        }
    }

    /// `start` is given what is to be sent now, and need not wait for it.
    pub(super) fn run(mut self, start: impl Fn(Job<'a>)) -> Outcome {
        let mut turn = None;
        loop {
            while let Ok(news) = self.news.try_recv() {
                self.take(news, &mut turn);
            }
            if self.nothing_to_send() || self.is_over() {
                drop(turn.take());
                if self.running == 0 {
                    return self.outcome;
                }
                if let Ok(news) = self.news.recv() {
                    self.take(news, &mut turn);
                }
                continue;
            }
            let Err(not_yet) = self.send_next(&mut turn, &start) else {
                continue;
            };
            let now = Instant::now();
            let wait = not_yet.ask_again.saturating_duration_since(now);
            let news = self.news.recv_timeout(wait.min(POLL));
            if not_yet.held_back {
                self.outcome.held_back += now.elapsed();
            }
            if let Ok(news) = news {
                self.take(news, &mut turn);
            }
        }
    }

    fn nothing_to_send(&mut self) -> bool {
        self.ready.is_none() && self.later.is_empty() && self.batches.peek().is_none()
    }

    /// Whether nothing more is to be sent, whatever is left.
    fn is_over(&mut self) -> bool {
        if self.stopped {
            return true;
        }
        let how = self.how;
        let call = || {
            Box::new(Call {
                elapsed: how.started.elapsed(),
                ..how.call.clone()
            })
        };
        if how.cancel.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            self.stop(Error::Cancelled { call: call() });
        } else if how.deadline.is_some_and(|at| at <= Instant::now()) {
            let message =
                "the deadline of the call passed before all texts were embedded".to_owned();
            self.stop(Error::Timeout {
                call: call(),
                message,
                source: None,
            });
        }
        self.stopped
    }

    fn stop(&mut self, error: Error) {
        if !self.stopped {
            self.stopped = true;
            self.outcome.error = Some(error);
        }
    }

    /// Sends a batch, or says when there may be one to send.
    fn send_next(
        &mut self,
        turn: &mut Option<Turn<'a>>,
        start: impl Fn(Job<'a>),
    ) -> Result<(), NotYet> {
        let now = Instant::now();
        if self.ready.is_none() {
            self.ready = self.due(now);
        }
        let Some(mut batch) = self.ready.take() else {
            let next = self.later.iter().map(|(at, _)| *at).min();
            return Err(NotYet {
                ask_again: next.unwrap_or(now),
                held_back: self.how.limiter.pause_left(now).is_some(),
            });
        };
        let limiter = self.how.limiter;
        if let Some(wait) = limiter
            .pause_left(now)
            .filter(|wait| self.is_too_long(*wait, now))
        {
            let how = self.how;
            self.stop(Error::RateLimited {
                call: Box::new(Call {
                    elapsed: how.started.elapsed(),
                    ..how.call.clone()
                }),
                retry_after: Some(wait),
                message: "an earlier request was told to wait, and so long is not waited for"
                    .to_owned(),
            });
            return Ok(());
        }
        let cost = self.work.cost(batch.range.clone());
        match turn.get_or_insert_with(|| limiter.queue()).leave(cost, now) {
            Err(not_yet) => {
                self.ready = Some(batch);
                Err(not_yet)
            }
            Ok(permit) => {
                *turn = None;
                batch.attempts += 1;
                self.outcome.retries += u64::from(batch.attempts > 1);
                batch.first_sent.get_or_insert(now);
                self.running += 1;
                start(Job {
                    batch,
                    sent: now,
                    permit,
                    news: self.sender.clone(),
                });
                Ok(())
            }
        }
    }

    /// Whether a wait that a server asked for is past the deadline, or longer than the policy allows.
    fn is_too_long(&self, wait: Duration, now: Instant) -> bool {
        let in_time = |at| self.how.deadline.is_none_or(|deadline| at < deadline);
        !now.checked_add(wait).is_some_and(in_time)
            || self.how.policy.backoff().next(Some(wait)).is_none()
    }

    /// The next batch: one that is to be sent again, or else a new one.
    fn due(&mut self, now: Instant) -> Option<Batch> {
        let due = |(_, (at, _)): &(usize, &(Instant, Batch))| *at <= now;
        let first = self.later.iter().enumerate().filter(due);
        // The smallest first: it may be all that there is to find.
        match first.min_by_key(|(_, (at, batch))| (batch.range.len(), *at)) {
            Some((index, _)) => Some(self.later.remove(index).1),
            None => {
                let range = self.batches.next()?;
                Some(Batch::new(range, self.how.policy))
            }
        }
    }

    fn take(&mut self, news: News, turn: &mut Option<Turn<'a>>) {
        let News::Done {
            batch,
            result,
            eased,
        } = news
        else {
            self.limited = self.how.policy.backoff();
            self.limited_before = self.limited;
            return;
        };
        self.running -= 1;
        match result {
            Ok(Ok(vectors)) => {
                self.any_done = true;
                // The caller may do anything now, and embed something else.
                *turn = None;
                (self.done)(batch.range, vectors);
            }
            Ok(Err(error)) => self.failed(*batch, eased, error),
            Err(panic) => panic::resume_unwind(panic),
        }
    }

    fn failed(&mut self, mut batch: Batch, eased: bool, mut error: Error) {
        let (how, now) = (self.how, Instant::now());
        if let Some(call) = error.call_mut() {
            call.attempts = batch.attempts;
            call.elapsed = now - batch.first_sent.unwrap_or(now);
        }
        if self.is_over() {
            return;
        }
        if self.work.refuses(&error) {
            return self.refused(batch.range, error, now);
        }
        let limited = matches!(error, Error::RateLimited { .. });
        let asked = error.asked_wait();
        // Who is turned away while others get through need not give up; and what was on its way when another was turned
        // away says nothing new.
        let wait = match limited {
            true if eased => {
                self.limited_before = self.limited;
                self.limited.next(asked)
            }
            true => {
                let mut same = self.limited_before;
                same.next(asked)
            }
            false => batch.backoff.next(asked),
        };
        let at = wait
            .filter(|_| error.is_retryable())
            .and_then(|wait| now.checked_add(wait))
            .filter(|at| how.deadline.is_none_or(|deadline| *at < deadline));
        let Some(at) = at else {
            return self.stop(error);
        };
        if limited || asked.is_some() {
            how.limiter.pause(at);
        }
        logs::failure(
            logs::EMBED,
            Level::Warn,
            &error,
            &[
                self.model(),
                ("attempt", batch.attempts.into()),
                ("texts", batch.range.len().into()),
                logs::wait_ms(at - now),
            ],
            format_args!(
                "{error:#}; trying again in {:.1} s",
                (at - now).as_secs_f64()
            ),
        );
        self.later.push((at, batch));
    }

    /// As lines of the log show it.
    fn model(&self) -> (&'static str, Value<'a>) {
        let model = self.how.call.subject.as_deref().unwrap_or_default();
        ("model", model.into())
    }

    /// Halves the batch, and so finds the text that the server refuses.
    fn refused(&mut self, range: Range<usize>, error: Error, now: Instant) {
        if range.len() > 1 {
            logs::failure(
                logs::EMBED,
                Level::Warn,
                &error,
                &[self.model(), ("texts", range.len().into())],
                format_args!("{error:#}; trying again in halves"),
            );
            let middle = range.start + range.len() / 2;
            for half in [range.start..middle, middle..range.end] {
                self.later.push((now, Batch::new(half, self.how.policy)));
            }
            return;
        }
        let message = match &error {
            Error::Server { message, .. } => message.clone(),
            other => other.to_string(),
        };
        self.outcome.refused.push((range.start, message));
        let hopeless = !self.any_done && self.outcome.refused.len() >= HOPELESS;
        match self.how.go_on && !hopeless {
            true => drop(self.outcome.error.get_or_insert(error)),
            false => self.stop(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::thread;

    use rayon::ThreadPoolBuilder;

    use super::*;
    use crate::embed::limiter::{Cost, Limiter};
    use crate::error::Result;
    use crate::transport::RetryPolicy;

    const MS: Duration = Duration::from_millis(1);

    /// A server in this process: it says what becomes of a batch, given how many were sent before.
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
            thread::sleep(2 * MS);
            let error = (self.answer)(&batch, before);
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            match error {
                Some(error) => Err(error),
                None => {
                    answered();
                    Ok(batch.map(|index| index as f32).collect())
                }
            }
        }

        fn refuses(&self, error: &Error) -> bool {
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

    fn status(status: u16) -> Option<Error> {
        Some(Error::Server {
            call: Box::new(Call::new("embed", None)),
            status,
            name: String::new(),
            retry_after: None,
            message: format!("words of {status}"),
        })
    }

    fn limited(retry_after: Option<Duration>) -> Option<Error> {
        Some(Error::RateLimited {
            call: Box::new(Call::new("embed", None)),
            retry_after,
            message: "too many".to_owned(),
        })
    }

    #[derive(Default)]
    struct Options<'a> {
        /// Without a pool.
        alone: bool,
        go_on: bool,
        cancel: &'a [&'a AtomicBool],
        within: Option<Duration>,
    }

    /// 100 texts in batches of 10, on four threads: which have vectors, and what went wrong.
    fn run<F>(server: &Server<F>, options: Options<'_>) -> (Vec<usize>, Outcome)
    where
        F: Fn(&Range<usize>, usize) -> Option<Error> + Sync,
    {
        let pool = ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let limiter = Limiter::new(4);
        let policy = RetryPolicy::default().max_retries(2).base_delay(MS);
        let started = Instant::now();
        let mut done = Vec::new();
        let outcome = FanOut {
            pool: (!options.alone).then_some(&pool),
            limiter: &limiter,
            policy: &policy,
            go_on: options.go_on,
            cancel: options.cancel,
            deadline: options.within.map(|within| started + within),
            call: Call::new("embed", Some("model")),
            started,
        }
        .run(
            server,
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
        let server = server(|_, _| None);
        let (done, outcome) = run(&server, Options::default());
        assert_eq!(done, all_but(&[]));
        assert!(outcome.error.is_none());
        assert_eq!(server.sent().len(), 10);
        assert_eq!(server.most_in_flight.into_inner(), 4);
    }

    #[test]
    fn a_batch_that_fails_is_tried_again_alone() {
        let server = server(|_, before| if before < 2 { status(500) } else { None });
        let (done, outcome) = run(&server, Options::default());
        assert_eq!((done, outcome.error.is_none()), (all_but(&[]), true));
        assert_eq!(server.sent().len(), 12);
    }

    #[test]
    fn a_batch_that_fails_for_good_stops_the_call_and_loses_nothing() {
        let server = server(|batch, _| if batch.start == 30 { status(503) } else { None });
        let (done, outcome) = run(&server, Options::default());
        let error = outcome.error.unwrap();
        assert_eq!(error.status(), Some(503));
        assert_eq!(error.call().unwrap().attempts, 3);
        let sent = server.sent();
        let in_vain = sent.iter().filter(|batch| batch.start == 30).count();
        assert_eq!(in_vain, 3);
        let good = sent.iter().filter(|batch| batch.start != 30);
        let mut good: Vec<usize> = good.cloned().flatten().collect();
        good.sort_unstable();
        assert_eq!(done, good, "all that was answered is there");
    }

    #[test]
    fn a_rate_limit_stops_all_for_as_long_as_the_server_asks() {
        let server = server(|_, before| match before {
            2 => limited(Some(60 * MS)),
            _ => None,
        });
        let (done, _) = run(&server, Options::default());
        assert_eq!(done, all_but(&[]));
        let sent = server.sent.into_inner().unwrap();
        let times: Vec<Instant> = sent.iter().map(|(_, at)| *at).collect();
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let pauses = gaps.iter().filter(|gap| **gap >= 40 * MS).count();
        assert_eq!(pauses, 1, "{gaps:?}");
    }

    #[test]
    fn who_is_turned_away_while_others_get_through_does_not_give_up() {
        let server = server(|batch, before| match batch.start == 0 && before < 16 {
            true => limited(Some(MS)),
            false => None,
        });
        let alone = Options {
            alone: true,
            ..Options::default()
        };
        let (done, outcome) = run(&server, alone);
        assert_eq!((done, outcome.error.is_none()), (all_but(&[]), true));
        let sent = server.sent();
        let first = sent.iter().filter(|batch| batch.start == 0).count();
        assert_eq!(first, 9, "more often than the policy repeats");
    }

    #[test]
    fn a_rate_limit_without_end_is_an_error() {
        let server = server(|_, _| limited(None));
        let (done, outcome) = run(&server, Options::default());
        assert!(done.is_empty());
        assert!(matches!(outcome.error, Some(Error::RateLimited { .. })));
        let sent = server.sent().len();
        assert!((3..=4 + 2 + 1).contains(&sent), "{sent}");
    }

    #[test]
    fn a_refused_text_is_found_and_the_others_go_on() {
        let server = server(
            |batch, _| match batch.contains(&37) || batch.contains(&62) {
                true => status(400),
                false => None,
            },
        );
        let (done, mut outcome) = run(
            &server,
            Options {
                go_on: true,
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
        let server = server(|batch, _| match batch.contains(&37) {
            true => status(400),
            false => None,
        });
        let (done, outcome) = run(&server, Options::default());
        assert_eq!(outcome.refused, [(37, "words of 400".to_owned())]);
        assert!(!done.contains(&37) && done.contains(&0));
    }

    #[test]
    fn when_nothing_is_accepted_it_is_not_the_texts() {
        let server = server(|_, _| status(400));
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let outcome = FanOut {
            pool: Some(&pool),
            limiter: &Limiter::new(2),
            policy: &RetryPolicy::none(),
            go_on: true,
            cancel: &[],
            deadline: None,
            call: Call::default(),
            started: Instant::now(),
        }
        .run(&server, (0..1000).map(|i| i..i + 1), |_, _| {});
        assert!((HOPELESS..HOPELESS + 2).contains(&outcome.refused.len()));
        assert!(server.sent().len() < HOPELESS + 4);
    }

    #[test]
    fn a_flag_stops_before_the_next_request_and_ends_waits() {
        let stop = AtomicBool::new(false);
        let server = server(|_, before| {
            if before >= 4 {
                stop.store(true, Ordering::Relaxed);
            }
            if before == 0 { limited(Some(MS)) } else { None }
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
        assert_eq!(done.len(), (sent - 1) * 10, "what was in flight is kept");
    }

    #[test]
    fn nothing_is_sent_when_the_flag_is_up_or_the_time_is_over() {
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
    fn a_wait_beyond_the_deadline_is_not_waited_for() {
        let server = server(|_, _| limited(Some(Duration::from_secs(30))));
        let patient = Options {
            within: Some(Duration::from_secs(5)),
            ..Options::default()
        };
        let started = Instant::now();
        let (_, outcome) = run(&server, patient);
        assert!(matches!(outcome.error, Some(Error::RateLimited { .. })));
        assert!(started.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        let server = server(|_, before| {
            assert!(before != 3, "a panic of this test");
            None
        });
        let run = AssertUnwindSafe(|| run(&server, Options::default()));
        assert!(panic::catch_unwind(run).is_err());
    }
}
