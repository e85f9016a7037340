//! Whether a server is up, and whether it is ours.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

/// Whether somebody listens on this port.
pub(super) fn is_taken(port: u16) -> bool {
    TcpListener::bind(local(port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Whether a Chroma server answers on this port.
pub(super) fn answers(port: u16) -> bool {
    ask(port).is_ok_and(|answer| {
        answer.starts_with("HTTP/1.1 200") && answer.contains("nanosecond heartbeat")
    })
}

fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&local(port), Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(
        format!(
            "GET /api/v2/heartbeat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether the log says that this very server listens on this port. Every Chroma since 1.0 writes such a line.
pub(super) fn says_listening(log: &str, port: u16) -> bool {
    let address = format!("127.0.0.1:{port}");
    log.lines().any(|line| {
        line.to_ascii_lowercase().contains("listening on")
            && line
                .split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
                .any(|word| word == address)
    })
}

/// The last 64 KiB of a log, without colours; empty if it cannot be read.
pub(super) fn read_log(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)))?;
        let mut bytes = Vec::new();
        file.take(64 * 1024).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    plain(&String::from_utf8_lossy(&read().unwrap_or_default()))
}

/// The text without terminal colour sequences (`ESC [ ... letter`).
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
        } else if chars.next() == Some('[') {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        }
    }
    out
}

/// The last lines of a text that hold something, indented.
pub(super) fn tail(text: &str, lines: usize) -> String {
    let mut kept: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    kept.drain(..kept.len().saturating_sub(lines));
    if kept.is_empty() {
        return "  (nothing)".to_owned();
    }
    let kept: Vec<_> = kept
        .iter()
        .map(|line| format!("  {}", line.trim_end()))
        .collect();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Answers one connection with these bytes.
    fn stub(answer: &'static str) -> u16 {
        let listener = TcpListener::bind(local(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        });
        port
    }

    #[test]
    fn only_a_chroma_counts() {
        let chroma = "HTTP/1.1 200 OK\r\n\r\n{\"nanosecond heartbeat\":1}";
        assert!(answers(stub(chroma)));
        assert!(!answers(stub("HTTP/1.1 200 OK\r\n\r\nhello")));
        assert!(!answers(stub(
            "HTTP/1.1 500 No\r\n\r\n{\"nanosecond heartbeat\":1}"
        )));
        assert!(!answers(stub("")));
    }

    #[test]
    fn a_listener_takes_its_port() {
        let listener = TcpListener::bind(local(0)).unwrap();
        assert!(is_taken(listener.local_addr().unwrap().port()));
    }

    #[test]
    fn the_line_of_old_and_new_servers_is_known() {
        let new = plain(
            "\u{1b}[32mFrontend server listening on address, \u{1b}[1;32maddr\u{1b}[0m\u{1b}[32m: 127.0.0.1:8123\u{1b}[0m",
        );
        assert_eq!(
            new,
            "Frontend server listening on address, addr: 127.0.0.1:8123"
        );
        assert!(says_listening(&new, 8123));
        assert!(says_listening("x\nListening on 127.0.0.1:8123\n", 8123));
        assert!(!says_listening("Listening on 127.0.0.1:81234", 8123));
        assert!(!says_listening(
            "Address 127.0.0.1:8123 is not available",
            8123
        ));
    }

    #[test]
    fn the_tail_skips_empty_lines() {
        assert_eq!(tail("a\n\nb\n \nc\n", 2), "  b\n  c");
        assert_eq!(tail("\n", 2), "  (nothing)");
    }
}
