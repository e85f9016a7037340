//! Measures the rate and the memory of copies: `cargo bench --features transfer --bench transfer`. `-- --quick`
//! measures less data, and `-- --json` prints JSON. See `benches/README.md`.

// Other benchmarks and tests use more of these.
#[allow(dead_code)]
#[path = "../throughput/http.rs"]
mod http;
mod job;
mod memory;
mod null_server;
#[allow(dead_code)]
#[path = "../../tests/support/numbered.rs"]
mod numbered;
mod prepared;
#[allow(dead_code)]
#[path = "../onnx/python.rs"]
mod python;
#[allow(dead_code)]
#[path = "../../tests/support/random.rs"]
mod random;
mod rates;
#[path = "../../tests/support/resident.rs"]
mod resident;
#[path = "../onnx/table.rs"]
mod table;

use std::error::Error;
use std::process::ExitCode;

/// The amount of work.
struct Size {
    /// Records of the copies whose memory is measured: few, and many.
    memory: [usize; 2],
    /// Records that are copied at the real servers, and the number of rounds.
    records: usize,
    rounds: usize,
    /// Whether Chroma's Python client is measured as well. It is installed if necessary.
    python: bool,
}

const FULL: Size = Size {
    memory: [10_000, 1_000_000],
    // A round is short, so that other work of the machine meets all ways.
    records: 20_000,
    rounds: 5,
    python: true,
};
const QUICK: Size = Size {
    memory: [10_000, 50_000],
    records: 5_000,
    rounds: 3,
    ..FULL
};
/// For `cargo test --benches`: tests that the benchmark works.
const SMOKE: Size = Size {
    memory: [100, 300],
    records: 300,
    rounds: 1,
    python: false,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [first, job] if first == job::ARGUMENT => job::main(job),
        _ => bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transfer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let has = |name| arguments.iter().any(|argument| argument == name);
    // Cargo passes --bench to measure. Otherwise this is `cargo test --benches`, whose arguments are ignored.
    let size = match (has("--bench"), has("--quick")) {
        (false, _) => &SMOKE,
        (true, true) => &QUICK,
        (true, false) => &FULL,
    };
    let known = ["--bench", "--quick", "--json", "memory", "rates"];
    if !has("--bench") {
        eprintln!(
            "testing the benchmark; to measure, run cargo bench --features transfer --bench transfer"
        );
    } else if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(format!(
            "unknown option {other}; the options are --quick, --json, memory, rates"
        )
        .into());
    }
    let mut rows = Vec::new();
    if has("memory") || !has("rates") {
        rows.extend(memory::all(size)?);
    }
    if has("rates") || !has("memory") {
        rows.extend(rates::all(size)?);
    }
    if has("--json") {
        table::print_json(&rows);
    } else {
        table::print(&rows);
    }
    Ok(())
}
