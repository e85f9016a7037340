//! Reasons why a failed request is not sent again, for
//! [`Call::not_retried_because`](crate::error::Call::not_retried_because).

pub(crate) const BUDGET_USED_UP: &str =
    "too many calls failed in spite of retries (see ClientBuilder::retry_budget)";
pub(crate) const BREAKER_OPEN: &str = "the circuit breaker is open";
pub(crate) const DEADLINE_TOO_NEAR: &str = "the call's deadline is before the next attempt";
pub(crate) const WAIT_TOO_LONG: &str =
    "the server asked for a wait longer than RetryPolicy::max_delay";
