//! What a batch job costs: `cargo bench --bench ingest`, with `-- --quick` for less, and `-- --json` for
//! programs. README.md beside this folder says how to read it.

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
/// For `cargo test --benches`: that it works, not how fast.
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
    // Cargo says --bench when it is to measure. Else it is `cargo test --benches`, whose arguments mean
    // nothing here.
    let size = match (has("--bench"), has("--quick")) {
        (false, _) => &SMOKE,
        (true, true) => &QUICK,
        (true, false) => &FULL,
    };
    let known = ["--bench", "--quick", "--json"];
    if !has("--bench") {
        eprintln!("a trial of the benchmark itself; to measure: cargo bench --bench ingest");
    } else if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(format!("{other} is unknown; there are --quick and --json").into());
    }
    let found = run::all(size)?;
    match has("--json") {
        true => table::print_json(&found),
        false => table::print(&found),
    }
    Ok(())
}
