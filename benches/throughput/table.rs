//! Prints the figures as a table or as JSON.

use serde_json::json;

use crate::measure::Cost;
use crate::null_server::Traffic;
use crate::run::Large;
use crate::work::Work;

/// The cost of a kind of work at one target.
pub struct Row {
    pub work: &'static str,
    /// "null", "guarded", "real", or "floor".
    pub target: &'static str,
    pub unit: &'static str,
    /// The cost of a round.
    pub cost: Cost,
    /// The traffic of a round.
    pub traffic: Traffic,
}

/// One figure of a row, with its unit.
struct Figure {
    name: &'static str,
    unit: String,
    value: f64,
    decimals: usize,
}

impl Row {
    pub fn new(work: &Work, target: &'static str, rounds: &[Cost], traffic: Traffic) -> Row {
        Row {
            work: work.name,
            target,
            unit: work.unit,
            cost: Cost::median(rounds),
            traffic,
        }
    }

    /// Returns the figures in the order of the table's columns.
    fn figures(&self) -> [Figure; 6] {
        let units = self.cost.units as f64;
        let each = |name, what: &str, all: f64, decimals| Figure {
            name,
            unit: format!("{what}/{}", self.unit),
            value: all / units,
            decimals,
        };
        let (cost, traffic) = (&self.cost, &self.traffic);
        let micros = cost.cpu.as_secs_f64() * 1e6;
        let rate = Figure {
            name: "rate",
            unit: format!("{}s/s", self.unit),
            value: units / cost.time.as_secs_f64(),
            decimals: 0,
        };
        let peak = Figure {
            name: "peak",
            unit: "KiB".to_owned(),
            value: cost.peak as f64 / 1024.0,
            decimals: 0,
        };
        [
            each("cpu", "us", micros, 2),
            rate,
            each("allocations", "allocations", cost.allocations as f64, 2),
            each("bytes_out", "bytes", traffic.received as f64, 1),
            each("bytes_in", "bytes", traffic.sent as f64, 1),
            peak,
        ]
    }

    fn floor<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        let is_floor = |row: &&Row| row.target == "floor" && row.work == self.work;
        rows.iter().find(is_floor)
    }
}

/// The goal for the memory of one large call in addition to the caller's records, in MiB.
const PEAK_GOAL: f64 = 32.0;

/// Prints a line for each row.
pub fn print(rows: &[Row], large: &Large) {
    println!(
        "{:<12} {:<8} {:<7} {:>10} {:>11} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "work",
        "target",
        "unit",
        "CPU µs",
        "units/s",
        "allocs",
        "bytes out",
        "bytes in",
        "peak KiB",
        "CPU:floor"
    );
    for row in rows {
        print!("{:<12} {:<8} {:<7}", row.work, row.target, row.unit);
        let figures = row.figures();
        for (figure, width) in figures.iter().zip([10, 11, 10, 10, 10, 10]) {
            print!(" {:>width$.*}", figure.decimals, figure.value);
        }
        match row.floor(rows).map(Row::figures) {
            Some([floor, ..]) => println!(" {:>10.2}", figures[0].value / floor.value),
            None => println!(" {:>10}", "-"),
        }
    }
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!(
        "One upsert of {} records ({:.0} MiB) took {:.1} MiB more at its peak; the goal is {PEAK_GOAL:.0} MiB.",
        large.cost.units,
        mib(large.callers),
        mib(large.cost.peak),
    );
}

/// Prints a line for each figure: `{"name":"get/null/cpu","unit":"us/record","value":…,"floor_ratio":…}`.
pub fn print_json(rows: &[Row], large: &Large) {
    for row in rows {
        let floor = row.floor(rows).map(Row::figures);
        for (index, figure) in row.figures().iter().enumerate() {
            let ratio = floor
                .as_ref()
                .map(|floor| figure.value / floor[index].value);
            let name = format!("{}/{}/{}", row.work, row.target, figure.name);
            print_line(&name.replace(' ', "_"), &figure.unit, figure.value, ratio);
        }
    }
    let peak = large.cost.peak as f64 / 1024.0;
    print_line("large_upsert/null/peak", "KiB", peak, None);
}

fn print_line(name: &str, unit: &str, value: f64, floor_ratio: Option<f64>) {
    let line = json!({ "name": name, "unit": unit, "value": value, "floor_ratio": floor_ratio });
    println!("{line}");
}
