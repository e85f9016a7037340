//! [`Stopwatch`]: measures the CPU time of this process (user and system, all threads) and the wall time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Adds up the times of all work it measures.
#[derive(Default)]
pub struct Stopwatch {
    pub cpu: Duration,
    pub wall: Duration,
}

impl Stopwatch {
    pub async fn time<T>(&mut self, work: impl Future<Output = T>) -> T {
        let (wall, cpu) = (Instant::now(), cpu_time());
        let result = work.await;
        self.cpu += cpu_time().saturating_sub(cpu);
        self.wall += wall.elapsed();
        result
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
