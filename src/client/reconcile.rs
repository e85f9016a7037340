//! Finds out whether a write took effect whose response was lost.
//!
//! A write that is not idempotent must not be sent twice. If its response is lost, the client looks up what
//! the server has now: the write took effect, or it did not and can be sent again, or the client cannot tell.

use std::time::{Duration, Instant};

use log::Level;

use super::handle::Client;
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::transport::{Operation, no_retry};

/// The result of looking up whether a write took effect.
pub(crate) enum Outcome<T> {
    /// The write took effect. The value is what its response would have been.
    Done(T),
    /// The write did not take effect. It can be sent again.
    NotDone,
    /// The write did not take effect and never will, for this reason.
    Refused(Error),
    /// The write may have taken effect or not.
    Unknown,
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Done(value) => Outcome::Done(f(value)),
            Outcome::NotDone => Outcome::NotDone,
            Outcome::Refused(error) => Outcome::Refused(error),
            Outcome::Unknown => Outcome::Unknown,
        }
    }
}

/// The requests that one call has sent so far.
struct Attempts {
    started: Instant,
    count: u32,
    /// Whether the response to one of them was lost.
    response_lost: bool,
}

impl Attempts {
    fn begin() -> Attempts {
        Attempts {
            started: Instant::now(),
            count: 0,
            response_lost: false,
        }
    }

    /// Adds a failed request. Returns whether it may have taken effect. The error then reports all requests
    /// of the call.
    fn add(&mut self, error: &mut Error) -> bool {
        let may_be_done = match error {
            // An earlier request may have created the object.
            Error::AlreadyExists { .. } => self.response_lost,
            _ => error.is_retryable() && error.call().is_some_and(|call| call.may_have_acted),
        };
        self.response_lost |= may_be_done;
        if let Some(call) = error.call_mut() {
            call.may_have_acted |= self.response_lost;
            call.attempts += self.count;
            call.elapsed = self.started.elapsed();
            self.count = call.attempts;
        }
        may_be_done
    }

    /// Returns the error of a call that was cancelled after its last request failed with `error`.
    fn cancelled(&self, error: &Error) -> Error {
        let mut call = error.call().cloned().unwrap_or_default();
        call.elapsed = self.started.elapsed();
        Error::Cancelled {
            call: Box::new(call),
        }
    }
}

impl Client {
    /// Sends a write that must not take effect twice.
    ///
    /// If its response is lost, `look_up` checks on the primary endpoint whether the write took effect. If it
    /// did, the result of `look_up` is the result of the call. If it certainly did not, the write is sent
    /// again, as often as the retry policy allows. `self` must be the client of a single call; see
    /// [`begin`](Client::begin).
    pub(crate) fn reconcile<T>(
        &self,
        send: impl Fn() -> Result<T>,
        look_up: impl Fn(&Client) -> Result<Outcome<T>>,
    ) -> Result<T> {
        let mut attempts = Attempts::begin();
        let mut backoff = self.options.policy().backoff();
        loop {
            let mut error = match send() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !attempts.add(&mut error) {
                return Err(error);
            }
            match look_up(&self.for_look_up(&error)) {
                Ok(Outcome::Done(value)) => {
                    let next = format_args!("the client checked, and the write took effect");
                    logs::Line::new(logs::CLIENT, Level::Info, &[]).log_failure(&error, next);
                    return Ok(value);
                }
                Ok(Outcome::NotDone) => {}
                Ok(Outcome::Refused(reason)) => return Err(reason),
                Err(Error::Cancelled { .. }) => return Err(attempts.cancelled(&error)),
                Ok(Outcome::Unknown) | Err(_) => return Err(error),
            }
            let Some(wait) = backoff.next(error.asked_wait()) else {
                return Err(error);
            };
            if let Err(reason) = self.may_wait(wait) {
                return Err(error.without_retry(Some(reason)));
            }
            logs::Line::new(logs::CLIENT, Level::Warn, &[logs::wait_ms(wait)]).log_failure(
                &error,
                format_args!(
                    "the client checked, and the write did not take effect; trying again in {:.1} s",
                    wait.as_secs_f64()
                ),
            );
            self.options.sleep(wait);
            if self.options.is_cancelled() {
                return Err(attempts.cancelled(&error));
            }
        }
    }

    /// Returns the client that looks up whether a write took effect. After a timeout, it checks only once.
    fn for_look_up(&self, error: &Error) -> Client {
        let client = self.at_primary();
        match error {
            Error::Timeout { .. } => client.without_retries(),
            _ => client,
        }
    }

    /// Checks whether the deadline and the retry budget allow another request after this wait.
    ///
    /// # Errors
    /// The reason why they do not.
    fn may_wait(&self, wait: Duration) -> std::result::Result<(), &'static str> {
        if !self.options.has_time_for(wait) {
            return Err(no_retry::DEADLINE_TOO_NEAR);
        }
        if self.server.transport.may_retry() {
            Ok(())
        } else {
            Err(no_retry::BUDGET_USED_UP)
        }
    }
}

/// Returns the outcome of a creation when an object with the name exists: if it is unused, this call created
/// it.
pub(crate) fn if_new(is_new: bool, operation: &Operation, name: &str) -> Outcome<()> {
    if is_new {
        Outcome::Done(())
    } else {
        Outcome::Refused(name_taken(operation, name))
    }
}

/// Returns the error of a creation if the existing object with the name is a different one.
pub(crate) fn name_taken(operation: &Operation, name: &str) -> Error {
    Error::AlreadyExists {
        call: Box::new(Call::new(operation.name, Some(name))),
        message: "the response was lost, and the existing object with this name differs from the one to create; \
             choose another name"
            .to_owned(),
    }
}

/// Returns the outcome of a creation from a look-up of the object: it was not created if it does not exist.
pub(crate) fn created<T>(found: Result<Outcome<T>>) -> Result<Outcome<T>> {
    match found {
        Err(Error::NotFound { .. }) => Ok(Outcome::NotDone),
        other => other,
    }
}

/// Returns the outcome of a deletion from a look-up of the object: it was deleted if it does not exist. If it
/// does, another program may have created it again since, so the deletion must not be repeated.
pub(crate) fn deleted<T>(found: Result<T>) -> Result<Outcome<()>> {
    match found {
        Err(Error::NotFound { .. }) => Ok(Outcome::Done(())),
        found => found.map(|_| Outcome::Unknown),
    }
}
