//! Measures search by words and vectors together: `cargo bench --features hybrid,onnx --bench hybrid`. `-- --quick`
//! measures less data, and `-- --json` prints JSON. See `benches/README.md`.

mod build;
mod exact;
mod latency;
// Tests use more of it, and fail where it panics.
#[cfg(feature = "onnx")]
#[allow(dead_code, clippy::unwrap_used, clippy::panic)]
#[path = "../../tests/support/model.rs"]
mod model;
#[cfg(feature = "onnx")]
mod quality;
mod server;
// Other benchmarks use more of it.
#[allow(dead_code)]
#[path = "../onnx/table.rs"]
mod table;
mod tests;
mod wordnet;

use std::error::Error;
use std::process::ExitCode;

use wordnet::WordNet;

/// The amount of work.
struct Size {
    /// Records of the collections whose searches are timed.
    latency: &'static [usize],
    /// Searches of each kind.
    searches: usize,
    /// Rounds of building an index and of scanning.
    builds: usize,
    /// Queries that are compared with a brute-force evaluation.
    exact: usize,
    /// Records and queries for the recall.
    #[cfg_attr(not(feature = "onnx"), allow(dead_code))]
    quality: [usize; 2],
}

const FULL: Size = Size {
    latency: &[10_000, 117_000],
    searches: 300,
    builds: 5,
    exact: 500,
    quality: [30_000, 2_000],
};
const QUICK: Size = Size {
    latency: &[10_000],
    searches: 100,
    builds: 3,
    exact: 100,
    quality: [5_000, 500],
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match bench(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hybrid: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let has = |name| arguments.iter().any(|argument| argument == name);
    let known = ["--bench", "--quick", "--json", "speed", "quality", "tests"];
    // Cargo passes --bench to measure. Otherwise this is `cargo test --benches`, which compiles it only.
    if !has("--bench") {
        eprintln!("to measure, run cargo bench --features hybrid,onnx --bench hybrid");
        return Ok(());
    }
    if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        let options = "the options are --quick, --json, speed, quality, tests";
        return Err(format!("unknown option {other}; {options}").into());
    }
    let size = if has("--quick") { &QUICK } else { &FULL };
    let wordnet = WordNet::read()?;
    let parts = ["speed", "quality", "tests"];
    let is_wanted = |part| has(part) || !parts.iter().any(|part| has(part));
    let mut rows = Vec::new();
    if is_wanted("speed") {
        rows.extend(speed(size, &wordnet)?);
    }
    #[cfg(feature = "onnx")]
    if is_wanted("quality") {
        rows.extend(quality::all(size, &wordnet)?);
    }
    if is_wanted("tests") && !has("--quick") {
        rows.extend(tests::all()?);
    }
    if has("--json") {
        table::print_json(&rows);
    } else {
        table::print(&rows);
    }
    Ok(())
}

/// Measures times and sizes, and compares the order with that of a brute-force evaluation.
fn speed(size: &Size, wordnet: &WordNet) -> Result<Vec<table::Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for records in size.latency {
        let filled = server::Filled::with(&wordnet.synsets[..*records])?;
        rows.extend(build::all(size, &filled)?);
        rows.push(exact::all(size, &filled, wordnet)?);
        rows.extend(latency::all(size, &filled, wordnet)?);
    }
    Ok(rows)
}
