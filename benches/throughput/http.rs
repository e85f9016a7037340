//! HTTP/1.1 messages as bytes, for relaying them.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;

/// The bytes of a request or an answer.
#[derive(Debug, Default)]
pub struct Message {
    /// Including the empty line at its end.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Message {
    /// Replaces this message by the next one. Returns `false` at the end of the connection.
    pub fn read(&mut self, from: &mut BufReader<TcpStream>) -> io::Result<bool> {
        self.head.clear();
        self.body.clear();
        let mut length = 0;
        loop {
            let start = self.head.len();
            if from.read_until(b'\n', &mut self.head)? == 0 {
                return if self.head.is_empty() {
                    Ok(false)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            let line = String::from_utf8_lossy(&self.head[start..]).to_ascii_lowercase();
            match line.trim_end().split_once(':') {
                Some(("content-length", value)) => {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                Some(("transfer-encoding", _)) => {
                    return Err(io::Error::other("a body without a length"));
                }
                None if start > 0 && line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let read = from.take(length).read_to_end(&mut self.body)?;
        if read as u64 == length {
            Ok(true)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Returns the number of bytes on the wire.
    pub fn len(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }

    /// Returns method and path of a request: `POST /path`.
    pub fn method_and_path(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default();
        format!("{method} {}", words.next().unwrap_or_default())
    }
}

/// Returns a reader for large messages.
pub fn buffered(stream: TcpStream) -> io::Result<BufReader<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(BufReader::with_capacity(256 << 10, stream))
}
