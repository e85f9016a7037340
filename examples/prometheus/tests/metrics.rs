//! The example serves what the client counts, and the client tells the facade what it tells itself.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{Hashing, LocalServer, Record, RetryPolicy};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// Every name, and what kind it is.
const NAMES: [(&str, &str); 19] = [
    ("chroma_client_calls_total", "counter"),
    ("chroma_client_errors_total", "counter"),
    ("chroma_client_attempts_total", "counter"),
    ("chroma_client_retries_total", "counter"),
    ("chroma_client_request_bytes_total", "counter"),
    ("chroma_client_response_bytes_total", "counter"),
    ("chroma_client_call_duration_seconds", "histogram"),
    ("chroma_client_connections_opened_total", "counter"),
    ("chroma_client_connections_reused_total", "counter"),
    ("chroma_client_connections_open", "gauge"),
    ("chroma_client_connections_busy", "gauge"),
    ("chroma_client_circuit_open", "gauge"),
    ("chroma_client_embedding_calls_total", "counter"),
    ("chroma_client_embedding_errors_total", "counter"),
    ("chroma_client_embedded_texts_total", "counter"),
    ("chroma_client_embedding_cache_hits_total", "counter"),
    ("chroma_client_embedding_retries_total", "counter"),
    (
        "chroma_client_embedding_limiter_wait_seconds_total",
        "gauge",
    ),
    ("chroma_client_embedding_duration_seconds", "histogram"),
];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fetch(address: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_example_serves_every_metric() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prometheus"));
    let child = command
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let address = first
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap();

    let started = Instant::now();
    loop {
        let answer = fetch(address);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"),
            "{head}"
        );
        // The one without labels that everybody waits for: a question that was answered.
        let done = ["query", "upsert"].iter().all(|operation| {
            let counter = format!("chroma_client_calls_total{{operation=\"{operation}\"}}");
            body.contains(&counter)
        });
        let failed = body.contains(
            "chroma_client_errors_total{operation=\"get_collection\",error=\"not_found\"}",
        );
        if done && failed {
            for (name, kind) in NAMES {
                assert!(
                    body.contains(&format!("# TYPE {name} {kind}\n")),
                    "{name}\n{body}"
                );
                assert!(body.contains(&format!("# HELP {name} ")), "{name}\n{body}");
            }
            assert!(body.contains(
                "chroma_client_call_duration_seconds_bucket{operation=\"query\",le=\"0.001\"}"
            ));
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{body}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The value behind a name with labels; 0 where it never was.
fn value(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn the_facade_has_the_same_numbers_as_the_client() {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_duration_seconds".to_owned()),
            &[0.1, 60.0],
        )
        .unwrap()
        .install_recorder()
        .unwrap();
    let server = LocalServer::builder().install(true).start().unwrap();
    let client = server.client().unwrap();
    let notes = client
        .collection("notes")
        .embedding_function(Hashing::default())
        .create()
        .unwrap();
    let records = (0..50).map(|i| Record::new(i.to_string()).document(format!("Note {i}")));
    notes.upsert(records.collect::<Vec<_>>()).unwrap();
    for _ in 0..5 {
        notes.query("a note").run().unwrap();
    }
    client.collection("other").get().unwrap_err();
    server.stop().unwrap();
    let impatient = RetryPolicy::default()
        .max_retries(2)
        .base_delay(Duration::from_millis(1));
    notes.with_retry(impatient).count().unwrap_err();

    let text = recorder.render();
    let metrics = client.metrics();
    assert!(metrics.operations.len() >= 5 && metrics.operations["count"].retries == 2);
    for (operation, numbers) in &metrics.operations {
        let of = |name: &str| {
            value(
                &text,
                &format!("chroma_client_{name}{{operation=\"{operation}\"}}"),
            )
        };
        assert_eq!(of("calls_total"), numbers.calls as f64, "{operation}");
        assert_eq!(of("attempts_total"), numbers.attempts as f64, "{operation}");
        assert_eq!(of("retries_total"), numbers.retries as f64, "{operation}");
        assert_eq!(
            of("request_bytes_total"),
            numbers.bytes_out as f64,
            "{operation}"
        );
        assert_eq!(
            of("response_bytes_total"),
            numbers.bytes_in as f64,
            "{operation}"
        );
        assert_eq!(
            of("call_duration_seconds_count"),
            numbers.calls as f64,
            "{operation}"
        );
        let off = of("call_duration_seconds_sum") - numbers.latency.total.as_secs_f64();
        assert!(
            (0.0..1e-5 * numbers.calls as f64).contains(&off),
            "{operation}: {off}"
        );
        for (kind, count) in &numbers.errors {
            let name =
                format!("chroma_client_errors_total{{operation=\"{operation}\",error=\"{kind}\"}}");
            assert_eq!(value(&text, &name), *count as f64, "{name}");
        }
    }
    assert_eq!(metrics.operations["count"].errors["connection"], 1);
    assert_eq!(metrics.operations["get_collection"].errors["not_found"], 1);

    let pool = metrics.pool;
    assert_eq!(
        value(&text, "chroma_client_connections_opened_total"),
        pool.opened as f64
    );
    assert_eq!(
        value(&text, "chroma_client_connections_reused_total"),
        pool.reused as f64
    );
    assert_eq!(
        value(&text, "chroma_client_connections_open"),
        pool.open as f64
    );
    assert_eq!(
        value(&text, "chroma_client_connections_busy"),
        (pool.open - pool.idle) as f64
    );

    let (function, embedded) = metrics.embeddings.first_key_value().unwrap();
    let of = |name: &str| {
        value(
            &text,
            &format!("chroma_client_{name}{{function=\"{function}\"}}"),
        )
    };
    assert_eq!((embedded.calls, embedded.texts), (6, 55));
    assert_eq!(of("embedding_calls_total"), 6.0);
    assert_eq!(of("embedded_texts_total"), 55.0);
    assert_eq!(of("embedding_errors_total"), 0.0);
    assert_eq!(of("embedding_duration_seconds_count"), 6.0);
}
