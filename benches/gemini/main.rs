//! What embedding many texts with Gemini costs: `cargo bench --bench gemini`, with `-- --quick` for less, and
//! `-- --json` for programs. README.md beside this folder says how to read it.

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
/// For `cargo test --benches`: that it works, not how fast.
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
    // Cargo says --bench when it is to measure. Else it is `cargo test --benches`, whose arguments mean
    // nothing here.
    let size = match (has("--bench"), has("--quick")) {
        (false, _) => &SMOKE,
        (true, true) => &QUICK,
        (true, false) => &FULL,
    };
    let known = ["--bench", "--quick", "--json"];
    if !has("--bench") {
        eprintln!("a trial of the benchmark itself; to measure: cargo bench --bench gemini");
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
