//! [`RetryBudget`]: limits the retries of all calls together, so that clients do not overload a failing
//! server.

use std::sync::atomic::{AtomicU32, Ordering};

/// The tokens that a retry costs, as in the standard retry mode of AWS's SDKs.
const RETRY: u32 = 5;
/// The tokens that a successful first attempt returns.
const SUCCESS: u32 = 1;

/// A bucket of tokens. Retries take tokens, and successful attempts return some. While the bucket is empty,
/// there are no retries.
///
/// A successful retry returns all of its tokens, as in the standard retry mode of AWS's SDKs.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    max: u32,
    tokens: AtomicU32,
}

impl RetryBudget {
    /// Returns a full bucket for this number of retries in a row.
    pub(crate) fn new(retries: u32) -> RetryBudget {
        let max = retries.saturating_mul(RETRY);
        RetryBudget {
            max,
            tokens: AtomicU32::new(max),
        }
    }

    /// Takes the tokens of a retry. Returns whether there were enough.
    pub(crate) fn spend(&self) -> bool {
        let less = |tokens: u32| tokens.checked_sub(RETRY);
        self.update(less).is_ok()
    }

    /// Returns tokens after a success, of a retry or of a first attempt.
    pub(crate) fn succeeded(&self, retried: bool) {
        let more = if retried { RETRY } else { SUCCESS };
        let more = |tokens: u32| {
            let now = tokens.saturating_add(more).min(self.max);
            (now != tokens).then_some(now)
        };
        // An error means that the bucket is full already.
        let _ = self.update(more);
    }

    fn update(&self, change: impl FnMut(u32) -> Option<u32>) -> Result<u32, u32> {
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.tokens.fetch_update(set, fetch, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_retries_use_the_budget_up() {
        let budget = RetryBudget::new(3);
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 3);
        for _ in 0..RETRY {
            assert!(!budget.spend());
            budget.succeeded(false);
        }
        assert!(budget.spend(), "five answers are worth a retry");
    }

    #[test]
    fn successful_retries_cost_nothing() {
        let budget = RetryBudget::new(1);
        for _ in 0..1000 {
            assert!(budget.spend());
            budget.succeeded(true);
        }
    }

    #[test]
    fn the_bucket_never_overflows() {
        let budget = RetryBudget::new(2);
        (0..1000).for_each(|_| budget.succeeded(true));
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 2);
        let endless = RetryBudget::new(u32::MAX);
        endless.succeeded(true);
        assert!(endless.spend());
        assert!(!RetryBudget::new(0).spend());
    }
}
