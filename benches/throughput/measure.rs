//! Measures the cost of work in this process.

use std::error::Error;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};

use crate::alloc::Watch;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cost {
    /// The amount of work: records, queries …
    pub units: usize,
    pub time: Duration,
    /// User and system time of all threads of this process.
    pub cpu: Duration,
    pub allocations: u64,
    /// The peak of the bytes in use, in addition to those before.
    pub peak: usize,
}

impl Cost {
    /// Measures work that returns its number of units.
    pub fn of(
        work: impl FnOnce() -> Result<usize, Box<dyn Error>>,
    ) -> Result<Cost, Box<dyn Error>> {
        let watch = Watch::start();
        let cpu = ProcessTime::try_now()?;
        let started = Instant::now();
        let units = work()?;
        let time = started.elapsed();
        let cpu = cpu.try_elapsed()?;
        let (allocations, peak) = watch.stop();
        Ok(Cost {
            units,
            time,
            cpu,
            allocations,
            peak,
        })
    }

    /// Returns the median of each figure. There must be at least one round.
    pub fn median(rounds: &[Cost]) -> Cost {
        fn middle<T: Ord + Copy>(rounds: &[Cost], figure: impl Fn(&Cost) -> T) -> T {
            let mut all: Vec<T> = rounds.iter().map(figure).collect();
            all.sort_unstable();
            all[all.len() / 2]
        }
        Cost {
            units: middle(rounds, |cost| cost.units),
            time: middle(rounds, |cost| cost.time),
            cpu: middle(rounds, |cost| cost.cpu),
            allocations: middle(rounds, |cost| cost.allocations),
            peak: middle(rounds, |cost| cost.peak),
        }
    }
}
