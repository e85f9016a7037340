//! [`RetryBudget`]: limits the retries of all calls together, so that clients do not overload a failing
//! server.

use std::sync::atomic::{AtomicU32, Ordering};

/// The tokens that a failed retry costs, as in the standard retry mode of AWS's SDKs.
const RETRY: u32 = 5;
/// The tokens that a success returns.
const SUCCESS: u32 = 1;

/// A bucket of tokens. A call that fails pays for its retries, and a call that succeeds returns a token. An
/// empty bucket allows no retries.
///
/// A call pays at its end. So each call in progress may use all retries of its policy, whatever the number of
/// calls, and only calls that fail in spite of retries count. In AWS's SDKs a retry pays at its start. A
/// restart of the server would then empty the bucket of a program with many threads.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    max: u32,
    tokens: AtomicU32,
}

impl RetryBudget {
    /// Returns a full bucket for this number of retries.
    pub(crate) fn new(retries: u32) -> RetryBudget {
        let max = retries.saturating_mul(RETRY);
        RetryBudget {
            max,
            tokens: AtomicU32::new(max),
        }
    }

    /// Whether there are tokens for a retry. After an attempt that `sent_nothing`, because the server is away,
    /// a retry costs nothing: it cannot overload a server.
    pub(crate) fn allows(&self, sent_nothing: bool) -> bool {
        let available = if sent_nothing {
            self.max
        } else {
            self.tokens.load(Ordering::Relaxed)
        };
        available >= RETRY
    }

    /// Takes the tokens for the retries of a call that has failed.
    pub(crate) fn pay(&self, retries: u32) {
        let price = retries.saturating_mul(RETRY);
        self.update(|tokens| tokens.saturating_sub(price));
    }

    /// Returns a token after a success.
    pub(crate) fn succeeded(&self) {
        self.update(|tokens| tokens.saturating_add(SUCCESS).min(self.max));
    }

    fn update(&self, change: impl Fn(u32) -> u32) {
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        // An error means that nothing changes, for example because the bucket is full already.
        let _ = self.tokens.fetch_update(set, fetch, |tokens| {
            let now = change(tokens);
            (now != tokens).then_some(now)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_fail_use_the_budget_up() {
        let budget = RetryBudget::new(3);
        budget.pay(2);
        assert!(budget.allows(false));
        budget.pay(2);
        for _ in 0..RETRY {
            assert!(!budget.allows(false));
            budget.succeeded();
        }
        assert!(budget.allows(false), "five successes are worth a retry");
    }

    #[test]
    fn field_26_calls_under_way_pay_only_if_they_fail() {
        let budget = RetryBudget::new(1);
        for _ in 0..1000 {
            assert!(budget.allows(false));
            budget.succeeded();
        }
    }

    #[test]
    fn field_26_retries_that_reach_no_server_are_free() {
        let budget = RetryBudget::new(1);
        budget.pay(1000);
        assert!(budget.allows(true) && !budget.allows(false));
        assert!(!RetryBudget::new(0).allows(true), "no retries at all");
    }

    #[test]
    fn the_bucket_never_overflows() {
        let budget = RetryBudget::new(2);
        (0..1000).for_each(|_| budget.succeeded());
        budget.pay(2);
        assert!(!budget.allows(false));
        let endless = RetryBudget::new(u32::MAX);
        endless.succeeded();
        endless.pay(1_000_000);
        assert!(endless.allows(false));
        endless.pay(u32::MAX);
        assert!(!RetryBudget::new(0).allows(false));
    }
}
