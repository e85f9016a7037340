//! The page that Prometheus reads.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;

/// Whoever is slower is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request; Prometheus sends a few hundred.
const LONGEST: u64 = 16 << 10;

/// Answers one request after the other, until the program ends. There is one Prometheus, and it asks every few seconds.
pub fn run(listener: &TcpListener, metrics: &PrometheusHandle) {
    for stream in listener.incoming().flatten() {
        // One that went away is no concern of ours.
        let _ = answer(&stream, metrics);
    }
}

fn answer(mut stream: &TcpStream, metrics: &PrometheusHandle) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // To its end: a connection that is closed before that is reset.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (status, page) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => ("200 OK", metrics.render()),
        _ => ("404 Not Found", "there is /metrics\n".to_owned()),
    };
    let length = page.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(page.as_bytes())
}
