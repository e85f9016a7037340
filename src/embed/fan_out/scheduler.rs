//! [`Scheduler`]: decides what is sent next, on the caller's thread.

use std::ops::Range;
use std::panic;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use log::Level;
use log::kv::Value;

use super::batches::BatchQueue;
use super::job::{Batch, Event, Job, JobResult};
use super::options::FanOut;
use super::outcome::Outcome;
use super::rate_limit::RateLimitBackoff;
use crate::embed::limiter::{Permit, Ticket, Unavailable};
use crate::error::Error;
use crate::logs;
use crate::wire::cut::halves;

/// How often a wait checks whether the call is cancelled.
const POLL: Duration = Duration::from_millis(20);
/// After this many refused texts without a success, the texts are assumed not to be the reason, and the call
/// stops.
pub(super) const MAX_REFUSED_WITHOUT_SUCCESS: usize = 100;

/// Sends batches as the limiter allows, handles their results, and decides about retries.
pub(super) struct Scheduler<'a, V, I: Iterator, D> {
    options: &'a FanOut<'a, V>,
    batches: BatchQueue<'a, I>,
    done: D,
    sender: Sender<Event<V>>,
    events: Receiver<Event<V>>,
    /// The place in the limiter's queue, while a batch waits for a permit.
    ticket: Option<Ticket<'a>>,
    running: usize,
    rate_limit: RateLimitBackoff,
    has_succeeded: bool,
    is_stopped: bool,
    outcome: Outcome,
}

