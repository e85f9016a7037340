//! [`Observed`]: what others see of a call: counters, log lines, spans.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use log::Level;
use log::kv::Value;
use ureq::http::request;

use super::exchange::Answer;
use super::{Dialect, Endpoint, Outgoing, trace};
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::metrics::{OperationCounters, Recorder};

thread_local! {
    static RETRIES: Cell<u64> = const { Cell::new(0) };
}

/// Attempts that followed a failure, in all calls that this thread has made so far, of any client.
pub(crate) fn retries_of_this_thread() -> u64 {
    RETRIES.get()
}

/// A call that is under way.
pub(super) struct Observed<'a> {
    pub(super) out: Outgoing<'a>,
    dialect: &'static dyn Dialect,
    pub(super) started: Instant,
    counters: Option<&'a OperationCounters>,
    span: trace::Call,
}

impl<'a> Observed<'a> {
    /// A call begins.
    pub(super) fn begin(
        out: Outgoing<'a>,
        endpoint: &Endpoint,
        dialect: &'static dyn Dialect,
        recorder: &'a Recorder,
    ) -> Observed<'a> {
        Observed {
            out,
            dialect,
            started: Instant::now(),
            counters: recorder.operation(out.operation.name),
            span: trace::Call::begin(out, endpoint, dialect),
        }
    }

    /// An attempt begins; the first one is number 1.
    pub(super) fn attempt<'b>(&'b self, endpoint: &'b Endpoint, number: u32) -> Attempt<'b> {
        Attempt {
            call: self,
            endpoint,
            number,
            started: Instant::now(),
            span: self.span.attempt(self.out, endpoint, number),
        }
    }

    /// An attempt has failed, and there will be another one after this wait; `None`: there would be, and may not.
    pub(super) fn failed(
        &self,
        endpoint: &str,
        attempt: u32,
        error: &Error,
        wait: Option<Duration>,
        then: fmt::Arguments<'_>,
    ) {
        if !log::log_enabled!(target: logs::HTTP, Level::Warn) {
            return;
        }
        let mut pairs = self.about(endpoint, attempt);
        pairs.extend(logs::of_error(error));
        pairs.extend(wait.map(logs::wait_ms));
        logs::line(
            logs::HTTP,
            Level::Warn,
            &pairs,
            format_args!("{error:#}; {then}"),
        );
    }

    /// The server had closed the connection of an attempt, and there will be one on a new connection.
    pub(super) fn stale(&self, endpoint: &str, attempt: u32) {
        if log::log_enabled!(target: logs::HTTP, Level::Debug) {
            let call = Call::new(self.out.operation.name, self.out.subject);
            logs::line(
                logs::HTTP,
                Level::Debug,
                &self.about(endpoint, attempt),
                format_args!(
                    "{call} at {endpoint}: the server had closed the connection; once more on a new one"
                ),
            );
        }
    }

    /// Another attempt follows a failure.
    pub(super) fn retried(&self) {
        RETRIES.set(RETRIES.get() + 1);
        if let Some(counters) = self.counters {
            counters.retried();
        }
    }

    /// The call has ended.
    pub(super) fn end<T>(self, result: &Result<T>) {
        let error = result.as_ref().err();
        if let Some(counters) = self.counters {
            counters.ended(self.started.elapsed(), error);
        }
        self.span.end(error, self.dialect);
    }

    /// What lines about a request have in common.
    fn about<'b>(&'b self, endpoint: &'b str, attempt: u32) -> Vec<(&'static str, Value<'b>)> {
        let mut pairs = Vec::with_capacity(8);
        pairs.push(("operation", self.out.operation.name.into()));
        if let Some(subject) = self.out.subject {
            pairs.push((self.dialect.subject_is(self.out.operation), subject.into()));
        }
        pairs.push(("endpoint", endpoint.into()));
        pairs.push(("attempt", attempt.into()));
        pairs
    }
}

/// As [`Error::kind`] will call it: why there was no whole answer.
pub(super) fn kind(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "timeout",
        ureq::Error::Protocol(_) | ureq::Error::BodyExceedsLimit(_) => "decode",
        _ => "connection",
    }
}

/// An attempt that is under way.
pub(super) struct Attempt<'a> {
    call: &'a Observed<'a>,
    endpoint: &'a Endpoint,
    number: u32,
    started: Instant,
    span: trace::Attempt,
}

impl Attempt<'_> {
    /// Adds the headers by which a server can go on with the trace.
    pub(super) fn with_context(&self, request: request::Builder) -> request::Builder {
        self.span.with_context(request, self.call.dialect)
    }

    /// The attempt has ended.
    pub(super) fn end(self, result: &Result<Answer, ureq::Error>) {
        let Outgoing {
            operation,
            path,
            body,
            ..
        } = self.call.out;
        let bytes_out = body.map_or(0, <[u8]>::len);
        let bytes_in = result.as_ref().map_or(0, |answer| answer.body.len());
        if let Some(counters) = self.call.counters {
            counters.attempted(bytes_out, bytes_in);
        }
        if log::log_enabled!(target: logs::HTTP, Level::Debug) {
            let mut pairs = self.call.about(self.endpoint.as_str(), self.number);
            match result {
                Ok(answer) => pairs.push(("status", answer.status.into())),
                Err(error) => pairs.push(("error", kind(error).into())),
            }
            let elapsed = self.started.elapsed().as_micros() as f64 / 1e3;
            pairs.push(("elapsed_ms", elapsed.into()));
            pairs.push(("bytes_out", bytes_out.into()));
            pairs.push(("bytes_in", bytes_in.into()));
            let (method, base) = (&operation.method, self.endpoint.as_str());
            logs::line(
                logs::HTTP,
                Level::Debug,
                &pairs,
                format_args!("{method} {base}{path}"),
            );
        }
        self.span.end(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_whole_answer_is_named_as_the_error_will_be() {
        for (error, name) in [
            (ureq::Error::BodyExceedsLimit(1), "decode"),
            (ureq::Error::HostNotFound, "connection"),
            (ureq::Error::Timeout(ureq::Timeout::Global), "timeout"),
        ] {
            assert_eq!(kind(&error), name);
        }
    }
}
