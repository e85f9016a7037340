//! A small HTTP/1.1 server on loopback. A test chooses its answers, and reads the requests afterwards.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::listening::Listening;

/// A request that the server received.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path with the query, not decoded.
    pub path: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body. Empty if the server did not read it ([`Habits::longest_read`]).
    pub body: Vec<u8>,
    /// The time when its first line was read.
    pub at: Instant,
}

impl Request {
    /// Returns the value of a header. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// Returns the value of `Content-Length`.
    pub fn length(&self) -> usize {
        let length = self.header("content-length");
        length.map_or(0, |length| length.parse().unwrap())
    }
}

/// An answer, and the way in which it is sent.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
}

#[derive(Debug, Clone)]
enum Manner {
    Whole,
    /// Sends all of it, and closes the connection without announcing that.
    ThenClose,
    /// Announces this many bytes, sends fewer, and closes.
    Announcing(u64),
    /// Announces this many bytes, sends fewer or more, and keeps the connection open.
    Miscounted(u64),
    /// Sends this many bytes at a time, with this pause.
    Slowly(usize, Duration),
    /// Sends only the body, without HTTP, and closes.
    Raw,
    /// Sends only the body, without HTTP, and keeps the connection open.
    RawKept,
    /// Sends only the body, without HTTP, and then these bytes, with this pause, again and again until the
    /// client gives up.
    Endless(Vec<u8>, Duration),
    /// Sends half of it, and resets the connection.
    Reset,
    /// Sends nothing until the client gives up.
    Hang,
}

impl Answer {
    /// Returns an answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
            manner: Manner::Whole,
        }
    }

    /// Status 200 with a JSON body.
    pub fn ok(json: impl Into<Vec<u8>>) -> Answer {
        Answer::new(200, json).header("content-type", "application/json")
    }

    /// Returns an HTML page, as from a server other than Chroma.
    pub fn html(status: u16) -> Answer {
        let page = "<!doctype html><html><body><h1>It works!</h1></body></html>";
        Answer::new(status, page).header("content-type", "text/html")
    }

    /// Adds a header.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers write a number or a text"
    )]
    pub fn header(mut self, name: &str, value: impl ToString) -> Answer {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Closes the connection after the answer, without announcing it.
    pub fn then_close(self) -> Answer {
        self.manner(Manner::ThenClose)
    }

    /// Announces this length, sends the body, and closes the connection.
    pub fn announcing(self, length: u64) -> Answer {
        self.manner(Manner::Announcing(length))
    }

    /// Announces this length, sends the body, and keeps the connection open.
    pub fn miscounted(self, length: u64) -> Answer {
        self.manner(Manner::Miscounted(length))
    }

    /// Sends a byte at a time.
    pub fn slowly(self, pause: Duration) -> Answer {
        self.in_pieces(1, pause)
    }

    /// Sends this many bytes at a time.
    pub fn in_pieces(self, bytes: usize, pause: Duration) -> Answer {
        self.manner(Manner::Slowly(bytes, pause))
    }

    /// Sends these bytes instead of an HTTP answer, and closes the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer::new(0, bytes).manner(Manner::Raw)
    }

    /// Sends these bytes instead of an HTTP answer, and keeps the connection open.
    pub fn raw_kept(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer::new(0, bytes).manner(Manner::RawKept)
    }

    /// Sends `start`, and then `piece` again and again until the client gives up.
    pub fn endless(start: &str, piece: impl Into<Vec<u8>>) -> Answer {
        Answer::dribbling(start, piece, Duration::ZERO)
    }

    /// Sends `start`, and then `piece` again and again, with a pause, until the client gives up. Sends nothing
    /// more if `piece` is empty.
    pub fn dribbling(start: &str, piece: impl Into<Vec<u8>>, pause: Duration) -> Answer {
        Answer::new(0, start).manner(Manner::Endless(piece.into(), pause))
    }

    /// Closes the connection without an answer.
    pub fn close() -> Answer {
        Answer::raw("")
    }

    /// Sends nothing until the client gives up.
    pub fn hang() -> Answer {
        Answer::new(0, "").manner(Manner::Hang)
    }

    /// Resets the connection without an answer.
    pub fn reset() -> Answer {
        Answer::new(0, "").manner(Manner::Reset)
    }

    /// Resets the connection after half of this answer.
    pub fn then_reset(self) -> Answer {
        self.manner(Manner::Reset)
    }

    /// Returns the status, or 0 for an answer without HTTP.
    pub fn status(&self) -> u16 {
        self.status
    }

    fn manner(mut self, manner: Manner) -> Answer {
        self.manner = manner;
        self
    }

    /// Sends the answer. Returns whether the connection can be used again.
    pub fn send(&self, mut to: &TcpStream) -> io::Result<bool> {
        let length = match &self.manner {
            Manner::Hang => {
                // Returns when the client gives up, or when the server is dropped.
                to.read_to_end(&mut Vec::new())?;
                return Ok(false);
            }
            Manner::Raw | Manner::RawKept => {
                to.write_all(&self.body)?;
                return Ok(matches!(self.manner, Manner::RawKept));
            }
            Manner::Endless(piece, pause) => {
                to.write_all(&self.body)?;
                if piece.is_empty() {
                    to.read_to_end(&mut Vec::new())?;
                    return Ok(false);
                }
                // An error ends it: the client has closed the connection, or the server is dropped.
                loop {
                    to.write_all(piece)?;
                    thread::sleep(*pause);
                }
            }
            Manner::Announcing(length) | Manner::Miscounted(length) => *length,
            _ => self.body.len() as u64,
        };
        let mut bytes = format!("HTTP/1.1 {} Status\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&self.body);
        match self.manner {
            Manner::Slowly(piece, pause) => {
                for piece in bytes.chunks(piece) {
                    to.write_all(piece)?;
                    thread::sleep(pause);
                }
            }
            Manner::Reset => {
                if self.status != 0 {
                    to.write_all(&bytes[..bytes.len() / 2])?;
                }
                // With this option, closing the socket sends a reset instead of an end of the stream.
                SockRef::from(to).set_linger(Some(Duration::ZERO))?;
            }
            _ => to.write_all(&bytes)?,
        }
        Ok(matches!(
            self.manner,
            Manner::Whole | Manner::Slowly(..) | Manner::Miscounted(_)
        ))
    }
}

