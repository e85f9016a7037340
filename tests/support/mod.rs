//! Helpers for tests: servers that misbehave, a stand-in for Google, real servers, examples.

// Each test program uses some of these.
#![allow(dead_code)]

pub mod example;
pub mod fault_proxy;
pub mod folder;
pub mod gemini;
pub mod listening;
pub mod model;
pub mod numbered;
pub mod operations;
pub mod random;
pub mod reporting;
pub mod resident;
#[cfg(feature = "local-server")]
pub mod server;
pub mod stand_in;

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use chroma_blocking::{Client, ClientBuilder, Collection, Embeddings, Error, Record, RetryPolicy};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use stand_in::{Answer, Request, StandIn, script};

/// A policy with three attempts and very short waits.
pub fn fast() -> RetryPolicy {
    RetryPolicy::default()
        .max_retries(2)
        .base_delay(Duration::from_millis(2))
}

const DATABASE: &str = "/api/v2/tenants/default_tenant/databases/default_database";
/// The description of the collection `abc`.
pub const COLLECTION: &str = r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"abc","metadata":null,"dimension":null,"configuration_json":{}}"#;
/// The answer to a query, with one hit.
pub const HITS: &str =
    r#"{"ids":[["id0"]],"distances":[[0.5]],"documents":[[null]],"metadatas":[[null]]}"#;
/// The limits of a current server.
pub const LIMITS: &str = r#"{"max_batch_size":1000,"supports_base64_encoding":true}"#;
/// The limits of a server before 1.0.21.
pub const OLD_LIMITS: &str = r#"{"max_batch_size":10}"#;

/// Starts a stand-in for Chroma that answers heartbeats, the limits and the request that opens the collection
/// `abc`. `answer` answers all other requests.
pub fn chroma(
    limits: &'static str,
    mut answer: impl FnMut(&Request) -> Answer + Send + 'static,
) -> StandIn {
    let open = format!("{DATABASE}/collections/abc");
    StandIn::start(move |request| match request.path.as_str() {
        "/api/v2/heartbeat" => Answer::ok(r#"{"nanosecond heartbeat":1790000000000000000}"#),
        "/api/v2/pre-flight-checks" => Answer::ok(limits),
        path if path == open => Answer::ok(COLLECTION),
        _ => answer(request),
    })
}

/// Waits until a condition holds, however busy the machine is. Only a test that hangs reaches the limit of a
/// minute.
#[track_caller]
pub fn wait_until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{what}: not within a minute"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}

/// Builds clients whose timeout is long enough for a busy machine. Tests of timeouts set their own.
pub fn builder(url: &str) -> ClientBuilder {
    let builder = Client::builder().host(url).retry(fast());
    builder.request_timeout(Duration::from_secs(30))
}

/// Builds a client of a stand-in.
pub fn client(server: &StandIn) -> Client {
    builder(&server.url()).build().unwrap()
}

/// Opens the collection `abc`.
pub fn collection(server: &StandIn) -> Collection {
    client(server).collection("abc").get().unwrap()
}

/// Returns records with the ids `id0`, `id1` and so on.
pub fn records(count: usize) -> Vec<Record> {
    let record = |i| Record::new(format!("id{i}")).embedding([i as f32, 0.5]);
    (0..count).map(record).collect()
}

/// Returns the ids in the body of a request.
pub fn ids_of(request: &Request) -> Vec<String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    serde_json::from_value(body["ids"].clone()).unwrap()
}

/// Returns the ids `id0`, `id1` and so on.
pub fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|i| format!("id{i}")).collect()
}

/// Starts a stand-in for Chroma that gives these answers, one after the other.
pub fn scripted(answers: impl IntoIterator<Item = Answer>) -> StandIn {
    chroma(LIMITS, script(answers))
}

/// Builds a client without retries.
pub fn client_without_retries(server: &StandIn) -> Client {
    let builder = builder(&server.url()).retry(RetryPolicy::none());
    builder.build().unwrap()
}

/// Returns a command that runs one ignored test of this program in a child process, since tests share the
/// environment of their process.
pub fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

/// Returns a command that runs a script with one of Chroma's other clients: with the command of the shell in a
/// variable, which `scripts/test-clients.sh` sets.
pub fn other_client(variable: &str, script: &str) -> Command {
    let client = std::env::var(variable)
        .unwrap_or_else(|_| panic!("run scripts/test-clients.sh, which sets {variable}"));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("exec {client} \"$@\""), "sh", script]);
    command
}

