//! Measures the program `query` with and without observers, in turns, at a server that does nothing; see
//! ../../README.md.
//!
//! ```text
//! observed FOLDER [--quick]
//! ```
//!
//! FOLDER has the program, built by run.sh with each set of features.

mod child;
mod server;
mod table;

use std::env;
use std::error::Error;
use std::path::PathBuf;

use child::Child;
use table::Row;

/// The variants to compare: build, observer and name.
const ROWS: [(&str, &str, &str); 9] = [
    ("before", "nobody", "before there were counters"),
    ("plain", "nobody", "counters, which are always on"),
    ("plain", "log", "a logger at debug"),
    ("metrics", "nobody", "feature `metrics`, no recorder"),
    (
        "metrics",
        "prometheus",
        "feature `metrics`, Prometheus's recorder",
    ),
    (
        "opentelemetry",
        "nobody",
        "feature `opentelemetry`, no provider",
    ),
    (
        "opentelemetry",
        "unsampled",
        "feature `opentelemetry`, the SDK, nothing sampled",
    ),
    (
        "opentelemetry",
        "sampled",
        "feature `opentelemetry`, the SDK, all sampled",
    ),
    ("both", "nobody", "both features, no observer"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut folder = None;
    let mut quick = false;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--quick" => quick = true,
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.ok_or("usage: observed FOLDER [--quick]")?;
    let (rounds, queries, counted) = if quick {
        (1, 500, 100)
    } else {
        (15, 10_000, 3_000)
    };
    let url = server::start()?;
    let children = ROWS.map(|(build, variant, _)| Child::new(&folder, build, variant, &url));
    let mut rows = ROWS.map(|(_, _, name)| Row::new(name));
    for round in 0..rounds {
        eprintln!("CPU time: round {} of {rounds}", round + 1);
        // Rotates the order of the variants.
        for index in 0..rows.len() {
            let index = (index + round) % rows.len();
            rows[index].cpu.push(children[index].cpu(queries)?);
        }
    }
    for (row, child) in rows.iter_mut().zip(&children) {
        eprintln!("instructions: {}", row.name);
        row.instructions = child.instructions(counted)?;
    }
    table::print(&rows, queries);
    Ok(())
}
