//! [`State`]: the queue, the concurrency, the rates and the pause of a limiter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::concurrency::Concurrency;
use super::rate::Rate;

/// When to try again if that depends on other requests.
const POLL: Duration = Duration::from_millis(5);

/// The cost of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) items: usize,
    pub(crate) tokens: usize,
}

/// No permit is available now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable {
    pub(crate) retry_at: Instant,
    /// Whether a rate, or a pause that the server asked for, is the reason, rather than other requests.
    pub(crate) is_throttled: bool,
}

/// The state that all users of a limiter share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) concurrency: Concurrency,
    pub(super) items: Option<Rate>,
    pub(super) tokens: Option<Rate>,
    paused_until: Option<Instant>,
    /// The numbers of the waiting tickets, first come first served. Without it a small call would wait for
    /// the end of a large one.
    queue: VecDeque<u64>,
    last_ticket: u64,
}

impl State {
    pub(super) fn new(max_in_flight: usize) -> State {
        State {
            concurrency: Concurrency::new(max_in_flight),
            items: None,
            tokens: None,
            paused_until: None,
            queue: VecDeque::new(),
            last_ticket: 0,
        }
    }

    /// Adds a ticket to the end of the queue.
    pub(super) fn join_queue(&mut self) -> u64 {
        self.last_ticket += 1;
        self.queue.push_back(self.last_ticket);
        self.last_ticket
    }

    pub(super) fn leave_queue(&mut self, ticket: u64) {
        self.queue.retain(|number| *number != ticket);
    }

    /// Starts a request, if its ticket is first in the queue and all limits allow it.
    pub(super) fn try_start(
        &mut self,
        ticket: u64,
        cost: Cost,
        now: Instant,
    ) -> Result<(), Unavailable> {
        let throttled_until = self.throttled_until(cost, now);
        if self.queue.front() != Some(&ticket) || self.concurrency.is_full() {
            return Err(Unavailable {
                retry_at: now + POLL,
                is_throttled: throttled_until.is_some(),
            });
        }
        if let Some(retry_at) = throttled_until {
            return Err(Unavailable {
                retry_at,
                is_throttled: true,
            });
        }
        for (rate, amount) in self.rates(cost) {
            rate.spend(amount, now);
        }
        self.concurrency.start();
        Ok(())
    }

    /// Until when the rates and the pause forbid a request of this cost. `None` if they allow it now.
    fn throttled_until(&mut self, cost: Cost, now: Instant) -> Option<Instant> {
        let free_at = self
            .rates(cost)
            .filter_map(|(rate, amount)| rate.free_at(amount, now))
            .max();
        free_at.max(self.paused_until).filter(|at| *at > now)
    }

    /// The rates that are set, each with the amount that it counts for this cost.
    fn rates(&mut self, cost: Cost) -> impl Iterator<Item = (&mut Rate, usize)> {
        let items = self.items.as_mut().map(|rate| (rate, cost.items));
        let tokens = self.tokens.as_mut().map(|rate| (rate, cost.tokens));
        items.into_iter().chain(tokens)
    }

    /// Forbids requests before `until`, unless a longer pause is already set.
    pub(super) fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// The rest of the pause.
    pub(super) fn pause_left(&self, now: Instant) -> Option<Duration> {
        let left = self.paused_until?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }
}
