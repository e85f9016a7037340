//! The process of a client: sends many small queries over one connection.
//!
//! ```text
//! query VARIANT URL QUERIES
//! ```
//!
//! Prints the CPU time per query (user and system, all threads) in nanoseconds.

mod observers;

use std::env;
use std::error::Error;
use std::time::Duration;

use chroma_blocking::{Client, Collection};
use cpu_time::ProcessTime;

use observers::Observers;

/// Queries that warm up connections and caches.
const WARM_UP: u64 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [variant, url, queries] = &arguments[..] else {
        return Err("usage: query VARIANT URL QUERIES".into());
    };
    let queries: u64 = queries.parse()?;
    let observers = observers::install(variant)?;
    let notes = Client::builder()
        .host(url)
        .build()?
        .collection("notes")
        .get()?;
    query(&notes, WARM_UP)?;
    let cpu = measured(&notes, queries, &observers)?;
    println!("{}", cpu.as_nanos() / u128::from(queries.max(1)));
    Ok(())
}

/// The function in which callgrind counts; `child.rs` names it.
#[inline(never)]
fn measured(
    notes: &Collection,
    queries: u64,
    observers: &Observers,
) -> Result<Duration, Box<dyn Error>> {
    let start = ProcessTime::now();
    query(notes, queries)?;
    // Includes the work that is still queued.
    observers.finish();
    Ok(start.elapsed())
}

fn query(notes: &Collection, times: u64) -> Result<(), Box<dyn Error>> {
    for _ in 0..times {
        let hits = notes.query(vec![0.5; 8]).n_results(1).run()?;
        if hits.len() != 1 {
            return Err(format!("{} hits", hits.len()).into());
        }
    }
    Ok(())
}
