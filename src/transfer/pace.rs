//! [`Pace`]: limits how many records a transfer moves per second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often a waiting transfer checks its cancel flag.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A limit of records per second, counted from the start.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: Option<u32>,
    started: Instant,
    moved: u64,
}

impl Pace {
    pub(super) fn new(per_second: Option<u32>) -> Pace {
        Pace {
            per_second,
            started: Instant::now(),
            moved: 0,
        }
    }

    /// Waits until `records` more records may be moved, or until the flag is set.
    pub(super) fn wait(&mut self, records: usize, cancel: Option<&AtomicBool>) {
        let Some(per_second) = self.per_second else {
            return;
        };
        let due = Duration::from_secs_f64(self.moved as f64 / f64::from(per_second.max(1)));
        self.moved += records as u64;
        while let Some(left) = due.checked_sub(self.started.elapsed()) {
            if left.is_zero() || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
                break;
            }
            thread::sleep(left.min(POLL_INTERVAL));
        }
    }
}
