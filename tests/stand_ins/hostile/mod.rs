//! A hostile server: each of its responses breaks HTTP or JSON in another way. Each call must end with an
//! error of the right kind, in bounded time and memory, and the client must then work with a good server
//! at the same address.

mod http;
mod json;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::stand_in::{Answer, Habits, Request, StandIn, lock};
use crate::support::*;
use chroma_blocking::{Client, Error, Result, RetryPolicy};
use serde_json::json;

/// The timeout of each attempt. Responses that never end are ended by it.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a call may take on a busy machine, far less than the default timeout of ten minutes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest response that the client reads.
const MAX_RESPONSE: u64 = 1 << 20;
/// The memory of a call in addition to twice the largest response: buffers of the connection, the rows.
const OVERHEAD: u64 = 2 << 20;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The kinds of results of a call with a hostile server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// The response breaks the protocol, or is not what was asked for.
    Decode,
    /// The server closed the connection.
    Connection,
    Timeout,
    /// A status that is not a success.
    Server,
    /// As [`Decode`] or [`Timeout`], whichever comes first.
    Informed,
}

use Ends::{Connection, Decode, Informed, Server, Timeout};

fn kind(error: &Error) -> Option<Ends> {
    match error {
        // Without a heartbeat, a response that cannot be read is not from Chroma.
        Error::Decode { .. } | Error::NotChroma { .. } => Some(Decode),
        Error::Connection { .. } => Some(Connection),
        Error::Timeout { .. } => Some(Timeout),
        Error::Server { .. } | Error::Unsupported { .. } => Some(Server),
        _ => None,
    }
}

/// A server that gives a hostile answer to the first request after [`arm`](Hostile::arm), and good ones to
/// all others.
struct Hostile {
    server: StandIn,
    next: Arc<Mutex<Option<Answer>>>,
}

impl Hostile {
    fn start() -> Hostile {
        let next: Arc<Mutex<Option<Answer>>> = Arc::default();
        let armed = next.clone();
        let answer = move |request: &Request| lock(&armed).take().unwrap_or_else(|| good(request));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Hostile {
            server: StandIn::concurrent(listener, Habits::default(), answer),
            next,
        }
    }

    fn arm(&self, answer: &Answer) {
        *lock(&self.next) = Some(answer.clone());
    }

    /// Returns a client without retries.
    fn client(&self, timeout: Duration) -> Client {
        let builder = builder(&self.server.url()).retry(RetryPolicy::none());
        let builder = builder.request_timeout(timeout);
        builder.max_response_size(MAX_RESPONSE).build().unwrap()
    }
}

fn good(request: &Request) -> Answer {
    Answer::ok(match request.path.rsplit('/').next().unwrap() {
        "heartbeat" => r#"{"nanosecond heartbeat":1}"#,
        "version" => "\"1.0.0\"",
        "pre-flight-checks" => LIMITS,
        "get" => r#"{"ids":["a"],"documents":["x"],"metadatas":[{"k":1}]}"#,
        "query" => HITS,
        "count" => "7",
        "abc" => COLLECTION,
        path if path.contains("batchEmbedContents") => {
            let vector = vec![0.5; 128];
            return Answer::ok(json!({ "embeddings": [{ "values": vector }] }).to_string());
        }
        _ => "{}",
    })
}

/// The failures in all threads of a test.
#[derive(Default)]
struct Faults(Mutex<Vec<String>>);

impl Faults {
    /// Makes a call, and checks how it ends, its time and its memory.
    fn check<T>(&self, what: &str, ends: Ends, max_bytes: u64, call: impl FnOnce() -> Result<T>) {
        let started = Instant::now();
        let mut result = None;
        let info = allocation_counter::measure(|| result = Some(call()));
        let (took, held) = (started.elapsed(), info.bytes_max);
        if took > PATIENCE || held > max_bytes {
            self.add(format!("{what}: {took:?}, {held} bytes"));
        }
        match result.unwrap() {
            Ok(_) => self.add(format!("{what}: it succeeded")),
            Err(error) if kind(&error) == Some(ends) => {}
            Err(error) if ends == Informed && matches!(kind(&error), Some(Decode | Timeout)) => {}
            Err(error) => self.add(format!("{what}: {error:#}, not {ends:?}")),
        }
    }

    /// Checks that a call with a good server succeeds.
    fn check_good<T>(&self, what: &str, result: Result<T>) {
        if let Err(error) = result {
            self.add(format!("after {what}: {error:#}"));
        }
    }

    fn add(&self, fault: String) {
        lock(&self.0).push(fault);
    }

    fn assert_none(self) {
        assert_none("wrong", self.0.into_inner().unwrap());
    }
}

/// Makes a call with a good server, and again as long as it is too late: the machine may be busy.
fn in_time<T>(call: impl Fn() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        match call() {
            Err(Error::Timeout { .. }) if started.elapsed() < PATIENCE => {}
            result => return result,
        }
    }
}
