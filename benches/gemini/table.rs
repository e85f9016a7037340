//! Prints the figures as a table or as JSON.

use serde_json::json;

use crate::measure::Cost;
use crate::run::{DIMENSION, Found, WORKERS};

/// The goal: the time divided by the ideal.
const GOAL: f64 = 1.1;

fn cpu(cost: &Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e6 / cost.units as f64
}

fn over_ideal(found: &Found, cost: &Cost) -> f64 {
    cost.time.as_secs_f64() / found.ideal(cost).as_secs_f64()
}

pub fn print(found: &Found) {
    println!(
        "{:<20} {:>9} {:>8} {:>8} {:>10} {:>14} {:>9}",
        "", "texts", "time s", "ideal s", "time:ideal", "CPU µs/vector", "peak MiB"
    );
    let line = |name: &str, cost: &Cost, ideal: Option<f64>| {
        let (ideal, ratio) = match ideal {
            Some(ideal) => (
                format!("{ideal:.2}"),
                format!("{:.3}", cost.time.as_secs_f64() / ideal),
            ),
            None => ("-".to_owned(), "-".to_owned()),
        };
        println!(
            "{name:<20} {:>9} {:>8.2} {ideal:>8} {ratio:>10} {:>14.2} {:>9.1}",
            cost.units,
            cost.time.as_secs_f64(),
            cpu(cost),
            mib(cost.peak),
        );
    };
    let ideal = |cost: &Cost| Some(found.ideal(cost).as_secs_f64());
    line(
        &format!("{WORKERS} at once"),
        &found.parallel,
        ideal(&found.parallel),
    );
    line("a plain loop", &found.plain, ideal(&found.plain));
    line("a stream", &found.stream, None);
    println!(
        "The goal for {WORKERS} at once is {GOAL} times the ideal. The stream held {:.1} MiB at its peak; its first {} texts \
         alone {:.1} MiB, {:.1} of them their vectors.",
        mib(found.stream.peak),
        found.chunk.units,
        mib(found.chunk.peak),
        mib(found.chunk.units * DIMENSION * 4),
    );
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Prints a line for each figure: `{"name":"parallel/time","unit":"s","value":…,"floor_ratio":…}`.
pub fn print_json(found: &Found) {
    let line = |name: &str, unit: &str, value: f64, floor_ratio: Option<f64>| {
        let line =
            json!({ "name": name, "unit": unit, "value": value, "floor_ratio": floor_ratio });
        println!("{line}");
    };
    let (parallel, plain, stream) = (&found.parallel, &found.plain, &found.stream);
    for (name, cost) in [("parallel", parallel), ("plain", plain)] {
        let (time, ratio) = (cost.time.as_secs_f64(), over_ideal(found, cost));
        line(&format!("{name}/time"), "s", time, Some(ratio));
    }
    let cpu_ratio = |cost: &Cost| Some(cpu(cost) / cpu(plain));
    line(
        "parallel/cpu",
        "us/vector",
        cpu(parallel),
        cpu_ratio(parallel),
    );
    line("plain/cpu", "us/vector", cpu(plain), None);
    line("stream/cpu", "us/vector", cpu(stream), cpu_ratio(stream));
    let peak = |cost: &Cost| cost.peak as f64 / 1024.0;
    line("parallel/peak", "KiB", peak(parallel), None);
    line(
        "stream/peak",
        "KiB",
        peak(stream),
        Some(peak(stream) / peak(&found.chunk)),
    );
    let rate = stream.units as f64 / stream.time.as_secs_f64();
    line("stream/rate", "texts/s", rate, None);
}
