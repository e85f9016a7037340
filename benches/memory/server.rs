//! A server that answers one path with a given body, and everything else as Chroma does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// The answer to the path that is measured.
pub struct Measured {
    /// The end of the path.
    pub path: &'static str,
    pub status: u16,
    pub chunked: bool,
    pub body: String,
}

/// Starts a server, which ends with the process, and returns its address.
pub fn start(measured: Measured) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let measured = Arc::new(measured);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let measured = measured.clone();
            // An error is a client that has seen enough.
            thread::spawn(move || serve(&stream, &measured));
        }
    });
    Ok(url)
}

fn serve(stream: &TcpStream, measured: &Measured) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let path = path.split('?').next().unwrap_or_default();
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
        if path.ends_with(measured.path) {
            answer(stream, measured)?;
        } else {
            let body = small(path);
            write!(
                &*stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
    }
}

fn answer(mut stream: &TcpStream, measured: &Measured) -> io::Result<()> {
    let body = measured.body.as_bytes();
    let head = format!("HTTP/1.1 {} Status\r\n", measured.status);
    if !measured.chunked {
        let head = format!("{head}content-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        return stream.write_all(body);
    }
    let head = format!("{head}transfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    for chunk in body.chunks(64 << 10) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// Returns the answer to any other path.
fn small(path: &str) -> &'static str {
    if path.ends_with("/heartbeat") {
        r#"{"nanosecond heartbeat":1790000000000000000}"#
    } else if path.ends_with("/pre-flight-checks") {
        r#"{"max_batch_size":1000,"supports_base64_encoding":true}"#
    } else if path.ends_with("/collections/abc") {
        r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"abc","metadata":null,"dimension":null,"configuration_json":{}}"#
    } else {
        r#"{"ids":[]}"#
    }
}
