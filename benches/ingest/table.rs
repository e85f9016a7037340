//! Prints the figures as a table or as JSON.

use serde_json::json;

use crate::job::{Input, Way};
use crate::measure::Cost;
use crate::run::{Found, Real, Row};

/// The goal for the memory of a job, in addition to the idle program, in MiB.
const MAX_MEMORY: usize = 64;
/// The goal for the rate of a job divided by that of a loop, at the real server.
const MIN_RATE: f64 = 0.95;

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Ingest => "ingest",
            Way::Loop => "loop",
        }
    }
}

impl Input {
    fn name(self) -> &'static str {
        match self {
            Input::Texts => "texts",
            Input::Vectors => "vectors",
        }
    }
}

impl Row {
    /// Returns name, unit and value of each figure.
    fn figures(&self) -> Vec<(&'static str, &'static str, f64)> {
        let cost = &self.outcome.cost;
        let allocations = cost.allocations as f64 / cost.units as f64;
        let mut figures = vec![
            ("rate", "records/s", rate(cost)),
            ("cpu", "us/record", cpu(cost)),
            ("allocations", "allocations/record", allocations),
            ("peak", "KiB", cost.peak as f64 / 1024.0),
        ];
        let resident = self.outcome.resident.map(|bytes| bytes as f64 / 1024.0);
        figures.extend(resident.map(|kib| ("resident", "KiB", kib)));
        figures
    }

    /// Returns the row of the loop with the same input, if this is a job.
    fn floor<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        if self.way == Way::Loop {
            return None;
        }
        let mut rows = rows.iter();
        rows.find(|row| row.way == Way::Loop && row.input == self.input)
    }
}

fn rate(cost: &Cost) -> f64 {
    cost.units as f64 / cost.time.as_secs_f64()
}

fn cpu(cost: &Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e6 / cost.units as f64
}

impl Real {
    /// Returns the median of the ratios.
    fn ratio(&self) -> f64 {
        let middle = self.ratios.len() / 2;
        match self.ratios.len() % 2 {
            0 => f64::midpoint(self.ratios[middle - 1], self.ratios[middle]),
            _ => self.ratios[middle],
        }
    }
}

pub fn print(found: &Found) {
    println!(
        "{:<16} {:>9} {:>10} {:>9} {:>8} {:>9} {:>13} {:>9}",
        "null server",
        "records",
        "records/s",
        "CPU µs",
        "allocs",
        "peak MiB",
        "resident MiB",
        "CPU:loop"
    );
    for row in &found.null {
        let name = format!("{}, {}", row.way.name(), row.input.name());
        print!("{name:<16} {:>9}", row.outcome.cost.units);
        let figures = row.figures();
        let mib = |kib: f64| kib / 1024.0;
        print!(
            " {:>10.0} {:>9.2} {:>8.2} {:>9.1}",
            figures[0].2,
            figures[1].2,
            figures[2].2,
            mib(figures[3].2)
        );
        match figures.get(4) {
            Some((_, _, kib)) => print!(" {:>13.1}", mib(*kib)),
            None => print!(" {:>13}", "-"),
        }
        match row.floor(&found.null) {
            Some(floor) => println!(" {:>9.2}", figures[1].2 / cpu(&floor.outcome.cost)),
            None => println!(" {:>9}", "-"),
        }
    }
    let real = &found.real;
    let [lowest, highest] = match real.ratios.as_slice() {
        [only] => [*only, *only],
        [lowest, .., highest] => [*lowest, *highest],
        [] => return,
    };
    println!(
        "The goal for memory is {MAX_MEMORY} MiB. At the real server, in pieces of {} records, a job wrote {:.0} records/s \
         and a loop {:.0}: {:.3} times the loop's rate ({lowest:.2} to {highest:.2} in {} pieces). The goal is at least \
         {MIN_RATE}.",
        real.ingest.units,
        rate(&real.ingest),
        rate(&real.by_loop),
        real.ratio(),
        real.ratios.len(),
    );
}

/// Prints a line for each figure:
/// `{"name":"ingest/texts/10000/cpu","unit":"us/record","value":…,"floor_ratio":…}`.
pub fn print_json(found: &Found) {
    let line = |name: String, unit: &str, value: f64, floor_ratio: Option<f64>| {
        let line =
            json!({ "name": name, "unit": unit, "value": value, "floor_ratio": floor_ratio });
        println!("{line}");
    };
    for row in &found.null {
        let floor = row.floor(&found.null).map(Row::figures);
        for (index, (name, unit, value)) in row.figures().into_iter().enumerate() {
            let (way, input, units) = (row.way.name(), row.input.name(), row.outcome.cost.units);
            let ratio = floor.as_ref().and_then(|floor| floor.get(index));
            let ratio = ratio.map(|floor| value / floor.2);
            line(format!("{way}/{input}/{units}/{name}"), unit, value, ratio);
        }
    }
    let real = &found.real;
    for (way, cost, ratio) in [
        ("ingest", &real.ingest, Some(real.ratio())),
        ("loop", &real.by_loop, None),
    ] {
        line(format!("{way}/real/rate"), "records/s", rate(cost), ratio);
        let ratio = ratio.map(|_| cpu(cost) / cpu(&real.by_loop));
        line(format!("{way}/real/cpu"), "us/record", cpu(cost), ratio);
    }
}
