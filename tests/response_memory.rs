//! The peak memory of a call by the bytes of its response, for shapes of `benches/memory`, each in a process of
//! its own. `MEGABYTES=60 cargo test --test response_memory` measures all shapes.

#![cfg(target_os = "linux")]

#[path = "../benches/memory/call.rs"]
mod call;
#[path = "../benches/memory/child.rs"]
mod child;
#[path = "support/resident.rs"]
mod resident;
#[path = "../benches/memory/server.rs"]
mod server;
#[path = "../benches/memory/shapes.rs"]
mod shapes;

use std::env;
use std::process::Command;

use child::Peak;

/// The most bytes of memory for each byte of a response, with the response itself.
const GOAL: u64 = 12;
/// The memory of a process for the request, for connections and for buffers.
const OTHER: u64 = 4 << 20;
/// The bytes that the values of a response with rows, and of any other, may take, however short it is.
const ROWS: u64 = 64 << 20;
const SMALL: u64 = 128 << 20;

/// The shapes that are measured unless `MEGABYTES` asks for all.
const WORST: [&str; 10] = [
    "get: {\"a\":0}, the same id",
    "get: {\"a\":0}",
    "get: {\"a\":\"b\"}",
    "get: one row, all keys different",
    "get: a list of letters",
    "query: ids and distances, the same id",
    "query: {\"a\":0}",
    "configuration: {\"a\":0}",
    "open: a stored function and an index in the metadata",
    "open: a schema and an index in the metadata",
];

#[test]
fn secure_04_no_response_takes_more_than_twelve_times_its_size() {
    let megabytes = env::var("MEGABYTES").ok();
    // Large enough that twelve times as much is more than any response may take.
    let size = megabytes.as_ref().map_or(6_200_000, |text| {
        text.parse::<usize>().expect("a number") * 1_000_000
    });
    let mut factors = Vec::new();
    for (number, shape) in shapes::all().into_iter().enumerate() {
        if megabytes.is_none() && !WORST.contains(&shape.name) {
            continue;
        }
        let is_long = shape.call.reads_rows();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "measured", "--ignored", "--nocapture"]);
        let name = shape.name;
        let body = (shape.body)(if is_long { size } else { size.min(15_900_000) });
        let Peak { bytes, outcome } = child::measure(command, number, &shape, &body).unwrap();
        let response = body.len() as u64;
        let floor = response + if is_long { ROWS } else { SMALL };
        let bound = (GOAL * response).max(floor) + OTHER;
        assert!(bytes <= bound, "{name}: {bytes} for {response}: {outcome}");
        factors.push((bytes as f64 / response as f64, name, outcome));
    }
    assert!(factors.len() >= WORST.len());
    factors.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (factor, name, outcome) in factors {
        println!("{factor:5.1} {name}: {outcome}");
    }
}

/// A child of the test above.
#[test]
#[ignore = "needs the variables of its parent"]
fn measured() {
    child::run(&shapes::all()).unwrap();
}
