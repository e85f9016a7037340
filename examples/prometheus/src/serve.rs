//! Serves the page that Prometheus reads.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;

/// The timeout for reading a request and for writing an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes in a request. Prometheus sends a few hundred.
const MAX_REQUEST: u64 = 16 << 10;

/// Answers one request at a time, until the program ends. This is enough for one Prometheus, which asks every
/// few seconds.
pub fn run(listener: &TcpListener, metrics: &PrometheusHandle) {
    for stream in listener.incoming().flatten() {
        // Ignores clients that disconnect.
        let _ = answer(&stream, metrics);
    }
}

fn answer(mut stream: &TcpStream, metrics: &PrometheusHandle) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut lines = BufReader::new(stream.take(MAX_REQUEST)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // Reads the whole request. Otherwise closing the connection would reset it.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (status, page) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => ("200 OK", metrics.render()),
        _ => ("404 Not Found", "see /metrics\n".to_owned()),
    };
    let length = page.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(page.as_bytes())
}
