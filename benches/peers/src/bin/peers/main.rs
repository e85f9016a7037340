//! Compares chroma-blocking with other clients of Chroma. Each does the same work in a separate process, in
//! alternation. Prints the tables of `benches/RESULTS.md`. See the README.

mod children;
mod null_server;
mod options;
mod report;

use children::{CLIENTS, Run};
use chroma_blocking::LocalServer;
use null_server::NullServer;
use options::Options;
use peers::Result;
use report::{Memory, Speed};

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let speed = if options.speed {
        Some(measure_speed(&options)?)
    } else {
        None
    };
    let memory = if options.memory {
        Some(measure_memory(&options)?)
    } else {
        None
    };
    report::print(&options, speed.as_ref(), memory.as_ref())
}

fn measure_speed(options: &Options) -> Result<Speed> {
    for client in CLIENTS {
        children::build(client, &[client])?;
    }
    let server = LocalServer::builder()
        .version("1.5.9")
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
        .start()?;
    let mut speed = Speed::default();
    for number in 1..=options.runs {
        // Rotates the order of the clients.
        for turn in 0..CLIENTS.len() {
            let client = (number + turn) % CLIENTS.len();
            eprintln!("run {number} of {}: {}", options.runs, CLIENTS[client]);
            speed.0[client].push(Run::of(CLIENTS[client], server.url(), options)?);
        }
    }
    Ok(speed)
}

fn measure_memory(options: &Options) -> Result<Memory> {
    children::build("ours", &["memory"])?;
    let peak = |what, records| {
        eprintln!("memory: {what}, {records} records");
        let server = NullServer::start(records)?;
        children::memory(what, server.url(), records)
    };
    let records = options.memory_records;
    Ok(Memory {
        upsert: peak("upsert", records)?,
        pages: peak("pages", records)?,
        more_pages: peak("pages", records * 10)?,
    })
}
