//! [`Rate`]: a limit per minute, spread evenly over the minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The window in which the server counts. It is a second longer than a minute, because requests travel at
/// different speeds.
pub(super) const MINUTE: Duration = Duration::from_secs(61);

/// A limit per minute, spread evenly over the minute.
#[derive(Debug)]
pub(super) struct Rate {
    per_minute: usize,
    burst: usize,
    /// The amounts of the last minute, each with its time.
    spent: VecDeque<(Instant, usize)>,
    /// When everything sent so far would have been sent at an even pace.
    even_pace_end: Option<Instant>,
}

impl Rate {
    /// At most `per_minute`, and at most `burst` ahead of an even pace. `burst` is clamped to 1–`per_minute`.
    pub(super) fn new(per_minute: usize, burst: usize) -> Rate {
        Rate {
            per_minute,
            burst: burst.clamp(1, per_minute),
            spent: VecDeque::new(),
            even_pace_end: None,
        }
    }

    /// Returns the earliest time at which `amount` may be sent. `None` means immediately. An amount larger
    /// than `per_minute` counts as `per_minute`.
    pub(super) fn free_at(&mut self, amount: usize, now: Instant) -> Option<Instant> {
        self.forget_before(now);
        let amount = amount.min(self.per_minute);
        // Without this bound a whole minute's amount would go in its first second.
        let lead = self.time_for(self.burst.saturating_sub(amount));
        let paced = self.even_pace_end.and_then(|end| end.checked_sub(lead));
        paced.max(self.window_has_room_at(amount))
    }

    /// Records that `amount` is sent now.
    pub(super) fn spend(&mut self, amount: usize, now: Instant) {
        let amount = amount.min(self.per_minute);
        self.spent.push_back((now, amount));
        let from = self.even_pace_end.map_or(now, |end| end.max(now));
        self.even_pace_end = from.checked_add(self.time_for(amount));
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some((at, _)) = self.spent.front() {
            if now.saturating_duration_since(*at) < MINUTE {
                break;
            }
            self.spent.pop_front();
        }
    }

    /// The time that `amount` takes at an even pace.
    fn time_for(&self, amount: usize) -> Duration {
        MINUTE.mul_f64(amount as f64 / self.per_minute as f64)
    }

    /// When `amount` fits, if no window of a minute may hold more than `per_minute`.
    fn window_has_room_at(&self, amount: usize) -> Option<Instant> {
        let mut sum = amount;
        for (at, spent) in self.spent.iter().rev() {
            sum = sum.saturating_add(*spent);
            if sum > self.per_minute {
                return Some(*at + MINUTE);
            }
        }
        None
    }
}
