//! [`RetryState`]: decides after a failed attempt whether, when and where to send the request again.

use std::time::Duration;

use super::budget::RetryBudget;
use super::call_state::CallState;
use super::endpoints::{Choice, Endpoints, Failed, Health};
use super::failure::Failure;
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
        self.budget.succeeded(self.has_retried);
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
        let may_move =
            failure.health == Health::Down || failure.may_succeed_elsewhere && self.is_for_any;
        if may_move {
            self.failed.add(&target);
        }
        let endpoint = target.endpoint();
        target.report(failure.health);
        state.may_have_acted |= failure.may_have_acted && !state.kind().is_read();
        let is_retryable = failure.is_retryable(state.kind());
        let mut error = failure.error;
        if let Some(call) = error.call_mut() {
            call.may_have_acted = state.may_have_acted;
        }
        if !is_retryable {
            return Err(error);
        }
        let other = if may_move { self.choose().ok() } else { None };
        let Some(wait) = self.next_wait(&error, other.is_some(), state) else {
            return Err(error);
        };
        let attempt = FailedAttempt {
            endpoint: endpoint.as_str(),
            number: state.attempts,
            error: &error,
        };
        if !self.budget.spend() {
            state.observed.failed(&attempt, NextStep::BudgetUsedUp);
            return Err(error);
        }
        let step = match &other {
            Some(other) => NextStep::RetryAt(other.endpoint().as_str()),
            None => NextStep::RetryAfter(wait),
        };
        state.observed.failed(&attempt, step);
        let next = if let Some(other) = other {
            other
        } else {
            state.options.sleep(wait);
            state.check_cancelled(endpoint)?;
            self.failed = Failed::default();
            // If a breaker opened in the meantime, its cause says more than that it is open.
            self.choose().map_err(|_| error)?
        };
        state.observed.retried();
        self.has_retried = true;
        Ok(next)
    }

    /// Returns the wait before the next attempt. `None` if there must not be one.
    fn next_wait(
        &mut self,
        error: &Error,
        is_elsewhere: bool,
        state: &CallState<'_>,
    ) -> Option<Duration> {
        let wait = if is_elsewhere {
            self.backoff.next_at_once().then_some(Duration::ZERO)
        } else {
            self.backoff.next(error.asked_wait())
        }?;
        let ends_in_time = state.options.has_time_for(wait);
        let may_send = is_elsewhere || self.endpoints.refused_for(self.is_for_any) <= wait;
        (ends_in_time && may_send).then_some(wait)
    }

    fn choose(&self) -> Result<Choice<'a>, Option<Duration>> {
        self.endpoints
            .choose(self.is_for_any, self.first, &self.failed)
    }
}
