//! [`RetryState`]: decides after a failed attempt whether, when and where to send the request again.

use std::time::Duration;

use super::budget::RetryBudget;
use super::call_state::CallState;
use super::endpoints::{Choice, Endpoints, Failed, Health};
use super::failure::Failure;
use super::no_retry::{BREAKER_OPEN, BUDGET_USED_UP, DEADLINE_TOO_NEAR, WAIT_TOO_LONG};
use super::observe::{FailedAttempt, NextStep};
use super::retry::Backoff;
use crate::error::Error;

/// The state of a call's retries.
pub(super) struct RetryState<'a> {
    endpoints: &'a Endpoints,
    budget: &'a RetryBudget,
    backoff: Backoff,
    /// Whether the request may go to any endpoint.
    is_for_any: bool,
    /// The index of the endpoint that is tried first.
    first: usize,
    /// The endpoints that failed since the last wait.
    failed: Failed,
    has_retried: bool,
    /// The retries that failed although they reached a server.
    failed_retries: u32,
    /// Whether the server has reported a failure that lasts.
    saw_lasting: bool,
}

impl<'a> RetryState<'a> {
    pub(super) fn new(
        endpoints: &'a Endpoints,
        budget: &'a RetryBudget,
        state: &CallState<'_>,
    ) -> RetryState<'a> {
        let is_for_any = state.kind().is_read() && !state.options.reads_from_primary();
        RetryState {
            endpoints,
            budget,
            backoff: state.options.policy().backoff(),
            is_for_any,
            first: endpoints.first(is_for_any),
            failed: Failed::default(),
            has_retried: false,
            failed_retries: 0,
            saw_lasting: false,
        }
    }

    /// Returns the endpoint for the first attempt.
    ///
    /// # Errors
    /// [`Error::CircuitOpen`] if no endpoint may be asked, [`Error::Timeout`] if the deadline has passed.
    pub(super) fn first_target(&self, state: &CallState<'_>) -> Result<Choice<'a>, Error> {
        let target = self.choose().map_err(|wait| Error::CircuitOpen {
            call: Box::new(state.call(self.endpoints.primary())),
            retry_after: wait.unwrap_or_default(),
        })?;
        if state.options.is_out_of_time() {
            return Err(Error::Timeout {
                call: Box::new(state.call(target.endpoint())),
                message: "the deadline of the call passed before this request was sent".to_owned(),
                source: None,
            });
        }
        Ok(target)
    }

    /// Records that an attempt has succeeded.
    pub(super) fn succeeded(&self, target: Choice<'_>) {
        target.report(Health::Up);
        self.budget.succeeded();
    }

    /// Waits after a failed attempt if necessary, and returns the endpoint for the next attempt.
    ///
    /// # Errors
    /// The error that ends the call, if there must not be a next attempt.
    pub(super) fn after(
        &mut self,
        failure: Failure,
        target: Choice<'a>,
        state: &mut CallState<'_>,
    ) -> Result<Choice<'a>, Error> {
        if failure.is_refusal() {
            // A server that refuses a request works.
            self.budget.succeeded();
        } else if self.has_retried && !failure.sent_nothing {
            self.failed_retries += 1;
        }
        let next = self.next_target(failure, target, state);
        if next.is_ok() {
            state.observed.retried();
            self.has_retried = true;
        } else {
            self.budget.pay(self.failed_retries);
        }
        next
    }

    fn next_target(
        &mut self,
        failure: Failure,
        target: Choice<'a>,
        state: &mut CallState<'_>,
    ) -> Result<Choice<'a>, Error> {
        let may_move =
            failure.health == Health::Down || failure.may_succeed_elsewhere && self.is_for_any;
        if may_move {
            self.failed.add(&target);
        }
        let endpoint = target.endpoint();
        target.report(failure.health);
        state.may_have_acted |= failure.may_have_acted && !state.kind().is_read();
        let other = if may_move { self.choose().ok() } else { None };
        let may_repeat = self.may_repeat(&failure, other.is_some(), state);
        let mut error = failure.error;
        if let Some(call) = error.call_mut() {
            call.may_have_acted = state.may_have_acted;
        }
        if !may_repeat {
            return Err(error);
        }
        let wait = match self.next_wait(&error, other.is_some(), state) {
            Ok(wait) => wait,
            Err(reason) => return Err(error.without_retry(reason)),
        };
        let attempt = FailedAttempt {
            endpoint: endpoint.as_str(),
            number: state.attempts,
            error: &error,
        };
        if !self.budget.allows(failure.sent_nothing) {
            state.observed.failed(&attempt, NextStep::BudgetUsedUp);
            return Err(error.without_retry(Some(BUDGET_USED_UP)));
        }
        let Some(other) = other else {
            state.observed.failed(&attempt, NextStep::RetryAfter(wait));
            state.options.sleep(wait);
            state.check_cancelled(endpoint)?;
            self.failed = Failed::default();
            // If a breaker opened in the meantime, its cause says more than that it is open.
            return self
                .choose()
                .map_err(|_| error.without_retry(Some(BREAKER_OPEN)));
        };
        let url = other.endpoint().as_str();
        state.observed.failed(&attempt, NextStep::RetryAt(url));
        Ok(other)
    }

    /// Whether another attempt is harmless and may succeed.
    fn may_repeat(&mut self, failure: &Failure, is_elsewhere: bool, state: &CallState<'_>) -> bool {
        match failure.error {
            // A server that has just started may still repair its index, and a disk may be full for a moment.
            // Another attempt after that does not help.
            Error::BrokenIndex { .. } | Error::Storage { .. } => {
                let is_first = !std::mem::replace(&mut self.saw_lasting, true);
                (is_first || is_elsewhere) && failure.is_harmless(state.kind())
            }
            _ => failure.is_retryable(state.kind()),
        }
    }

    /// Returns the wait before the next attempt.
    ///
    /// # Errors
    /// The reason why there must not be another attempt. `None` if the retries are used up, or if the
    /// deadline has passed.
    fn next_wait(
        &mut self,
        error: &Error,
        is_elsewhere: bool,
        state: &CallState<'_>,
    ) -> Result<Duration, Option<&'static str>> {
        if !self.backoff.has_retries() || state.options.is_out_of_time() {
            return Err(None);
        }
        let wait = if is_elsewhere {
            self.backoff.next_at_once().then_some(Duration::ZERO)
        } else {
            self.backoff.next(error.asked_wait())
        };
        let wait = wait.ok_or(Some(WAIT_TOO_LONG))?;
        if !state.options.has_time_for(wait) {
            return Err(Some(DEADLINE_TOO_NEAR));
        }
        if !is_elsewhere && self.endpoints.refused_for(self.is_for_any) > wait {
            return Err(Some(BREAKER_OPEN));
        }
        Ok(wait)
    }

    fn choose(&self) -> Result<Choice<'a>, Option<Duration>> {
        self.endpoints
            .choose(self.is_for_any, self.first, &self.failed)
    }
}