impl<'a, V, I, D> Scheduler<'a, V, I, D>
where
    I: Iterator<Item = Range<usize>>,
    D: FnMut(Range<usize>, V),
{
    pub(super) fn new(options: &'a FanOut<'a, V>, batches: I, done: D) -> Scheduler<'a, V, I, D> {
        let (sender, events) = mpsc::channel();
        Scheduler {
            options,
            batches: BatchQueue::new(batches, options.policy),
            done,
            sender,
            events,
            ticket: None,
            running: 0,
            rate_limit: RateLimitBackoff::new(options.policy),
            has_succeeded: false,
            is_stopped: false,
            outcome: Outcome::default(),
        }
    }

    /// Sends all batches. `start` runs a job, now or later.
    pub(super) fn run(mut self, start: impl Fn(Job<'a, V>)) -> Outcome {
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.handle(event);
            }
            if self.has_more_to_send() {
                if let Err(reason) = self.send_next(&start) {
                    self.wait(reason);
                }
                continue;
            }
            self.ticket = None;
            if self.running == 0 {
                return self.outcome;
            }
            if let Ok(event) = self.events.recv() {
                self.handle(event);
            }
        }
    }

    fn has_more_to_send(&mut self) -> bool {
        if self.batches.is_empty() {
            return false;
        }
        self.stop_if_cancelled_or_late();
        !self.is_stopped
    }

    fn stop_if_cancelled_or_late(&mut self) {
        if self.is_stopped {
            return;
        }
        if self.options.is_cancelled() {
            let call = Box::new(self.options.call());
            self.stop(Error::Cancelled { call });
        } else if !self.options.is_in_time(Instant::now()) {
            self.outcome.is_out_of_time = true;
            self.stop(Error::Timeout {
                call: Box::new(self.options.call()),
                message: "the deadline of the call passed before all texts were processed"
                    .to_owned(),
                source: None,
            });
        }
    }

    /// Sends nothing more. The first error that stops the call is the call's error.
    fn stop(&mut self, error: Error) {
        if !self.is_stopped {
            self.is_stopped = true;
            self.outcome.error = Some(error);
        }
    }

    /// Sends the next batch, or returns when to try again.
    fn send_next(&mut self, start: impl Fn(Job<'a, V>)) -> Result<(), Unavailable> {
        let now = Instant::now();
        let limiter = self.options.limiter;
        let pause = limiter.pause_left(now);
        let Some(batch) = self.batches.take_due(now) else {
            return Err(Unavailable {
                retry_at: self.batches.next_retry_at().unwrap_or(now),
                is_throttled: pause.is_some(),
            });
        };
        if let Some(pause) = pause.filter(|pause| self.options.is_too_long(*pause, now)) {
            self.stop_for_pause(pause);
            return Ok(());
        }
        let cost = self.options.work.cost(batch.range.clone());
        let ticket = self.ticket.get_or_insert_with(|| limiter.join_queue());
        match ticket.try_acquire(cost, now) {
            Ok(permit) => {
                start(self.job(batch, permit, now));
                Ok(())
            }
            Err(reason) => {
                self.batches.put_back(batch);
                Err(reason)
            }
        }
    }

    fn job(&mut self, mut batch: Batch, permit: Permit<'a>, now: Instant) -> Job<'a, V> {
        self.ticket = None;
        self.running += 1;
        batch.start_attempt(now);
        self.outcome.retries += u64::from(batch.attempts > 1);
        Job {
            batch,
            sent: now,
            permit,
            events: self.sender.clone(),
        }
    }

    fn stop_for_pause(&mut self, pause: Duration) {
        let is_allowed = self.options.policy.backoff().next(Some(pause)).is_some();
        self.outcome.is_out_of_time = is_allowed;
        let message = format!(
            "the server asked for a wait, and the remaining {:.1} s are longer than the deadline or the retry \
             policy allows",
            pause.as_secs_f64()
        );
        self.stop(Error::RateLimited {
            call: Box::new(self.options.call()),
            retry_after: Some(pause),
            message,
        });
    }

    /// Waits for an event, until the next batch may be sent.
    fn wait(&mut self, reason: Unavailable) {
        let now = Instant::now();
        let wait = reason.retry_at.saturating_duration_since(now);
        let event = self.events.recv_timeout(wait.min(POLL));
        if reason.is_throttled {
            self.outcome.throttled += now.elapsed();
        }
        if let Ok(event) = event {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event<V>) {
        let Event::Finished { batch, result } = event else {
            self.rate_limit.reset();
            return;
        };
        self.running -= 1;
        match result {
            JobResult::Vectors(vectors) => {
                self.has_succeeded = true;
                // The caller may start another call with the same limiter, which must not wait for this
                // ticket.
                self.ticket = None;
                (self.done)(batch.range, vectors);
            }
            JobResult::Failed { error, backed_off } => self.failed(*batch, error, backed_off),
            JobResult::Panicked(panic) => panic::resume_unwind(panic),
        }
    }

    fn failed(&mut self, mut batch: Batch, mut error: Error, backed_off: bool) {
        let now = Instant::now();
        if let Some(call) = error.call_mut() {
            call.attempts = batch.attempts;
            call.elapsed = now - batch.first_sent.unwrap_or(now);
        }
        self.stop_if_cancelled_or_late();
        if self.is_stopped {
            return;
        }
        if self.options.work.is_refusal(&error) {
            return self.refused(batch.range, error, now);
        }
        let wait = self.next_wait(&mut batch, &error, backed_off);
        let at = wait.and_then(|wait| now.checked_add(wait));
        let Some(at) = at.filter(|at| self.options.is_in_time(*at)) else {
            self.outcome.is_out_of_time = wait.is_some();
            return self.stop(error);
        };
        if is_rate_limit(&error) || error.asked_wait().is_some() {
            self.options.limiter.pause(at);
        }
        self.log_retry(&batch, &error, at - now);
        self.batches.retry(batch, at);
    }

    /// Returns the wait before a batch is sent again, if the error and the policy allow that.
    fn next_wait(
        &mut self,
        batch: &mut Batch,
        error: &Error,
        backed_off: bool,
    ) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        let asked = error.asked_wait();
        if !is_rate_limit(error) {
            batch.backoff.next(asked)
        } else if backed_off {
            self.rate_limit.next(asked)
        } else {
            self.rate_limit.same_as_last(asked)
        }
    }

    fn log_retry(&self, batch: &Batch, error: &Error, wait: Duration) {
        let pairs = [
            self.model(),
            ("attempt", batch.attempts.into()),
            ("texts", batch.range.len().into()),
            logs::wait_ms(wait),
        ];
        logs::Line::new(logs::EMBED, Level::Warn, &pairs).log_failure(
            error,
            format_args!("trying again in {:.1} s", wait.as_secs_f64()),
        );
    }

    /// The model as a key-value of log lines.
    fn model(&self) -> (&'static str, Value<'a>) {
        let model = self.options.call.subject.as_deref().unwrap_or_default();
        ("model", logs::text(model))
    }

    /// Splits a refused batch into halves. A batch of one text is the refused text itself.
    fn refused(&mut self, range: Range<usize>, error: Error, now: Instant) {
        if range.len() == 1 {
            return self.refused_text(range.start, error);
        }
        let pairs = [self.model(), ("texts", range.len().into())];
        logs::Line::new(logs::EMBED, Level::Warn, &pairs)
            .log_failure(&error, format_args!("retrying the texts in two halves"));
        for half in halves(range) {
            self.batches.add(half, now);
        }
    }

    fn refused_text(&mut self, text: usize, error: Error) {
        let message = match &error {
            Error::Server { message, .. } => message.clone(),
            other => other.to_string(),
        };
        self.outcome.refused.push((text, message));
        let count = self.outcome.refused.len();
        let is_hopeless = !self.has_succeeded && count >= MAX_REFUSED_WITHOUT_SUCCESS;
        if self.options.skip_refused && !is_hopeless {
            self.outcome.error.get_or_insert(error);
        } else {
            self.stop(error);
        }
    }
}

fn is_rate_limit(error: &Error) -> bool {
    matches!(error, Error::RateLimited { .. })
}
