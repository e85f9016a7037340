//! HTTP/1.1 messages, as bytes: as much of it as passing them on takes.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;

/// A request or an answer, to the byte.
#[derive(Debug, Default)]
pub struct Message {
    /// With the empty line at its end.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Message {
    /// The next message in place of this one; `false` at the end of the connection.
    pub fn read(&mut self, from: &mut BufReader<TcpStream>) -> io::Result<bool> {
        self.head.clear();
        self.body.clear();
        let mut length = 0;
        loop {
            let start = self.head.len();
            if from.read_until(b'\n', &mut self.head)? == 0 {
                return match self.head.is_empty() {
                    true => Ok(false),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
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
        match read as u64 == length {
            true => Ok(true),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Bytes on the wire.
    pub fn len(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }

    /// Of a request: `POST /path`.
    pub fn method_and_path(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default();
        format!("{method} {}", words.next().unwrap_or_default())
    }
}

/// For reading large messages.
pub fn buffered(stream: TcpStream) -> io::Result<BufReader<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(BufReader::with_capacity(256 << 10, stream))
}
