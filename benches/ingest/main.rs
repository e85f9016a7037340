//! Measures the cost of a batch job: `cargo bench --bench ingest`. `-- --quick` measures less data, and
//! `-- --json` prints JSON. See `benches/README.md`.

#[allow(unsafe_code, dead_code)]
#[path = "../throughput/alloc.rs"]
mod alloc;
#[allow(dead_code)]
#[path = "../throughput/data.rs"]
mod data;
#[path = "../throughput/http.rs"]
mod http;
mod job;
#[path = "../throughput/measure.rs"]
mod measure;
#[allow(dead_code)]
#[path = "../throughput/null_server.rs"]
mod null_server;
#[path = "../throughput/recorder.rs"]
mod recorder;
#[path = "../../tests/support/resident.rs"]
mod resident;
mod run;
mod table;

use std::error::Error;
use std::process::ExitCode;

use run::Size;

const FULL: Size = Size {
    memory: &[10_000, 100_000, 1_000_000],
    records: 100_000,
    rounds: 5,
    pieces: 50,
    piece: 2_000,
};
const QUICK: Size = Size {
    memory: &[10_000, 100_000],
    records: 20_000,
    rounds: 3,
    pieces: 5,
    piece: 1_000,
};
/// For `cargo test --benches`: tests that the benchmark works.
const SMOKE: Size = Size {
    memory: &[300],
    records: 300,
    rounds: 1,
    pieces: 1,
    piece: 100,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [first, ..] if first == null_server::ARGUMENT => null_server::main(),
        [first, job] if first == job::ARGUMENT => job::main(job),
        _ => bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ingest: {error}");
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
    let known = ["--bench", "--quick", "--json"];
    if !has("--bench") {
        eprintln!("testing the benchmark; to measure, run cargo bench --bench ingest");
    } else if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(format!("unknown option {other}; the options are --quick and --json").into());
    }
    let found = run::all(size)?;
    if has("--json") {
        table::print_json(&found);
    } else {
        table::print(&found);
    }
    Ok(())
}
