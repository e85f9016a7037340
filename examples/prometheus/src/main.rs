//! A program that works with a collection all the time, and tells Prometheus what it does.
//!
//! ```text
//! cargo run --manifest-path examples/prometheus/Cargo.toml
//! curl http://127.0.0.1:9464/metrics
//! ```
//!
//! `--port PORT` serves elsewhere (0: on a free port, which is printed), `--for SECONDS` ends by itself; else Ctrl-C does.
//! It starts a Chroma server, or uses yours (`CHROMA_HOST`).

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{Client, Collection, Hashing, Key, LocalServer, Record};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper ends of the buckets of all durations, in seconds. With buckets, Prometheus can join those of many processes.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];
/// Threads that ask questions.
const READERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .filter_module("ureq_proto", log::LevelFilter::Info)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prometheus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (port, time) = arguments()?;
    // Before the first client: its numbers go to the recorder that is there when it is made.
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    let (client, _server) = connect()?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;

    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("http://{}/metrics, until Ctrl-C", listener.local_addr()?);
    thread::spawn(move || serve(&listener, &recorder));

    let name = format!("prometheus-{}", std::process::id());
    let notes = client
        .collection(&name)
        .embedding_function(Hashing::default())
        .get_or_create()?;
    let until = time.and_then(|time| Instant::now().checked_add(time));
    let is_over =
        || stop.load(Ordering::Relaxed) || until.is_some_and(|until| until <= Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| write(&notes, &is_over));
        for _ in 0..READERS {
            scope.spawn(|| ask(&notes, &is_over));
        }
    });
    client.delete_collection(&name)?;
    println!("\n{}", client.metrics());
    Ok(())
}

/// `CHROMA_HOST`, or a server for as long as it is kept.
fn connect() -> Result<(Client, Option<LocalServer>), Box<dyn Error>> {
    if env::var_os("CHROMA_HOST").is_some() {
        return Ok((Client::from_env()?, None));
    }
    let server = LocalServer::builder()
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
        .start()?;
    Ok((server.client()?, Some(server)))
}

/// New notes again and again, of which the old ones go.
fn write(notes: &Collection, is_over: &dyn Fn() -> bool) {
    for round in 0.. {
        if is_over() {
            return;
        }
        let record = |i: i64| {
            let note = Record::new(format!("{}", round * 10 + i))
                .document(format!("Note {i} of round {round}"));
            note.metadata("round", round)
        };
        let records: Vec<Record> = (0..10).map(record).collect();
        let written = notes.upsert(records);
        let deleted = notes
            .delete()
            .filter(Key::field("round").lt(round - 100))
            .run();
        // What failed is in the metrics, and by now in the log.
        if let Err(error) = written.and(deleted.map(drop)) {
            log::warn!("{error}");
        }
        thread::sleep(PAUSE);
    }
}

/// Questions again and again, and now and then one that nobody can answer.
fn ask(notes: &Collection, is_over: &dyn Fn() -> bool) {
    for round in 0.. {
        if is_over() {
            return;
        }
        let asked = notes.query(format!("round {round}")).n_results(3).run();
        if let Err(error) = asked {
            log::warn!("{error}");
        }
        if round % 20 == 0 {
            // Not found, which is counted as an error of that kind.
            let _ = notes.client().collection("nobody-made-this").get();
        }
        thread::sleep(PAUSE);
    }
}

/// Answers each connection with all metrics, whatever it asks for: nothing else is here.
fn serve(listener: &TcpListener, recorder: &PrometheusHandle) {
    for connection in listener.incoming().flatten() {
        if let Err(error) = answer(connection, recorder) {
            log::warn!("a scrape was cut off: {error}");
        }
    }
}

fn answer(mut connection: TcpStream, recorder: &PrometheusHandle) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(&connection).lines();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    recorder.run_upkeep();
    let body = recorder.render();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The port, and for how long.
fn arguments() -> Result<(u16, Option<Duration>), Box<dyn Error>> {
    let (mut port, mut time) = (9464, None);
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--port" => port = value()?.parse()?,
            "--for" => time = Some(Duration::try_from_secs_f64(value()?.parse()?)?),
            _ => {
                return Err(format!(
                    "{name:?} is not known; there are --port PORT and --for SECONDS"
                )
                .into());
            }
        }
    }
    Ok((port, time))
}
