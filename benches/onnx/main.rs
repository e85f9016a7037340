//! Compares `Onnx` with the function that Chroma's Python client uses by default: `cargo bench --features onnx
//! --bench onnx`. `-- --quick` measures less, and `-- --json` prints JSON. See `benches/README.md`.

mod child;
mod python;
// Tests use more of it.
#[allow(dead_code)]
#[path = "../../tests/support/random.rs"]
mod random;
#[path = "../../tests/support/resident.rs"]
mod resident;
mod run;
mod table;
mod texts;
mod tokens;

use std::error::Error;
use std::process::ExitCode;

use run::Size;

const FULL: Size = Size {
    texts: 64,
    rounds: 5,
    queries: 100,
    tokens: true,
    children: 5,
};
const QUICK: Size = Size {
    rounds: 1,
    queries: 20,
    tokens: false,
    children: 2,
    ..FULL
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [first, model, texts] if first == child::ARGUMENT => child::main(model, texts),
        _ => bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onnx: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let has = |name| arguments.iter().any(|argument| argument == name);
    let known = ["--bench", "--quick", "--json"];
    // Cargo passes --bench to measure. Otherwise this is `cargo test --benches`, which compiles it only: it would
    // install Python's packages.
    if !has("--bench") {
        eprintln!("to measure, run cargo bench --features onnx --bench onnx");
        return Ok(());
    }
    if let Some(other) = arguments.iter().find(|a| !known.contains(&a.as_str())) {
        return Err(format!("unknown option {other}; the options are --quick and --json").into());
    }
    let rows = run::all(if has("--quick") { &QUICK } else { &FULL })?;
    if has("--json") {
        table::print_json(&rows);
    } else {
        table::print(&rows);
    }
    Ok(())
}
