//! Finds out whether a server is up, and whether it is the one that was started.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Returns a port of 127.0.0.1 that is free at the moment.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

/// Whether a program listens on the port.
pub(super) fn is_taken(port: u16) -> bool {
    TcpListener::bind(local(port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Whether a Chroma server responds on the port.
pub(super) fn responds(port: u16) -> bool {
    heartbeat(port).is_ok_and(|response| {
        response.starts_with("HTTP/1.1 200") && response.contains("nanosecond heartbeat")
    })
}

fn heartbeat(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&local(port), Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(
        format!(
            "GET /api/v2/heartbeat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let mut response = Vec::new();
    stream.take(4096).read_to_end(&mut response)?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// Whether a process listens on the port. `false` if the system does not report it.
pub(super) fn is_listening(pid: u32, port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    // Columns: number, local address, remote address, state, …, and the inode as the tenth. 0A is "listening".
    let inodes = sockets.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let is_it = *columns.get(1)? == format!("0100007F:{port:04X}") && *columns.get(3)? == "0A";
        is_it.then(|| columns.get(9).map(|inode| format!("socket:[{inode}]")))?
    });
    let inodes: Vec<_> = inodes.map(std::path::PathBuf::from).collect();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let mut links = files
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| file.path().read_link().ok());
    links.any(|link| inodes.contains(&link))
}

/// Whether the log shows that the server listens on the port. Chroma 1.0.0 and 1.5.9 write such a line; 1.0.21
/// and 1.3.7 do not.
pub(super) fn says_listening(log: &str, port: u16) -> bool {
    let address = format!("127.0.0.1:{port}");
    log.lines().any(|line| {
        line.to_ascii_lowercase().contains("listening on")
            && line
                .split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
                .any(|word| word == address)
    })
}

/// Returns the last 64 KiB of a log without color codes; empty if it cannot be read.
pub(super) fn read_log(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)))?;
        let mut bytes = Vec::new();
        file.take(64 * 1024).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    without_colors(&String::from_utf8_lossy(&read().unwrap_or_default()))
}

/// Removes terminal color sequences (`ESC [ ... letter`).
fn without_colors(text: &str) -> String {
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

/// Returns the last lines of a text that contain a word, indented. Chroma prints a picture when it starts.
pub(super) fn tail(text: &str, lines: usize) -> Vec<String> {
    let mut kept: Vec<_> = text
        .lines()
        .filter(|line| line.contains(char::is_alphanumeric))
        .collect();
    kept.drain(..kept.len().saturating_sub(lines));
    if kept.is_empty() {
        return vec!["  (nothing)".to_owned()];
    }
    kept.iter()
        .map(|line| format!("  {}", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Responds to one connection with these bytes.
    fn stub(response: &'static str) -> u16 {
        let listener = TcpListener::bind(local(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(response.as_bytes());
        });
        port
    }

    #[test]
    fn only_a_chroma_server_counts() {
        let chroma = "HTTP/1.1 200 OK\r\n\r\n{\"nanosecond heartbeat\":1}";
        assert!(responds(stub(chroma)));
        assert!(!responds(stub("HTTP/1.1 200 OK\r\n\r\nhello")));
        assert!(!responds(stub(
            "HTTP/1.1 500 No\r\n\r\n{\"nanosecond heartbeat\":1}"
        )));
        assert!(!responds(stub("")));
    }

    #[test]
    fn a_port_with_a_listener_is_taken() {
        let listener = TcpListener::bind(local(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_taken(port));
        #[cfg(target_os = "linux")]
        {
            assert!(is_listening(std::process::id(), port));
            assert!(!is_listening(1_000_000_000, port));
            drop(listener);
            assert!(!is_listening(std::process::id(), port));
        }
    }

    #[test]
    fn the_log_lines_of_old_and_new_servers_are_recognized() {
        let new = without_colors(
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
    fn the_tail_skips_empty_lines_and_the_picture() {
        assert_eq!(tail("a\n\nb\n \n ((((####\nc\n", 2), ["  b", "  c"]);
        assert_eq!(tail("\n", 2), ["  (nothing)"]);
    }
}
