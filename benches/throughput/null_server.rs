//! A server that does no work: it reads each request to its end, and sends the recorded answer byte for byte.
//! It runs in another process, so that its work is not counted as the client's.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use crate::http::{Message, buffered};
use crate::recorder::Exchange;

/// The first argument of the other process.
pub const ARGUMENT: &str = "--null-server";

/// A request with a longer body is a write. All writes to a path have the same answer, whatever their
/// content.
const MAX_READ: usize = 64 << 10;

/// Bytes received and sent, including heads.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

impl Traffic {
    pub fn since(self, before: Traffic) -> Traffic {
        Traffic {
            received: self.received - before.received,
            sent: self.sent - before.sent,
        }
    }
}

/// The other process. It ends when this is dropped, or when this process ends.
pub struct NullServer {
    child: Child,
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    url: String,
}

impl NullServer {
    /// Starts a server with the recorded answers.
    pub fn start<'a>(
        recorded: impl Iterator<Item = &'a Exchange>,
    ) -> Result<NullServer, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut commands = child.stdin.take().ok_or("no pipe to the null server")?;
        let replies = child.stdout.take().ok_or("no pipe from the null server")?;
        for Exchange { request, answer } in recorded {
            let path = request.method_and_path();
            if request.body.len() > MAX_READ {
                send(&mut commands, &[path.as_bytes()])?;
            } else {
                send(&mut commands, &[&key(&path, &request.body)])?;
            }
            send(&mut commands, &[&answer.head, &answer.body])?;
        }
        send(&mut commands, &[])?;
        let mut server = NullServer {
            child,
            commands: Some(commands),
            replies: BufReader::new(replies),
            url: String::new(),
        };
        server.url = format!("http://127.0.0.1:{}", server.reply()?);
        Ok(server)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the traffic so far.
    pub fn traffic(&mut self) -> Result<Traffic, Box<dyn Error>> {
        let mut commands = self.commands.as_ref().ok_or("no pipe")?;
        commands.write_all(b"traffic\n")?;
        let reply = self.reply()?;
        let (received, sent) = reply.split_once(' ').ok_or("incomplete reply")?;
        Ok(Traffic {
            received: received.parse()?,
            sent: sent.parse()?,
        })
    }

    fn reply(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.replies.read_line(&mut line)?;
        match line.trim_end() {
            "" => Err("the null server ended".into()),
            line => Ok(line.to_owned()),
        }
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.child.wait();
    }
}

/// Returns the key of a request whose answer depends on its body.
fn key(path: &str, body: &[u8]) -> Vec<u8> {
    [path.as_bytes(), b"\n", body].concat()
}

/// Sends the length in eight bytes, and then the bytes.
fn send(to: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    to.write_all(&(length as u64).to_le_bytes())?;
    parts.iter().try_for_each(|part| to.write_all(part))
}

fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[derive(Default)]
struct Shared {
    answers: HashMap<Vec<u8>, Vec<u8>>,
    received: AtomicU64,
    sent: AtomicU64,
}

/// Runs the other process: reads the answers from standard input, prints its port, and answers until the
/// input ends.
pub fn main() -> Result<(), Box<dyn Error>> {
    let mut input = io::stdin().lock();
    let mut shared = Shared::default();
    loop {
        let key = receive(&mut input)?;
        if key.is_empty() {
            break;
        }
        shared.answers.insert(key, receive(&mut input)?);
    }
    let shared = Arc::new(shared);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    let for_connections = shared.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = for_connections.clone();
            thread::spawn(move || answer(stream, &shared));
        }
    });
    for command in input.lines() {
        command?;
        let (received, sent) = (&shared.received, &shared.sent);
        println!("{} {}", received.load(SeqCst), sent.load(SeqCst));
    }
    Ok(())
}

fn answer(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    const UNKNOWN: &[u8] = b"HTTP/1.1 501 Not recorded\r\ncontent-length: 0\r\n\r\n";

    let mut stream = buffered(stream)?;
    let mut request = Message::default();
    while request.read(&mut stream)? {
        let path = request.method_and_path();
        let write = shared.answers.get(path.as_bytes());
        let answer = write.or_else(|| shared.answers.get(&key(&path, &request.body)));
        let answer = answer.map_or(UNKNOWN, Vec::as_slice);
        // Counts before sending, because the client may ask for the traffic as soon as it has the answer.
        shared.received.fetch_add(request.len(), SeqCst);
        shared.sent.fetch_add(answer.len() as u64, SeqCst);
        stream.get_mut().write_all(answer)?;
    }
    Ok(())
}
