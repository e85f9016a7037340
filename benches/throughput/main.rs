//! Measures the cost of the client: `cargo bench --bench throughput`. `-- --quick` measures less data, and
//! `-- --json` prints JSON. See `benches/README.md`.

#[allow(unsafe_code)]
mod alloc;
mod data;
mod floor;
mod http;
mod measure;
mod null_server;
mod recorder;
mod run;
mod table;
mod work;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use run::Size;

const FULL: Size = Size {
    records: 10_000,
    large: 100_000,
    rounds: 15,
    real_rounds: 3,
    hurry: 1,
    deadline: Duration::from_secs(150),
};
const QUICK: Size = Size {
    records: 2_000,
    large: 20_000,
    rounds: 7,
    real_rounds: 2,
    hurry: 2,
    deadline: Duration::from_secs(25),
};
/// For `cargo test --benches`: tests that the benchmark works.
const SMOKE: Size = Size {
    records: 20,
    large: 20,
    rounds: 1,
    real_rounds: 1,
    hurry: 1_000,
    deadline: Duration::from_secs(25),
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first() {
        Some(first) if first == null_server::ARGUMENT => null_server::main(),
        _ => bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughput: {error}");
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
        eprintln!("testing the benchmark; to measure, run cargo bench --bench throughput");
    } else if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(format!("unknown option {other}; the options are --quick and --json").into());
    }
    let (rows, large) = run::all(size)?;
    if has("--json") {
        table::print_json(&rows, &large);
    } else {
        table::print(&rows, &large);
    }
    Ok(())
}
