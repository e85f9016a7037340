//! A long-running program with metrics for Prometheus.
//!
//! ```text
//! cargo run --manifest-path examples/prometheus/Cargo.toml -- [PORT] [--for SECONDS]
//! curl http://127.0.0.1:9464/metrics
//! ```
//!
//! It starts a Chroma server, or uses the one in `CHROMA_HOST`. Ctrl-C ends it; then it prints its metrics.

mod recorder;
mod serve;

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, Collection, Hashing, LocalServer, Record, Result};

/// The default port of OpenTelemetry's Prometheus exporters.
const PORT: u16 = 9464;
const WORKERS: usize = 3;
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prometheus: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::result::Result<(), Box<dyn Error>> {
    let (port, time) = arguments()?;
    let server = server()?;
    let metrics = recorder::install()?;
    let client = match &server {
        Some(server) => server.client()?,
        None => Client::from_env()?,
    };

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        format!("cannot listen on port {port}: {error}; choose another port, or 0 for any")
    })?;
    println!("http://{}/metrics", listener.local_addr()?);
    eprintln!("press Ctrl-C to stop; each get_collection fails on purpose");
    let page = metrics.clone();
    thread::spawn(move || serve::run(&listener, &page));

    let stop = Arc::new(AtomicBool::new(false));
    let on_ctrl_c = stop.clone();
    ctrlc::set_handler(move || on_ctrl_c.store(true, Ordering::Relaxed))?;

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let name = format!("prometheus-{}", now.as_nanos());
    let notes = client
        .collection(&name)
        .embedding_function(Hashing::default())
        .create()?;
    let started = Instant::now();
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (notes, stop) = (&notes, &*stop);
            scope.spawn(move || work(notes, worker, stop));
        }
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
            // Moves durations into buckets. Otherwise they accumulate while no scraper reads them.
            metrics.run_upkeep();
            let is_over = time.is_some_and(|time| started.elapsed() >= time);
            stop.fetch_or(is_over, Ordering::Relaxed);
        }
    });
    client.delete_collection(&name)?;
    println!("{}", client.metrics());
    Ok(())
}

/// Reads the port, and the time to run.
fn arguments() -> std::result::Result<(u16, Option<Duration>), Box<dyn Error>> {
    let mut found = (PORT, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--for" => {
                let seconds = arguments.next().ok_or("--for needs a number of seconds")?;
                found.1 = Some(Duration::from_secs(seconds.parse()?));
            }
            port => found.0 = port.parse().map_err(|_| format!("invalid port {port:?}"))?,
        }
    }
    Ok(found)
}

/// Starts a server for this run, unless the environment names one.
fn server() -> Result<Option<LocalServer>> {
    let is_set = |variable| env::var(variable).is_ok_and(|value: String| !value.trim().is_empty());
    if is_set("CHROMA_HOST") {
        return Ok(None);
    }
    let mut builder = LocalServer::builder()
        .install(true)
        .on_install(|plan| eprintln!("{plan}"));
    if !is_set("CHROMA_BIN") {
        builder = builder.version("1.5.9");
    }
    builder.start().map(Some)
}

/// Calls Chroma until `stop` is set, as a service does. Continues after errors, which the metrics count.
fn work(notes: &Collection, worker: usize, stop: &AtomicBool) {
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if let Err(error) = once(notes, worker, round) {
            eprintln!("prometheus: {error:#}");
        }
        thread::sleep(PAUSE);
    }
}

fn once(notes: &Collection, worker: usize, round: usize) -> Result<()> {
    let id = format!("{worker}-{}", round % 100);
    let text = format!("note {round} of worker {worker}");
    notes.upsert([Record::new(id).document(&*text)])?;
    notes.query(text).n_results(3).run()?;
    // This call fails on purpose.
    let absent = notes.client().collection("there-is-no-such-collection");
    match absent.get() {
        Err(error) if error.kind() == "not_found" => Ok(()),
        other => other.map(drop),
    }
}
