//! [`Metrics`] as a table: its `Display`.

use std::fmt;
use std::time::Duration;

use super::latency::Latency;
use super::snapshot::{BreakerState, EndpointMetrics, Metrics};

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_operations(f)?;
        if !self.embeddings.is_empty() {
            writeln!(f)?;
            self.write_embeddings(f)?;
        }
        writeln!(f)?;
        let pool = self.pool;
        write!(
            f,
            "connections: {} opened, {} open, {} idle, {} requests on a reused one",
            pool.opened, pool.open, pool.idle, pool.reused
        )?;
        for endpoint in &self.endpoints {
            writeln!(f)?;
            write_endpoint(f, endpoint)?;
        }
        Ok(())
    }
}

impl Metrics {
    fn write_operations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "operation",
            "calls",
            "errors",
            "retries",
            "sent",
            "received",
            "p50",
            "p95",
            "p99",
            "max",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        for (name, operation) in &self.operations {
            let [p50, p95, p99, max] = quantiles(&operation.latency);
            rows.push([
                (*name).to_owned(),
                operation.calls.to_string(),
                operation.failed().to_string(),
                operation.retries.to_string(),
                bytes(operation.bytes_out),
                bytes(operation.bytes_in),
                p50,
                p95,
                p99,
                max,
            ]);
        }
        write_table(f, &rows)?;
        for (name, operation) in &self.operations {
            for (kind, count) in &operation.errors {
                writeln!(f, "error: {name}: {kind} {count}")?;
            }
        }
        Ok(())
    }

    fn write_embeddings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "embedding",
            "calls",
            "errors",
            "retries",
            "texts",
            "cached",
            "per s",
            "limited",
            "p50",
            "p95",
            "p99",
            "max",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        for (name, function) in &self.embeddings {
            let [p50, p95, p99, max] = quantiles(&function.latency);
            rows.push([
                name.clone(),
                function.calls.to_string(),
                function.errors.to_string(),
                function.retries.to_string(),
                function.texts.to_string(),
                function.cache_hits.to_string(),
                format!("{:.0}", function.texts_per_second()),
                time(function.limiter_wait),
                p50,
                p95,
                p99,
                max,
            ]);
        }
        write_table(f, &rows)
    }
}

fn write_endpoint(f: &mut fmt::Formatter<'_>, endpoint: &EndpointMetrics) -> fmt::Result {
    write!(
        f,
        "{}: {} attempts, {} failures",
        endpoint.url, endpoint.attempts, endpoint.failures
    )?;
    match endpoint.breaker {
        None => Ok(()),
        Some(BreakerState::Closed) => f.write_str(", breaker closed"),
        Some(BreakerState::Open) => f.write_str(", breaker open"),
        Some(BreakerState::HalfOpen) => f.write_str(", breaker half open"),
    }
}

/// Writes rows with aligned columns: the first to the left, the others to the right.
fn write_table<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]]) -> fmt::Result {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if column == 0 {
                write!(f, "{cell:<width$}")?;
            } else {
                write!(f, "  {cell:>width$}")?;
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

fn quantiles(latency: &Latency) -> [String; 4] {
    [latency.p50, latency.p95, latency.p99, latency.max].map(time)
}

/// Formats a duration with three digits and a unit.
fn time(time: Duration) -> String {
    let micros = time.as_micros();
    let (value, unit) = match micros {
        0..1_000 => return format!("{micros} µs"),
        1_000..1_000_000 => (micros as f64 / 1e3, "ms"),
        _ => (micros as f64 / 1e6, "s"),
    };
    digits(value, unit)
}

/// Formats a size with three digits and a unit.
fn bytes(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => digits(value / 1_024.0, "KiB"),
        1_048_576..1_073_741_824 => digits(value / 1_048_576.0, "MiB"),
        _ => digits(value / 1_073_741_824.0, "GiB"),
    }
}

fn digits(value: f64, unit: &str) -> String {
    match value {
        ..10.0 => format!("{value:.2} {unit}"),
        ..100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metrics::{EmbeddingMetrics, EndpointMetrics, OperationMetrics, PoolMetrics};

    #[test]
    fn the_table_has_a_row_per_operation_function_and_endpoint() {
        let latency = Latency {
            total: Duration::from_secs(2),
            p50: Duration::from_micros(870),
            p95: Duration::from_micros(4_310),
            p99: Duration::from_micros(61_400),
            max: Duration::from_millis(1_240),
            ..Latency::default()
        };
        let query = OperationMetrics {
            calls: 1200,
            attempts: 1207,
            retries: 5,
            errors: BTreeMap::from([("not_found", 1), ("timeout", 2)]),
            bytes_out: 5 << 20,
            bytes_in: 900,
            latency,
        };
        let hashing = EmbeddingMetrics {
            calls: 12,
            texts: 3_000,
            cache_hits: 7,
            latency,
            ..EmbeddingMetrics::default()
        };
        let metrics = Metrics {
            operations: BTreeMap::from([("query", query), ("get", OperationMetrics::default())]),
            pool: PoolMetrics {
                opened: 3,
                open: 2,
                idle: 1,
                reused: 1204,
            },
            endpoints: vec![EndpointMetrics {
                url: "http://localhost:8000".to_owned(),
                attempts: 1207,
                failures: 4,
                breaker: Some(BreakerState::Closed),
            }],
            embeddings: BTreeMap::from([("hashing".to_owned(), hashing)]),
            elapsed: Duration::ZERO,
        };
        assert_eq!(
            metrics.to_string(),
            "\
operation  calls  errors  retries      sent  received     p50      p95      p99     max
get            0       0        0       0 B       0 B    0 µs     0 µs     0 µs    0 µs
query       1200       3        5  5.00 MiB     900 B  870 µs  4.31 ms  61.4 ms  1.24 s
error: query: not_found 1
error: query: timeout 2

embedding  calls  errors  retries  texts  cached  per s  limited     p50      p95      p99     max
hashing       12       0        0   3000       7   1500     0 µs  870 µs  4.31 ms  61.4 ms  1.24 s

connections: 3 opened, 2 open, 1 idle, 1204 requests on a reused one
http://localhost:8000: 1207 attempts, 4 failures, breaker closed"
        );
    }
}
