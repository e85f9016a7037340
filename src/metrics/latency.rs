//! [`Latency`]: the distribution of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Quantile};

/// The width of a bucket is at most 2⁻⁶ of the values in it, which is the error that [`Latency`] states.
const GROUPING_POWER: u8 = 6;
/// The histogram holds values below 2³⁶ µs, which is 19 hours. Longer durations count as the longest of
/// these.
const MAX_VALUE_POWER: u8 = 36;
const MAX_MICROS: u64 = (1 << MAX_VALUE_POWER) - 1;

/// The distribution of the durations of calls.
///
/// The quantiles come from a histogram in microseconds. The width of its buckets is at most 1/64 of the
/// values in them, so a quantile is never less than the exact value, and exceeds it by at most 1.6 % or 1 µs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// The sum of all durations.
    pub total: Duration,
    /// The arithmetic mean of all durations.
    pub mean: Duration,
    /// The median: 50 % of the calls took at most this long.
    pub p50: Duration,
    /// The 95th percentile: 95 % of the calls took at most this long.
    pub p95: Duration,
    /// The 99th percentile: 99 % of the calls took at most this long.
    pub p99: Duration,
    /// The longest duration.
    pub max: Duration,
}

/// Records durations. Threads share it without a lock.
#[derive(Debug)]
pub(super) struct Durations {
    /// Never `None`: a test covers the constants.
    histogram: Option<AtomicHistogram>,
    total: AtomicU64,
    max: AtomicU64,
}

impl Durations {
    pub(super) fn new() -> Durations {
        Durations {
            histogram: AtomicHistogram::new(GROUPING_POWER, MAX_VALUE_POWER).ok(),
            total: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(MAX_MICROS);
        let micros = micros.min(MAX_MICROS);
        if let Some(histogram) = &self.histogram {
            // `micros` is within the range, so this cannot fail.
            let _ = histogram.increment(micros);
        }
        self.total.fetch_add(micros, Ordering::Relaxed);
        if micros > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(micros, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Latency {
        let max = Duration::from_micros(self.max.load(Ordering::Relaxed));
        let total = Duration::from_micros(self.total.load(Ordering::Relaxed));
        let histogram = self.histogram.as_ref().map(AtomicHistogram::load);
        let quantiles =
            histogram.and_then(|histogram| histogram.quantiles(&[0.5, 0.95, 0.99]).ok().flatten());
        let Some(quantiles) = quantiles else {
            return Latency::default();
        };
        let quantile = |of| {
            let quantile = Quantile::new(of).ok();
            let bucket = quantile.and_then(|quantile| quantiles.get(&quantile));
            let end = bucket.map_or(Duration::ZERO, |bucket| Duration::from_micros(bucket.end()));
            end.min(max)
        };
        Latency {
            total,
            mean: Duration::from_micros(
                (total.as_micros() / quantiles.total_count().max(1)) as u64,
            ),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_the_stated_error() {
        let durations = Durations::new();
        assert_eq!(durations.snapshot(), Latency::default());
        // Squares spread over eight orders of magnitude; the multiplication shuffles them.
        let mut all: Vec<u64> = (0..10_000_u64)
            .map(|i| (i * 7919 % 10_000).pow(2))
            .collect();
        for micros in &all {
            durations.add(Duration::from_micros(*micros));
        }
        all.sort_unstable();
        let latency = durations.snapshot();
        for (quantile, rank) in [
            (latency.p50, 5_000),
            (latency.p95, 9_500),
            (latency.p99, 9_900),
        ] {
            let (exact, got) = (all[rank - 1], quantile.as_micros() as u64);
            assert!(
                got >= exact && got - exact <= exact / 64 + 1,
                "{got} for {exact}"
            );
        }
        assert_eq!(latency.max.as_micros() as u64, all[9_999]);
        let sum = all.iter().sum::<u64>();
        assert_eq!(latency.total, Duration::from_micros(sum));
        assert_eq!(latency.mean, Duration::from_micros(sum / 10_000));
    }

    #[test]
    fn extreme_durations_are_recorded() {
        let durations = Durations::new();
        for duration in [Duration::ZERO, Duration::MAX] {
            durations.add(duration);
        }
        let latency = durations.snapshot();
        assert_eq!(latency.p50, Duration::ZERO);
        assert_eq!(latency.max, Duration::from_micros(MAX_MICROS));
    }
}