/// The way a server treats connections, independent of its answers.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// The number of connections that the server closes without reading from them.
    pub drop_first: usize,
    /// The longest body that the server reads. It answers the head of a longer request and closes the
    /// connection, so that the client gets a broken pipe.
    pub longest_read: usize,
    /// Whether requests are dropped after the answer, for tests with very many of them.
    pub forget: bool,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            drop_first: 0,
            longest_read: usize::MAX,
            forget: false,
        }
    }
}

type Answering = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    habits: Habits,
    answering: Answering,
    requests: Mutex<Vec<Request>>,
}

/// The server. It answers requests until it is dropped.
pub struct StandIn {
    listening: Listening,
    shared: Arc<Shared>,
}

impl StandIn {
    /// Starts a server that answers each request by `answer`.
    pub fn start(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> StandIn {
        StandIn::with_habits(Habits::default(), answer)
    }

    /// Starts a server that gives these answers, one after the other, and status 418 after them.
    pub fn script(answers: impl IntoIterator<Item = Answer>) -> StandIn {
        StandIn::start(script(answers))
    }

    /// Starts a server with these habits.
    pub fn with_habits(
        habits: Habits,
        answer: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> StandIn {
        StandIn::on_listener(TcpListener::bind("127.0.0.1:0").unwrap(), habits, answer)
    }

    /// Starts a server on this listener.
    pub fn on_listener(
        listener: TcpListener,
        habits: Habits,
        answer: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> StandIn {
        let one_by_one = Mutex::new(answer);
        StandIn::concurrent(listener, habits, move |request| lock(&one_by_one)(request))
    }

    /// Starts a server that calls `answer` from several threads at the same time.
    pub fn concurrent(
        listener: TcpListener,
        habits: Habits,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> StandIn {
        let shared = Arc::new(Shared {
            habits,
            answering: Box::new(answer),
            requests: Mutex::default(),
        });
        let serving = shared.clone();
        StandIn {
            listening: Listening::start(listener, move |number, stream| {
                if number < serving.habits.drop_first {
                    return Ok(());
                }
                serve(stream, &serving)
            }),
            shared,
        }
    }

    /// Returns the address of the server.
    pub fn url(&self) -> String {
        self.listening.url()
    }

    /// Returns all requests so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Returns the requests whose path ends with `end`.
    pub fn requests_to(&self, end: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path.ends_with(end));
        requests
    }

    /// The number of connections that clients have made so far.
    pub fn connections(&self) -> usize {
        self.listening.connections()
    }

    /// The number of connections that the server has not closed yet.
    pub fn open_connections(&self) -> usize {
        self.listening.open_connections()
    }
}

/// Returns a function that gives one answer to each request, in order.
pub fn script(
    answers: impl IntoIterator<Item = Answer>,
) -> impl FnMut(&Request) -> Answer + Send + 'static {
    let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
    move |_| {
        answers
            .next()
            .unwrap_or(Answer::new(418, "the script is over"))
    }
}

/// Locks a mutex, even if a thread has panicked with it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    // Without this, the end of a large answer waits for an acknowledgement of the rest.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(mut request) = read_head(&mut reader)? {
        assert_eq!(
            request.header("transfer-encoding"),
            None,
            "bodies come with their length"
        );
        let length = request.length();
        let whole = length <= shared.habits.longest_read;
        if whole {
            request.body.resize(length, 0);
            reader.read_exact(&mut request.body)?;
        }
        if !shared.habits.forget {
            lock(&shared.requests).push(request.clone());
        }
        // No lock is held while the answer is sent, so a slow answer does not delay others.
        let answer = (shared.answering)(&request);
        if !answer.send(stream)? || !whole {
            break;
        }
    }
    Ok(())
}

/// Reads the next request without its body. Returns `None` if the client has closed the connection.
pub fn read_head(from: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let at = Instant::now();
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some(Request {
        method,
        path,
        headers,
        body: Vec::new(),
        at,
    }))
}
