//! [`RetryBudget`]: what keeps many clients from hammering a server that is ill.

use std::sync::atomic::{AtomicU32, Ordering};

/// Tokens that a retry takes (AWS's SDKs, standard retry mode).
const RETRY: u32 = 5;
/// Tokens that come back with an answer to a first attempt.
const SUCCESS: u32 = 1;

/// A bucket of tokens: retries take some out, answers put some back. While it is empty, what fails is not tried again.
///
/// As in the standard retry mode of AWS's SDKs: an answer to a retry brings back all that the retry took.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    most: u32,
    tokens: AtomicU32,
}

impl RetryBudget {
    /// Full, for so many retries in a row.
    pub(crate) fn new(retries: u32) -> RetryBudget {
        let most = retries.saturating_mul(RETRY);
        RetryBudget {
            most,
            tokens: AtomicU32::new(most),
        }
    }

    /// Takes what a retry costs, if it is there.
    pub(crate) fn spend(&self) -> bool {
        let less = |tokens: u32| tokens.checked_sub(RETRY);
        self.update(less).is_ok()
    }

    /// An answer has come, to a retry or to the first attempt.
    pub(crate) fn succeeded(&self, retried: bool) {
        let more = if retried { RETRY } else { SUCCESS };
        let more = |tokens: u32| {
            let now = tokens.saturating_add(more).min(self.most);
            (now != tokens).then_some(now)
        };
        // Full already.
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
    fn a_server_that_never_answers_is_left_alone() {
        let budget = RetryBudget::new(3);
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 3);
        for _ in 0..RETRY {
            assert!(!budget.spend());
            budget.succeeded(false);
        }
        assert!(budget.spend(), "five answers are worth a retry");
    }

    #[test]
    fn retries_that_help_cost_nothing() {
        let budget = RetryBudget::new(1);
        for _ in 0..1000 {
            assert!(budget.spend());
            budget.succeeded(true);
        }
    }

    #[test]
    fn it_is_never_more_than_full() {
        let budget = RetryBudget::new(2);
        (0..1000).for_each(|_| budget.succeeded(true));
        assert_eq!((0..10).filter(|_| budget.spend()).count(), 2);
        let endless = RetryBudget::new(u32::MAX);
        endless.succeeded(true);
        assert!(endless.spend());
        assert!(!RetryBudget::new(0).spend());
    }
}
