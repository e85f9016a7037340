//! [`Observed`]: the counters, log lines and spans of a call.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use log::Level;
use log::kv::Value;
use ureq::http::request;

use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::failure::kind;
use super::operation::HttpRequest;
use super::response::HttpResponse;
use super::trace;
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::metrics::{OperationCounters, Recorder};

thread_local! {
    static RETRIES: Cell<u64> = const { Cell::new(0) };
}

/// Returns the number of retries in all calls that this thread has made so far, with any client.
pub(crate) fn retries_of_this_thread() -> u64 {
    RETRIES.get()
}

/// Observes calls: holds the primary endpoint and its dialect, for names, and the recorder of the counts.
pub(super) struct Observer<'a> {
    pub(super) primary: &'a Endpoint,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) recorder: &'a Recorder,
}

impl<'a> Observer<'a> {
    /// Starts to observe a call.
    pub(super) fn begin(self, request: HttpRequest<'a>) -> Observed<'a> {
        Observed {
            request,
            dialect: self.dialect,
            started: Instant::now(),
            counters: self.recorder.operation(request.operation.name),
            span: trace::Call::begin(request, self.primary, self.dialect),
        }
    }
}

/// A call under way.
pub(super) struct Observed<'a> {
    pub(super) request: HttpRequest<'a>,
    dialect: &'static dyn Dialect,
    pub(super) started: Instant,
    counters: Option<&'a OperationCounters>,
    span: trace::Call,
}

/// A failed attempt of a call.
pub(super) struct FailedAttempt<'a> {
    pub(super) endpoint: &'a str,
    pub(super) number: u32,
    pub(super) error: &'a Error,
}

/// The step after a failed attempt that could be retried.
#[derive(Clone, Copy)]
pub(super) enum NextStep<'a> {
    /// The request is sent again to the same endpoint, after this wait.
    RetryAfter(Duration),
    /// The request is sent to this other endpoint immediately.
    RetryAt(&'a str),
    /// The retry budget is used up.
    BudgetUsedUp,
}

impl NextStep<'_> {
    fn wait(self) -> Option<Duration> {
        match self {
            NextStep::RetryAfter(wait) => Some(wait),
            NextStep::RetryAt(_) => Some(Duration::ZERO),
            NextStep::BudgetUsedUp => None,
        }
    }
}

impl fmt::Display for NextStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextStep::RetryAfter(wait) => write!(f, "trying again in {:.1} s", wait.as_secs_f64()),
            NextStep::RetryAt(url) => write!(f, "trying again at {url}"),
            NextStep::BudgetUsedUp => f.write_str(
                "not trying again, because too many requests fail (see ClientBuilder::retry_budget)",
            ),
        }
    }
}

impl Observed<'_> {
    /// Starts to observe an attempt. The first one has the number 1.
    pub(super) fn attempt<'b>(&'b self, endpoint: &'b Endpoint, number: u32) -> Attempt<'b> {
        Attempt {
            call: self,
            endpoint,
            number,
            started: Instant::now(),
            span: self.span.attempt(self.request, endpoint, number),
        }
    }

    /// Logs a failed attempt and what happens next.
    pub(super) fn failed(&self, attempt: &FailedAttempt<'_>, next: NextStep<'_>) {
        if !log::log_enabled!(target: logs::HTTP, Level::Warn) {
            return;
        }
        let error = attempt.error;
        let mut pairs = self.pairs(attempt.endpoint, attempt.number);
        pairs.extend(logs::of_error(error));
        pairs.extend(next.wait().map(logs::wait_ms));
        logs::Line::new(logs::HTTP, Level::Warn, &pairs).log(format_args!("{error:#}; {next}"));
    }

    /// Logs that a pooled connection was closed, and that the request is sent on a new one.
    pub(super) fn reconnecting(&self, endpoint: &Endpoint, attempt: u32) {
        if log::log_enabled!(target: logs::HTTP, Level::Debug) {
            let call = Call::new(self.request.operation.name, self.request.subject);
            let endpoint = endpoint.as_str();
            let pairs = self.pairs(endpoint, attempt);
            logs::Line::new(logs::HTTP, Level::Debug, &pairs).log(format_args!(
                "{call} at {endpoint}: the server had closed the idle connection; sending again on a new one"
            ));
        }
    }

    /// Counts a retry.
    pub(super) fn retried(&self) {
        RETRIES.set(RETRIES.get() + 1);
        if let Some(counters) = self.counters {
            counters.record_retry();
        }
    }

    /// Counts the call, and ends its span.
    pub(super) fn end<T>(self, result: &Result<T>) {
        let error = result.as_ref().err();
        if let Some(counters) = self.counters {
            counters.record_call(self.started.elapsed(), error);
        }
        self.span.end(error, self.dialect);
    }

    /// Returns the key-values that all lines about an attempt have.
    fn pairs<'b>(&'b self, endpoint: &'b str, attempt: u32) -> Vec<(&'static str, Value<'b>)> {
        let mut pairs = Vec::with_capacity(8);
        pairs.push(("operation", self.request.operation.name.into()));
        if let Some(subject) = self.request.subject {
            pairs.push((
                self.dialect.subject_is(self.request.operation),
                logs::text(subject),
            ));
        }
        pairs.push(("endpoint", endpoint.into()));
        pairs.push(("attempt", attempt.into()));
        pairs
    }
}

/// An attempt under way.
pub(super) struct Attempt<'a> {
    call: &'a Observed<'a>,
    endpoint: &'a Endpoint,
    number: u32,
    started: Instant,
    span: trace::Attempt,
}

impl Attempt<'_> {
    /// Adds the headers with the context of the trace.
    pub(super) fn with_context(&self, request: request::Builder) -> request::Builder {
        self.span.with_context(request, self.call.dialect)
    }

    /// Counts and logs the attempt, and ends its span.
    pub(super) fn end(self, result: &Result<HttpResponse, ureq::Error>) {
        let HttpRequest {
            operation,
            path,
            body,
            ..
        } = self.call.request;
        let bytes_out = body.map_or(0, <[u8]>::len);
        let bytes_in = result.as_ref().map_or(0, |answer| answer.size);
        if let Some(counters) = self.call.counters {
            counters.record_attempt(bytes_out, bytes_in);
        }
        if log::log_enabled!(target: logs::HTTP, Level::Debug) {
            let mut pairs = self.call.pairs(self.endpoint.as_str(), self.number);
            match result {
                Ok(answer) => pairs.push(("status", answer.status.into())),
                Err(error) => pairs.push(("error", kind(error).into())),
            }
            let elapsed = self.started.elapsed().as_micros() as f64 / 1e3;
            pairs.push(("elapsed_ms", elapsed.into()));
            pairs.push(("bytes_out", bytes_out.into()));
            pairs.push(("bytes_in", bytes_in.into()));
            let (method, base) = (&operation.method, self.endpoint.as_str());
            logs::Line::new(logs::HTTP, Level::Debug, &pairs)
                .log(format_args!("{method} {base}{path}"));
        }
        self.span.end(result);
    }
}
