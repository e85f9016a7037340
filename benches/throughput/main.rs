//! What the client costs: `cargo bench --bench throughput`, with `-- --quick` for less, and `-- --json` for
//! programs. README.md beside this folder says how to read it.

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
/// For `cargo test --benches`: that it works, not how fast.
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
    // Cargo says --bench when it is to measure. Else it is `cargo test --benches`, whose arguments mean
    // nothing here.
    let size = match (has("--bench"), has("--quick")) {
        (false, _) => &SMOKE,
        (true, true) => &QUICK,
        (true, false) => &FULL,
    };
    let known = ["--bench", "--quick", "--json"];
    if !has("--bench") {
        eprintln!("a trial of the benchmark itself; to measure: cargo bench --bench throughput");
    } else if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(format!("{other} is unknown; there are --quick and --json").into());
    }
    let (rows, large) = run::all(size)?;
    match has("--json") {
        true => table::print_json(&rows, &large),
        false => table::print(&rows, &large),
    }
    Ok(())
}
