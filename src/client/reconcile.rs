//! What became of a request that may be made once only and whose answer was lost, where that can be seen by asking.

use std::time::{Duration, Instant};

use log::Level;

use super::Client;
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::transport::Operation;

/// What asking has shown.
pub(crate) enum Outcome<T> {
    /// It is done, and this is what its answer would have said.
    Done(T),
    /// It is not done, so it may be sent again.
    NotDone,
    /// It is not done, and cannot be: this is why.
    Refused(Error),
    /// It may have been done or not.
    Unknown,
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Done(answer) => Outcome::Done(f(answer)),
            Outcome::NotDone => Outcome::NotDone,
            Outcome::Refused(why) => Outcome::Refused(why),
            Outcome::Unknown => Outcome::Unknown,
        }
    }
}

impl Client {
    /// Sends a request that may be made once only. When its answer is lost, `ask` looks, where writes go, whether it is done:
    /// then that is the answer; when it is certainly not, it is sent again, by the client's policy. The client must be of
    /// one call ([`begin`](Client::begin)).
    pub(crate) fn reconcile<T>(
        &self,
        send: impl Fn() -> Result<T>,
        ask: impl Fn(&Client) -> Result<Outcome<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        let mut backoff = self.options.policy().backoff();
        let (mut lost, mut attempts) = (false, 0);
        loop {
            let mut error = match send() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let late = match error {
                // An earlier one may have come through at last.
                Error::AlreadyExists { .. } => lost,
                _ => error.is_retryable() && error.call().is_some_and(|call| call.may_have_acted),
            };
            lost |= late;
            if let Some(call) = error.call_mut() {
                // Of all that were sent.
                call.may_have_acted |= lost;
                call.attempts += attempts;
                call.elapsed = started.elapsed();
                attempts = call.attempts;
            }
            if !late {
                return Err(error);
            }
            let there = self.at_primary();
            // Who has waited for as long as that is not kept waiting for as long again, and again.
            let there = match error {
                Error::Timeout { .. } => there.without_retries(),
                _ => there,
            };
            match ask(&there) {
                Ok(Outcome::Done(answer)) => {
                    logs::failure(
                        logs::CLIENT,
                        Level::Info,
                        &error,
                        &[],
                        format_args!("{error:#}; but it is done"),
                    );
                    return Ok(answer);
                }
                Ok(Outcome::Refused(why)) => return Err(why),
                Ok(Outcome::NotDone) => {}
                Err(Error::Cancelled { .. }) => return Err(cancelled(&error, started)),
                Ok(Outcome::Unknown) | Err(_) => return Err(error),
            }
            let in_time = |wait: &Duration| self.options.has_time_for(*wait);
            let wait = backoff.next(error.asked_wait()).filter(in_time);
            let Some(wait) = wait.filter(|_| self.server.transport.may_retry()) else {
                return Err(error);
            };
            logs::failure(
                logs::CLIENT,
                Level::Warn,
                &error,
                &[logs::wait_ms(wait)],
                format_args!(
                    "{error:#}; it is not done, trying again in {:.1} s",
                    wait.as_secs_f64()
                ),
            );
            self.options.sleep(wait);
            if self.options.is_cancelled() {
                return Err(cancelled(&error, started));
            }
        }
    }
}

/// Returns the error of a call that was cancelled after its last request failed with `error`.
fn cancelled(error: &Error, started: Instant) -> Error {
    let mut call = error.call().cloned().unwrap_or_default();
    call.elapsed = started.elapsed();
    Error::Cancelled {
        call: Box::new(call),
    }
}

/// What it shows that something of this name is there: where nobody has used it yet, it is what was to be made.
pub(crate) fn if_new(is_new: bool, operation: &Operation, name: &str) -> Outcome<()> {
    match is_new {
        true => Outcome::Done(()),
        false => Outcome::Refused(name_taken(operation, name)),
    }
}

/// Something of this name is there, and it is another one.
pub(crate) fn name_taken(operation: &Operation, name: &str) -> Error {
    Error::AlreadyExists {
        call: Box::new(Call::new(operation.name, Some(name))),
        message: "an answer was lost, and what is there by this name is not what was to be made"
            .to_owned(),
    }
}

/// What it shows when what was to be made is not there.
pub(crate) fn created<T>(found: Result<Outcome<T>>) -> Result<Outcome<T>> {
    match found {
        Err(Error::NotFound { .. }) => Ok(Outcome::NotDone),
        other => other,
    }
}

/// What it shows when what was to be deleted is there: another one may have been made in the meantime, which is not to be
/// deleted.
pub(crate) fn deleted<T>(found: Result<T>) -> Result<Outcome<()>> {
    match found {
        Err(Error::NotFound { .. }) => Ok(Outcome::Done(())),
        found => found.map(|_| Outcome::Unknown),
    }
}
