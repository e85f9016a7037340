//! Measures the peak memory of a call by the bytes of its answer. README.md explains the columns.

mod call;
mod child;
#[path = "../../tests/support/resident.rs"]
mod resident;
mod server;
mod shapes;

use std::env;
use std::error::Error;
use std::process::Command;

use child::Peak;

/// The bytes of an answer with rows, unless `MEGABYTES` says otherwise.
const ROWS: usize = 60_000_000;
/// The bytes of any other answer.
const SMALL: usize = 15_900_000;

fn main() -> Result<(), Box<dyn Error>> {
    if child::is_child() {
        return child::run(&shapes::all());
    }
    if !cfg!(target_os = "linux") {
        println!("this benchmark needs Linux");
        return Ok(());
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let megabytes = env::var("MEGABYTES").ok().map(|text| text.parse::<usize>());
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let rows = match megabytes {
        Some(megabytes) => megabytes? * 1_000_000,
        None if is_bench => ROWS,
        None => 100_000,
    };
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut table = Vec::new();
    for (number, shape) in shapes::all().into_iter().enumerate() {
        if wanted.is_some_and(|wanted| !shape.name.contains(wanted.as_str())) {
            continue;
        }
        let size = if shape.call.reads_rows() {
            rows
        } else {
            rows.min(SMALL)
        };
        let body = (shape.body)(size);
        let command = Command::new(env::current_exe()?);
        let Peak { bytes, outcome } = child::measure(command, number, &shape, &body)?;
        let factor = bytes as f64 / body.len() as f64;
        table.push((factor, shape.name, body.len(), outcome));
    }
    table.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (factor, name, bytes, outcome) in table {
        println!(
            "| {name} | {:.1} MB | {factor:.1} | {outcome} |",
            bytes as f64 / 1e6
        );
    }
    Ok(())
}
