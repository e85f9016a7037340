//! Measures the cost of embedding many texts with Gemini: `cargo bench --bench gemini`. `-- --quick` measures
//! less data, and `-- --json` prints JSON. See `benches/README.md`.

#[allow(unsafe_code, dead_code)]
#[path = "../throughput/alloc.rs"]
mod alloc;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../tests/support/gemini/mod.rs"]
mod google;
#[allow(clippy::unwrap_used)]
#[path = "../../tests/support/listening.rs"]
mod listening;
#[path = "../throughput/measure.rs"]
mod measure;
mod plain;
mod run;
mod server;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../tests/support/stand_in.rs"]
mod stand_in;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use run::Size;

const FULL: Size = Size {
    texts: 10_000,
    latency: Duration::from_millis(100),
    rounds: 5,
    plain: 10_000,
    stream: 1_000_000,
    chunk: 10_000,
};
const QUICK: Size = Size {
    rounds: 3,
    plain: 2_000,
    stream: 100_000,
    ..FULL
};
/// For `cargo test --benches`: tests that the benchmark works.
const SMOKE: Size = Size {
    texts: 300,
    latency: Duration::from_millis(5),
    rounds: 1,
    plain: 300,
    stream: 900,
    chunk: 300,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [first, latency] if first == server::ARGUMENT => server::main(latency),
        _ => bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gemini: {error}");
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
        eprintln!("testing the benchmark; to measure, run cargo bench --bench gemini");
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
