//! The exact log lines and metrics of a run with scripted faults.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod environment;
mod jobs;
mod words;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chroma_blocking::{
    Client, RetryPolicy,
    client::CircuitBreaker,
    metrics::{BreakerState, Metrics, OperationMetrics},
};

use support::stand_in::{Answer, StandIn};
use support::{COLLECTION, HITS, LIMITS, chroma, chroma_error, client, logs, records};

const SLOW: Duration = Duration::from_millis(60);

/// Returns the answers of the server: each kind of fault once, in a fixed order.
fn trouble() -> Vec<Answer> {
    let not_found = r#"{"error":"NotFoundError","message":"no such record"}"#;
    vec![
        // upsert
        Answer::new(503, "busy").header("retry-after", "0"),
        Answer::ok("{}"),
        // query
        Answer::ok(HITS).announcing(10_000),
        Answer::new(429, r#"{"error":"RateLimited","message":"slow down"}"#),
        Answer::ok(HITS),
        // query
        Answer::new(400, r#"{"error":"InvalidArgumentError","message":"no"}"#),
        // get
        Answer::new(404, not_found),
        // count
        Answer::ok("7").in_pieces(1_000, SLOW),
        // count: nothing but failures
        chroma_error(500),
        chroma_error(502),
        // The connection looks as if it had been closed while idle, so the client repeats the request on a
        // new one. That is not a retry.
        Answer::close(),
        Answer::close(),
        // count: no number
        Answer::ok("seven"),
    ]
}

fn run_into(server: &StandIn) -> Client {
    let client = client(server);
    let notes = client.collection("abc").get().unwrap();
    notes.upsert(records(2)).unwrap();
    notes.query(vec![1.0, 0.5]).run().unwrap();
    notes.query(vec![1.0, 0.5]).run().unwrap_err();
    notes.get().ids(["id0"]).run().unwrap_err();
    assert_eq!(notes.count().unwrap(), 7);
    notes.count().unwrap_err();
    notes.count().unwrap_err();
    client
}

/// A row of the table: calls, attempts, retries, bytes received, and errors by kind.
type Row = (u64, u64, u64, u64, Vec<(&'static str, u64)>);

fn row(operation: &OperationMetrics) -> Row {
    let errors = operation.errors.iter().map(|(kind, count)| (*kind, *count));
    (
        operation.calls,
        operation.attempts,
        operation.retries,
        operation.bytes_in,
        errors.collect(),
    )
}

/// Returns the table of the run: a row for each operation.
fn expected_rows() -> Vec<(&'static str, Row)> {
    let beat = r#"{"nanosecond heartbeat":1790000000000000000}"#;
    let error = r#"{"error":"InvalidArgumentError","message":"no"}"#.len();
    let rows = [
        (
            "count",
            (
                3,
                6,
                2,
                1 + 2 * error + "seven".len(),
                vec![("connection", 1), ("decode", 1)],
            ),
        ),
        (
            "get",
            (
                1,
                1,
                0,
                r#"{"error":"NotFoundError","message":"no such record"}"#.len(),
                vec![("not_found", 1)],
            ),
        ),
        ("get_collection", (1, 1, 0, COLLECTION.len(), vec![])),
        // After an answer that makes no sense, the client checks whether the server is Chroma.
        ("heartbeat", (1, 1, 0, beat.len(), vec![])),
        ("pre_flight_checks", (1, 1, 0, LIMITS.len(), vec![])),
        (
            "query",
            (
                2,
                4,
                2,
                r#"{"error":"RateLimited","message":"slow down"}"#.len() + HITS.len() + error,
                vec![("server", 1)],
            ),
        ),
        ("upsert", (1, 2, 1, "busy".len() + "{}".len(), vec![])),
    ];
    rows.into_iter()
        .map(|(name, (calls, attempts, retries, bytes, errors))| {
            (name, (calls, attempts, retries, bytes as u64, errors))
        })
        .collect()
}

#[test]
fn metrics_of_a_run_with_faults_are_as_expected() {
    let mut answers = trouble().into_iter();
    let server = chroma(LIMITS, move |_| answers.next().unwrap());
    let started = Instant::now();
    let client = run_into(&server);
    let took = started.elapsed();
    let metrics = client.metrics();

    let found: Vec<_> = (metrics.operations.iter())
        .map(|(name, operation)| (*name, row(operation)))
        .collect();
    assert_eq!(found, expected_rows());

    // The server received as many bytes as the client counted.
    for (name, end) in [("upsert", "/upsert"), ("query", "/query"), ("get", "/get")] {
        let bodies = server
            .requests_to(end)
            .into_iter()
            .map(|request| request.body.len() as u64);
        assert_eq!(
            metrics.operations[name].bytes_out,
            bodies.sum::<u64>(),
            "{name}"
        );
    }
    let attempts: u64 = metrics
        .operations
        .values()
        .map(|operation| operation.attempts)
        .sum();
    assert_eq!(attempts, server.requests().len() as u64);
    // A request that is repeated because the idle connection was closed counts once here.
    assert_eq!(metrics.endpoints[0].attempts, attempts - 1);
    // 503, the answer cut short, 502, and the connection that broke.
    assert_eq!(metrics.endpoints[0].failures, 4);
    assert_eq!(metrics.endpoints[0].url, server.url());
    assert_eq!(metrics.endpoints[0].breaker, None);

    assert_eq!(metrics.pool.opened, server.connections() as u64);
    assert_eq!(metrics.pool.reused + metrics.pool.opened, attempts);
    assert_eq!((metrics.pool.open, metrics.pool.idle), (1, 1));

    assert_latencies(&metrics, took);
    assert_eq!(
        client.clone().metrics().operations,
        metrics.operations,
        "clones share them"
    );
}

/// Asserts that the latencies of a run that took this long are plausible.
fn assert_latencies(metrics: &Metrics, took: Duration) {
    let count = metrics.operations["count"].latency;
    assert!(count.max >= SLOW && count.max <= took, "{count:?}");
    let sum: Duration = metrics
        .operations
        .values()
        .map(|operation| operation.latency.total)
        .sum();
    assert!(sum >= SLOW && sum <= took, "{sum:?} of {took:?}");
    for operation in metrics.operations.values() {
        let latency = operation.latency;
        assert!(latency.p50 <= latency.p95 && latency.p95 <= latency.p99);
        assert!(
            latency.p99 <= latency.max
                && latency.max <= latency.total
                && latency.total <= metrics.elapsed
        );
    }
}

/// Returns the log lines about this server. Addresses and times are masked.
fn lines_about(server: &StandIn) -> Vec<String> {
    let url = server.url();
    let lines = logs().lines().into_iter();
    let lines = lines.filter(|line| line.contains(&url) && line.starts_with("chroma_blocking"));
    let mask = |line: String| {
        let line = line.replace(&url, "URL");
        let mut out = Vec::new();
        for word in line.split(' ') {
            let timed = ["elapsed_ms=", "wait_ms="]
                .iter()
                .find(|key| word.starts_with(**key));
            match timed {
                Some(key) => {
                    let value = &word[key.len()..];
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    out.push(format!("{key}*"));
                }
                None => out.push(word.to_owned()),
            }
        }
        out.join(" ")
    };
    lines.map(mask).collect()
}

/// The log of the run: level and method, operation with its collection, and the rest of the line. Warnings
/// have the message in the first field.
const LINES: [(&str, &str, &str); 22] = [
    (
        "DEBUG GET",
        "abc get_collection",
        "attempt=1 status=200 elapsed_ms=* bytes_out=0 bytes_in=115",
    ),
    (
        "DEBUG GET",
        "pre_flight_checks",
        "attempt=1 status=200 elapsed_ms=* bytes_out=0 bytes_in=55",
    ),
    (
        "DEBUG POST",
        "abc upsert",
        "attempt=1 status=503 elapsed_ms=* bytes_out=66 bytes_in=4",
    ),
    (
        "WARN HTTP 503, try again in 0.0 s: \"busy\"; the server is overloaded or not ready yet",
        "abc upsert",
        "attempt=1 error=server status=503 wait_ms=*",
    ),
    (
        "DEBUG POST",
        "abc upsert",
        "attempt=2 status=200 elapsed_ms=* bytes_out=66 bytes_in=2",
    ),
    (
        "DEBUG POST",
        "abc query",
        "attempt=1 error=connection elapsed_ms=* bytes_out=95 bytes_in=0",
    ),
    (
        "WARN the connection broke; the server may have stopped or restarted, or a proxy may have cut the connection: Peer disconnected",
        "abc query",
        "attempt=1 error=connection wait_ms=*",
    ),
    (
        "DEBUG POST",
        "abc query",
        "attempt=2 status=429 elapsed_ms=* bytes_out=95 bytes_in=45",
    ),
    (
        "WARN rate limited: slow down",
        "abc query",
        "attempt=2 error=rate_limited status=429 wait_ms=*",
    ),
    (
        "DEBUG POST",
        "abc query",
        "attempt=3 status=200 elapsed_ms=* bytes_out=95 bytes_in=79",
    ),
    (
        "DEBUG POST",
        "abc query",
        "attempt=1 status=400 elapsed_ms=* bytes_out=95 bytes_in=47",
    ),
    (
        "DEBUG POST",
        "abc get",
        "attempt=1 status=404 elapsed_ms=* bytes_out=51 bytes_in=52",
    ),
    (
        "DEBUG GET",
        "abc count",
        "attempt=1 status=200 elapsed_ms=* bytes_out=0 bytes_in=1",
    ),
    (
        "DEBUG GET",
        "abc count",
        "attempt=1 status=500 elapsed_ms=* bytes_out=0 bytes_in=47",
    ),
    (
        "WARN HTTP 500 InvalidArgumentError: no",
        "abc count",
        "attempt=1 error=server status=500 wait_ms=*",
    ),
    (
        "DEBUG GET",
        "abc count",
        "attempt=2 status=502 elapsed_ms=* bytes_out=0 bytes_in=47",
    ),
    (
        "WARN HTTP 502 InvalidArgumentError: no",
        "abc count",
        "attempt=2 error=server status=502 wait_ms=*",
    ),
    (
        "DEBUG GET",
        "abc count",
        "attempt=3 error=connection elapsed_ms=* bytes_out=0 bytes_in=0",
    ),
    ("STALE", "abc count", "attempt=3"),
    (
        "DEBUG GET",
        "abc count",
        "attempt=4 error=connection elapsed_ms=* bytes_out=0 bytes_in=0",
    ),
    (
        "DEBUG GET",
        "abc count",
        "attempt=1 status=200 elapsed_ms=* bytes_out=0 bytes_in=5",
    ),
    (
        "DEBUG GET",
        "heartbeat",
        "attempt=1 status=200 elapsed_ms=* bytes_out=0 bytes_in=44",
    ),
];

/// Returns the whole line for an entry of [`LINES`].
fn log_line(head: &str, about: &str, pairs: &str) -> String {
    let path = "URL/api/v2/tenants/default_tenant/databases/default_database/collections";
    let id = "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";

    let (collection, operation) = match about.split_once(' ') {
        Some((name, operation)) => (format!(" collection={name}"), operation),
        None => (String::new(), about),
    };
    let address = match operation {
        "heartbeat" => "URL/api/v2/heartbeat".to_owned(),
        "pre_flight_checks" => "URL/api/v2/pre-flight-checks".to_owned(),
        "get_collection" => format!("{path}/abc"),
        _ => format!("{path}/{id}/{operation}"),
    };
    let line = match head.strip_prefix("WARN ") {
        Some(message) => {
            format!("WARN {operation} \"abc\" at URL: {message}; trying again in 0.0 s")
        }
        None if head == "STALE" => format!(
            "DEBUG {operation} \"abc\" at URL: the server had closed the idle connection; sending again on a new one"
        ),
        None => format!("{head} {address}"),
    };
    format!("chroma_blocking::http {line} operation={operation}{collection} endpoint=URL {pairs}")
}

#[test]
fn the_log_of_a_run_with_faults_is_as_expected() {
    logs();
    let mut answers = trouble().into_iter();
    let server = chroma(LIMITS, move |_| answers.next().unwrap());
    run_into(&server);
    let expected = LINES.map(|(head, about, pairs)| log_line(head, about, pairs));
    // The tests of errors check the part " (2 attempts in 0.1 s)".
    let without_attempts = |line: String| match (line.find(" ("), line.find(" s):")) {
        (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 3..]),
        _ => line,
    };
    let found: Vec<String> = lines_about(&server)
        .into_iter()
        .map(without_attempts)
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn metrics_have_the_state_of_each_circuit_breaker() {
    let server = chroma(LIMITS, |_| Answer::new(502, "no"));
    let breaker = CircuitBreaker::new().failures(2);
    // No trial call during the test.
    let breaker = breaker.open_for(Duration::from_secs(600));
    let client = support::builder(&server.url())
        .circuit_breaker(breaker)
        .retry(RetryPolicy::none());
    let client = client.build().unwrap();
    let state = |client: &Client| client.metrics().endpoints[0].breaker;
    assert_eq!(state(&client), Some(BreakerState::Closed));
    for _ in 0..3 {
        client.count_collections().unwrap_err();
    }
    assert_eq!(state(&client), Some(BreakerState::Open));
    let metrics = client.metrics();
    let count = &metrics.operations["count_collections"];
    assert_eq!((count.calls, count.attempts), (3, 2));
    assert_eq!(
        count.errors,
        BTreeMap::from([("circuit_open", 1), ("server", 2)])
    );
    assert!(
        metrics
            .to_string()
            .ends_with("2 attempts, 2 failures, breaker open"),
        "{metrics}"
    );
}