/// Returns the ids that were written, that may have been written, and that were not.
pub fn ids_by_outcome(error: &Error) -> [Vec<String>; 3] {
    match error {
        Error::PartlyDone {
            done,
            unknown,
            pending,
            ..
        } => [done, unknown, pending].map(Clone::clone),
        other => panic!("{other}"),
    }
}

/// Answers that do not arrive, although the server may have executed the request.
pub fn lost_answers() -> [Answer; 4] {
    [
        Answer::close(),
        Answer::ok(COLLECTION).announcing(10_000),
        Answer::raw("HTTP/1.1 200 OK\r\ncontent-le"),
        Answer::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id"),
    ]
}

/// Panics with all of the items if there are any.
#[track_caller]
pub fn assert_none<T: std::fmt::Display>(what: &str, found: impl IntoIterator<Item = T>) {
    let found: Vec<String> = found.into_iter().map(|one| one.to_string()).collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// Returns an error in the format of Chroma.
pub fn chroma_error(status: u16) -> Answer {
    let words = json!({ "error": "InvalidArgumentError", "message": "no" });
    Answer::new(status, words.to_string())
}

/// Returns the vector, scaled to unit length.
pub fn unit(vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
    let shorten = |x: &f32| (f64::from(*x) / square.sqrt()) as f32;
    vector.iter().map(shorten).collect()
}

/// Asserts that each vector is the unit vector of its text.
pub fn assert_vectors_of(found: &Embeddings, texts: &[impl AsRef<str>], dimension: usize) {
    assert_eq!((found.len(), found.dimension()), (texts.len(), dimension));
    for (row, text) in found.rows().zip(texts) {
        assert_vector_of(row, text.as_ref());
    }
}

/// Asserts that this is the unit vector of the text.
pub fn assert_vector_of(row: &[f32], text: &str) {
    let expected = unit(&gemini::vector_of(text, row.len()));
    let off = row.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    assert!(off.fold(0.0, f32::max) < 1e-6, "{text:?}");
    let length: f32 = row.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-4, "{length}");
}

/// Returns an address on which no server listens. The socket reserves the port, so that no other process can
/// take it.
pub fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Returns the log lines of this process, of all crates and levels. The first call starts the collection.
pub fn logs() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    let mut first = false;
    let logs = LOGS.get_or_init(|| {
        first = true;
        Logs(Mutex::default())
    });
    if first {
        log::set_logger(logs).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    }
    logs
}

/// A logger that keeps all lines.
pub struct Logs(Mutex<Vec<String>>);

impl Logs {
    /// Returns all lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asserts that no line contains any of these words. Asserts first that this crate and ureq logged at
    /// all.
    pub fn assert_free_of(&self, words: &[&str]) {
        let lines = self.lines();
        for source in ["chroma_blocking", "ureq"] {
            assert!(lines.iter().any(|l| l.starts_with(source)), "no {source}");
        }
        // At the level trace, ureq_proto logs every byte that is sent.
        for line in lines.iter().filter(|l| !l.starts_with("ureq_proto")) {
            assert!(!words.iter().any(|word| line.contains(word)), "{line}");
        }
    }
}

/// Calls a function with each key-value of a log record.
pub fn each_pair(record: &log::Record<'_>, call: impl FnMut(log::kv::Key<'_>, log::kv::Value<'_>)) {
    struct Pairs<F>(F);

    impl<'kvs, F: FnMut(log::kv::Key<'_>, log::kv::Value<'_>)> log::kv::VisitSource<'kvs> for Pairs<F> {
        fn visit_pair(
            &mut self,
            key: log::kv::Key<'kvs>,
            value: log::kv::Value<'kvs>,
        ) -> Result<(), log::kv::Error> {
            (self.0)(key, value);
            Ok(())
        }
    }
    let _ = record.key_values().visit(&mut Pairs(call));
}

impl log::Log for Logs {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut line = format!("{} {} {}", record.target(), record.level(), record.args());
        each_pair(record, |key, value| {
            let _ = write!(line, " {key}={value}");
        });
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    fn flush(&self) {}
}
