//! [`RerankContext`]: the time that a reranker has, and its cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::transport::{CallOptions, RetryPolicy};

/// The context of one call of [`Reranker::rerank`](crate::embed::Reranker::rerank): the
/// [time left](RerankContext::time_left), and whether the caller has
/// [cancelled](RerankContext::is_cancelled) the call.
///
/// A slow reranker checks both between its steps. If it has to stop, it returns any error, for example
/// `Err("out of time".into())`. A reranker that checks neither works, too: the caller waits for it.
///
/// ```
/// use std::time::Duration;
///
/// use chroma_blocking::embed::RerankContext;
///
/// let context = RerankContext::new().time_budget(Duration::from_secs(60));
/// assert!(context.time_left().is_some_and(|left| !left.is_zero()));
/// assert!(!context.is_cancelled());
/// ```
#[derive(Debug)]
pub struct RerankContext {
    calls: CallOptions,
    /// Whether the deadline of the call is the end of the budget, and not an earlier one.
    has_budget: bool,
    gave_up: AtomicBool,
}

impl Default for RerankContext {
    fn default() -> RerankContext {
        RerankContext::new()
    }
}

impl RerankContext {
    /// Returns a context without a time budget and without a cancellation flag.
    pub fn new() -> RerankContext {
        RerankContext::of_call(RetryPolicy::none().into(), None)
    }

    /// Returns the context of a call that has begun. The budget starts now.
    pub(crate) fn of_call(calls: CallOptions, budget: Option<Duration>) -> RerankContext {
        let context = RerankContext {
            calls,
            has_budget: false,
            gave_up: AtomicBool::new(false),
        };
        match budget {
            Some(budget) => context.time_budget(budget),
            None => context,
        }
    }

    /// Sets the longest time that the call may take, from now on, including all retries and waits. Default:
    /// none.
    #[must_use]
    pub fn time_budget(mut self, budget: Duration) -> RerankContext {
        self.has_budget |= self.calls.has_time_for(budget);
        self.calls = self.calls.within(budget);
        self
    }

    /// Sets a flag that cancels the call when it becomes `true`, from any thread. Default: none.
    #[must_use]
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> RerankContext {
        self.calls = self.calls.with_cancel(flag);
        self
    }

    /// Returns the time left for the call; `None` without a limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.calls.time_left()
    }

    /// Returns whether the caller has cancelled the call.
    pub fn is_cancelled(&self) -> bool {
        self.calls.is_cancelled()
    }

    /// Reports that the time left is too short, for example because a service asked for a longer wait. Then
    /// return an error. [`time_budget`](crate::hybrid::RerankedQuery::time_budget) says what the caller does
    /// with it. Without a budget, the call fails with that error.
    pub fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
    }

    /// Returns whether the budget is spent, or the reranker gave up because it is too short.
    pub(crate) fn is_budget_spent(&self) -> bool {
        let is_spent = || self.time_left().is_some_and(|left| left.is_zero());
        self.has_budget && (self.gave_up.load(Ordering::Relaxed) || is_spent())
    }

    /// Returns the flag that cancels the call, if there is one.
    #[cfg(feature = "functions")]
    pub(crate) fn cancel_flag(&self) -> Option<&AtomicBool> {
        self.calls.cancel_flag()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_budget_is_spent_when_it_is_over_or_too_short() {
        let context = RerankContext::new().time_budget(HOUR);
        assert!(context.time_left().unwrap() <= HOUR && !context.is_budget_spent());
        context.give_up();
        assert!(context.is_budget_spent());
        assert!(
            RerankContext::new()
                .time_budget(Duration::ZERO)
                .is_budget_spent()
        );
        // The shorter one of two applies.
        let context = RerankContext::new().time_budget(Duration::ZERO);
        assert!(context.time_budget(HOUR).is_budget_spent());
    }

    #[test]
    fn without_a_budget_none_is_spent() {
        let context = RerankContext::default();
        context.give_up();
        assert!(!context.is_budget_spent());
        assert_eq!(context.time_left(), None);
        // The deadline of the whole call has passed before.
        let over = CallOptions::from(RetryPolicy::none()).within(Duration::ZERO);
        let context = RerankContext::of_call(over, Some(HOUR));
        assert_eq!(context.time_left(), Some(Duration::ZERO));
        assert!(!context.is_budget_spent());
    }

    #[test]
    fn the_flag_cancels() {
        let flag = Arc::new(AtomicBool::new(false));
        let context = RerankContext::new().cancel(flag.clone());
        assert!(!context.is_cancelled());
        flag.store(true, Ordering::Relaxed);
        assert!(context.is_cancelled());
    }
}
