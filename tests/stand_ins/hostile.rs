//! A hostile server: each of its responses breaks HTTP or JSON in another way. Each call must end with an
//! error of the right kind, in bounded time and memory, and the client must then work with a good server
//! at the same address.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::stand_in::{Answer, Request, StandIn, lock};
use crate::support::*;
use chroma_blocking::{Client, Collection, Error, Include, Result, RetryPolicy};
#[cfg(feature = "gemini")]
use chroma_blocking::{EmbeddingFunction, Gemini};
use serde_json::json;

/// The timeout of each attempt. Responses that never end are ended by it.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a call may take on a busy machine, far less than the default timeout of ten minutes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest response that the client reads.
const MAX_RESPONSE: u64 = 1 << 20;
/// What a call may hold in addition to twice the largest response: buffers of the connection, the rows.
const OVERHEAD: u64 = 2 << 20;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const FIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";

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
    /// As [`Decode`] or [`Timeout`], depending on who is faster.
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

fn head(lines: &str) -> Answer {
    Answer::raw_kept(format!("{OK}{lines}\r\n\"1.0.\""))
}

/// What is wrong with a response, the response, and how a call ends that gets it.
type Case = (&'static str, Answer, Ends);

/// Responses that break HTTP.
fn broken_http() -> Vec<Case> {
    let repeated = |line: &str, count| format!("{OK}{}\r\n", line.repeat(count));
    vec![
        (
            "endless chunks",
            Answer::endless(CHUNKED, "400\r\n".to_owned() + &" ".repeat(1024) + "\r\n"),
            Decode,
        ),
        (
            "an endless chunk",
            Answer::endless(&format!("{CHUNKED}ffffffffffff\r\n"), " ".repeat(4096)),
            Decode,
        ),
        (
            "an endless body",
            Answer::endless("HTTP/1.1 200 OK\r\n\r\n", " ".repeat(4096)),
            Decode,
        ),
        (
            "a body of an exabyte",
            Answer::endless(
                "HTTP/1.1 200 OK\r\ncontent-length: 1152921504606846976\r\n\r\n",
                " ".repeat(4096),
            ),
            Decode,
        ),
        (
            "an endless size of a chunk",
            Answer::endless(CHUNKED, "0".repeat(64)),
            Connection,
        ),
        ("endless headers", Answer::endless(OK, "x-a: b\r\n"), Decode),
        (
            "an endless header",
            Answer::endless(&format!("{OK}x-a: "), "b".repeat(64)),
            Decode,
        ),
        (
            "an endless name of a header",
            Answer::endless(OK, "b".repeat(64)),
            Decode,
        ),
        (
            "an endless status line",
            Answer::endless("HTTP/1.1 200 ", "O".repeat(64)),
            Decode,
        ),
        (
            "a header of a megabyte",
            head(&format!("x-a: {}\r\n", "b".repeat(1 << 20))),
            Decode,
        ),
        (
            "a thousand headers",
            Answer::raw_kept(repeated("x-a: b\r\n", 1_000)),
            Decode,
        ),
        (
            "an endless trailer",
            Answer::endless(&format!("{CHUNKED}1\r\n1\r\n0\r\nx-a: "), "b".repeat(64)),
            Connection,
        ),
        (
            "100 with headers",
            Answer::raw("HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n"),
            Decode,
        ),
        (
            "100 and no more",
            Answer::raw("HTTP/1.1 100 Continue\r\n\r\n"),
            Connection,
        ),
        (
            "101",
            Answer::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nabc"),
            Server,
        ),
        ("HTTP/0.9", Answer::raw("\"1.0.0\""), Decode),
        ("HTTP/2", Answer::raw("HTTP/2 200\r\n\r\n"), Decode),
        ("HTTP/3.7", Answer::raw("HTTP/3.7 200 OK\r\n\r\n"), Decode),
        (
            "a preface of HTTP/2",
            Answer::raw(&b"\0\0\x12\x04\0\0\0\0\0"[..]),
            Decode,
        ),
        ("no status", Answer::raw("HTTP/1.1\r\n\r\n"), Decode),
        ("status 0", Answer::raw("HTTP/1.1 000 No\r\n\r\n"), Decode),
        ("status -1", Answer::raw("HTTP/1.1 -1 No\r\n\r\n"), Decode),
        (
            "status 1000",
            Answer::raw("HTTP/1.1 1000 No\r\n\r\n"),
            Decode,
        ),
        (
            "status 999",
            Answer::raw("HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n"),
            Server,
        ),
        (
            "a status in words",
            Answer::raw("HTTP/1.1 two hundred\r\n\r\n"),
            Decode,
        ),
        ("garbage", Answer::raw(vec![0xff; 4096]), Decode),
        (
            "endless garbage",
            Answer::endless("", vec![0; 4096]),
            Decode,
        ),
        (
            "TLS",
            Answer::raw(&b"\x15\x03\x01\0\x02\x02\x46"[..]),
            Decode,
        ),
        ("a NUL in a header", head("x-a: b\0c\r\n"), Decode),
        (
            "a header without a colon",
            head("content-length 5\r\n"),
            Decode,
        ),
        (
            "a length that is too long",
            Answer::raw(format!("{OK}content-length: 9\r\n\r\n\"1.0\"")),
            Connection,
        ),
        (
            "a length that is too short",
            Answer::raw_kept(format!("{OK}content-length: 3\r\n\r\n\"1.0.0\"")),
            Decode,
        ),
        (
            "two lengths",
            head("content-length: 5\r\ncontent-length: 6\r\n"),
            Decode,
        ),
        (
            "two lengths in one",
            head("content-length: 5, 6\r\n"),
            Decode,
        ),
        ("a negative length", head("content-length: -5\r\n"), Decode),
        (
            "a length with a sign",
            head("content-length: +6\r\n"),
            Decode,
        ),
        (
            "a length in hexadecimal",
            head("content-length: 0x6\r\n"),
            Decode,
        ),
        (
            "a length beyond 64 bits",
            head("content-length: 18446744073709551622\r\n"),
            Decode,
        ),
        ("no length at all", head("content-length: \r\n"), Decode),
        (
            "chunked and a length",
            Answer::raw_kept(format!(
                "{OK}content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n\"1.0.0\"\r\n"
            )),
            Decode,
        ),
        (
            "a chunk without a size",
            Answer::raw_kept(format!("{CHUNKED}\r\n")),
            Decode,
        ),
        (
            "a chunk of a negative size",
            Answer::raw_kept(format!("{CHUNKED}-1\r\n1\r\n")),
            Decode,
        ),
        (
            "a chunk beyond 64 bits",
            Answer::raw_kept(format!("{CHUNKED}11111111111111111\r\n1")),
            Decode,
        ),
        (
            "a chunk longer than its size",
            Answer::raw_kept(format!("{CHUNKED}1\r\n123\r\n0\r\n\r\n")),
            Decode,
        ),
        (
            "a chunk that is cut off",
            Answer::raw(format!("{CHUNKED}9\r\n\"1.0")),
            Connection,
        ),
        (
            "no last chunk",
            Answer::raw(format!("{CHUNKED}7\r\n\"1.0.0\"\r\n")),
            Connection,
        ),
        (
            "a reset in the middle",
            Answer::ok("\"1.0.0\"").then_reset(),
            Connection,
        ),
        (
            "gzip that was not asked for",
            Answer::ok(&b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x53\x32\xd4\x33\xd0\x33\x50\x02\0"[..])
                .header("content-encoding", "gzip"),
            Decode,
        ),
        (
            "an encoding that nobody knows",
            Answer::ok("xyz").header("content-encoding", "x"),
            Decode,
        ),
        (
            "an error with an endless body",
            Answer::endless("HTTP/1.1 500 No\r\n\r\n", "x".repeat(4096)),
            Server,
        ),
        (
            "a redirect to itself",
            Answer::new(302, "").header("location", "/"),
            Server,
        ),
        (
            "204",
            Answer::raw_kept("HTTP/1.1 204 No\r\ncontent-length: 7\r\n\r\n\"1.0.0\""),
            Decode,
        ),
        (
            "304",
            Answer::raw_kept("HTTP/1.1 304 No\r\ncontent-length: 7\r\n\r\n\"1.0.0\""),
            Server,
        ),
    ]
}

/// Responses that have no end until the client gives up.
fn endless_http() -> Vec<Case> {
    let byte = Duration::from_millis(20);
    vec![
        (
            "a slow head",
            Answer::dribbling(OK, "x-a: b\r\n", byte),
            Timeout,
        ),
        ("no head", Answer::hang(), Timeout),
        (
            "half a head",
            Answer::dribbling("HTTP/1.1 200", "", byte),
            Timeout,
        ),
        (
            "a slow body",
            Answer::dribbling(
                "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n[",
                "1",
                byte,
            ),
            Timeout,
        ),
        (
            "slow chunks",
            Answer::dribbling(CHUNKED, "1\r\n1\r\n", byte),
            Timeout,
        ),
        (
            "a slow body without a length",
            Answer::dribbling("HTTP/1.0 200 OK\r\n\r\n", "1", byte),
            Timeout,
        ),
        (
            "empty chunks",
            Answer::endless(&format!("{CHUNKED}1\r\n1\r\n"), "0;x\r\n"),
            Timeout,
        ),
        (
            "endless trailers",
            Answer::endless(&format!("{CHUNKED}1\r\n1\r\n0\r\n"), "x-a: b\r\n"),
            Timeout,
        ),
        (
            "slow 103",
            Answer::dribbling("", "HTTP/1.1 103 Early Hints\r\n\r\n", byte),
            Timeout,
        ),
        (
            "endless 100",
            Answer::endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
            Informed,
        ),
        (
            "endless 102",
            Answer::endless("", "HTTP/1.1 102 Processing\r\n\r\n"),
            Informed,
        ),
        (
            "endless 103",
            Answer::endless("", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"),
            Informed,
        ),
        (
            "an error with a slow body",
            Answer::dribbling("HTTP/1.1 500 No\r\n\r\n", "x", byte),
            Server,
        ),
        (
            "half a response, and silence",
            Answer::dribbling(FIVE, "", byte),
            Timeout,
        ),
    ]
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
            server: StandIn::concurrent(listener, Default::default(), answer),
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

/// What was wrong, in all threads of a test.
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

/// The calls that each hostile answer meets: one that reads a little, one that reads rows, and a write.
const CALLS: [fn(&Collection) -> Result<()>; 3] = [
    |abc| abc.client().version().map(drop),
    |abc| abc.get().run().map(drop),
    |abc| abc.upsert(records(1)),
];

/// Makes each of the calls with each of these responses to a client with this timeout. Most of the time is
/// waiting, so all cases run at the same time.
fn check_calls(cases: &[Case], at_a_time: usize, timeout: Duration) {
    let found = Faults::default();
    let faults = &found;
    std::thread::scope(|scope| {
        for call in CALLS {
            for cases in cases.chunks(at_a_time) {
                scope.spawn(move || {
                    let hostile = Hostile::start();
                    let client = hostile.client(timeout);
                    let abc = in_time(|| client.collection("abc").get()).unwrap();
                    in_time(|| client.pre_flight_checks()).unwrap();
                    for (what, answer, ends) in cases {
                        hostile.arm(answer);
                        let max = 2 * MAX_RESPONSE + OVERHEAD;
                        faults.check(what, *ends, max, || call(&abc));
                        // The client works with the good server that follows.
                        for call in CALLS {
                            faults.check_good(what, in_time(|| call(&abc)));
                        }
                    }
                });
            }
        }
    });
    found.assert_none();
}

#[test]
fn secure_00_every_call_ends_however_the_server_breaks_http() {
    check_calls(&broken_http(), 8, PATIENCE);
}

#[test]
fn secure_00_every_call_ends_by_its_timeout_if_the_response_never_does() {
    check_calls(&endless_http(), 1, TIMEOUT);
}

#[cfg(feature = "gemini")]
fn check_embedding(cases: &[Case], at_a_time: usize, timeout: Duration) {
    let found = Faults::default();
    let faults = &found;
    std::thread::scope(|scope| {
        for cases in cases.chunks(at_a_time) {
            scope.spawn(move || {
                let hostile = Hostile::start();
                let gemini = Gemini::builder()
                    .api_key("key")
                    .base_url(hostile.server.url())
                    .dimension(128)
                    .retry(RetryPolicy::none());
                let gemini = gemini.request_timeout(timeout).build().unwrap();
                let embed = || {
                    let embedded = gemini.embed_documents(&["text"]);
                    embedded.map_err(|error| *error.downcast::<Error>().unwrap())
                };
                for (what, answer, ends) in cases {
                    hostile.arm(answer);
                    // A response may have 100 vectors of 128 floats.
                    faults.check(what, *ends, 4 * MAX_RESPONSE + OVERHEAD, embed);
                    faults.check_good(what, in_time(embed));
                }
            });
        }
    });
    found.assert_none();
}

#[cfg(feature = "gemini")]
#[test]
fn secure_00_every_embedding_ends_however_the_server_breaks_http() {
    check_embedding(&broken_http(), 8, PATIENCE);
}

#[cfg(feature = "gemini")]
#[test]
fn secure_00_every_embedding_ends_by_its_timeout_if_the_response_never_does() {
    check_embedding(&endless_http(), 1, TIMEOUT);
}

/// Bodies that are no JSON, or JSON that is not what a `get` of all columns asks for.
fn broken_rows() -> Vec<(&'static str, Vec<u8>)> {
    let row = |columns: &str| format!(r#"{{"ids":["a"],{columns}}}"#).into_bytes();
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let mut with_bom = b"\xef\xbb\xbf".to_vec();
    with_bom.extend(row(r#""documents":["x"]"#));
    vec![
        ("nothing", Vec::new()),
        ("spaces", b" ".repeat(1000)),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a number", b"1e999".to_vec()),
        ("two values", row(r#""documents":["x"]"#).repeat(2)),
        ("a byte order mark", with_bom),
        ("lists 100,000 deep", deep("[", "]").into_bytes()),
        ("open lists", "[".repeat(100_000).into_bytes()),
        ("open objects", r#"{"a":"#.repeat(100_000).into_bytes()),
        (
            "a document 100,000 deep",
            row(&format!(r#""documents":{}"#, deep("[", "]"))),
        ),
        (
            "metadata 100,000 deep",
            row(&format!(r#""metadatas":[{}]"#, deep(r#"{"a":"#, "}"))),
        ),
        ("too few documents", row(r#""documents":[]"#)),
        ("too many documents", row(r#""documents":["x","y"]"#)),
        ("too many metadatas", row(r#""metadatas":[null,null]"#)),
        ("too few vectors", row(r#""embeddings":[]"#)),
        ("too many vectors", row(r#""embeddings":[[1.0],[1.0]]"#)),
        ("too many URIs", row(r#""uris":["x","y"]"#)),
        ("an empty vector", row(r#""embeddings":[[]]"#)),
        (
            "vectors of different lengths",
            br#"{"ids":["a","b"],"embeddings":[[1],[1,2]]}"#.to_vec(),
        ),
        ("NaN in a vector", row(r#""embeddings":[[NaN]]"#)),
        ("Infinity in a vector", row(r#""embeddings":[[Infinity]]"#)),
        (
            "minus infinity in a vector",
            row(r#""embeddings":[[-Infinity]]"#),
        ),
        ("NaN in metadata", row(r#""metadatas":[{"k":NaN}]"#)),
        (
            "Infinity in metadata",
            row(r#""metadatas":[{"k":Infinity}]"#),
        ),
        ("1e999 in metadata", row(r#""metadatas":[{"k":1e999}]"#)),
        ("bad UTF-8 in an id", b"{\"ids\":[\"\xff\xfe\"]}".to_vec()),
        (
            "bad UTF-8 in a document",
            b"{\"ids\":[\"a\"],\"documents\":[\"\xc3\x28\"]}".to_vec(),
        ),
        (
            "bad UTF-8 in a key",
            b"{\"ids\":[\"a\"],\"metadatas\":[{\"\xff\":1}]}".to_vec(),
        ),
        ("an overlong encoding", b"{\"ids\":[\"\xc0\xaf\"]}".to_vec()),
        ("a lone surrogate", br#"{"ids":["\ud800"]}"#.to_vec()),
        (
            "a lone surrogate in a document",
            row(r#""documents":["\udc00x"]"#),
        ),
        ("a half escape", br#"{"ids":["\u12"#.to_vec()),
        (
            "a raw line break in a string",
            b"{\"ids\":[\"a\nb\"]}".to_vec(),
        ),
        ("a NUL after the value", b"{\"ids\":[]}\0".to_vec()),
        ("an id that is null", br#"{"ids":[null]}"#.to_vec()),
        ("an id that is a number", br#"{"ids":[1]}"#.to_vec()),
        ("no ids", br#"{"documents":["x"]}"#.to_vec()),
        ("a document that is an object", row(r#""documents":[{}]"#)),
        ("metadata that is a string", row(r#""metadatas":["x"]"#)),
        ("a vector of strings", row(r#""embeddings":[["1"]]"#)),
        (
            "UTF-16",
            "{\"ids\":[]}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
    ]
}

#[test]
fn secure_00_rows_that_are_not_what_was_asked_for_are_errors_of_decoding() {
    let faults = Faults::default();
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    let all = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    for (what, body) in broken_rows() {
        // 12 times its size is the goal for any response.
        let max = 12 * body.len() as u64 + OVERHEAD;
        hostile.arm(&Answer::ok(body));
        let get = abc.get().include(all);
        faults.check(what, Decode, max, || get.run());
        faults.check_good(what, abc.get().run());
    }
    faults.assert_none();
}

#[test]
fn secure_00_keys_that_come_twice_make_no_rows_of_different_lengths() {
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    for body in [
        r#"{"ids":["a"],"ids":["b"],"documents":["x"]}"#,
        r#"{"ids":["a"],"documents":["x"],"documents":["y"]}"#,
        r#"{"ids":["a"],"embeddings":[[1]],"ids":["a","b"]}"#,
        r#"{"embeddings":[[1],[2]],"ids":["a"]}"#,
        r#"{"ids":["a"],"embeddings":[[1]],"embeddings":[[1,2]]}"#,
        r#"{"ids":["a"],"metadatas":[{"k":1,"k":"2"}]}"#,
        r#"{"ids":["a"],"documents":["x"],"documents":null}"#,
    ] {
        hostile.arm(&Answer::ok(body));
        match abc.get().run() {
            Ok(found) => {
                assert_eq!(found.iter().count(), found.len(), "{body}");
                let documents = found.documents.as_ref().map_or(found.len(), Vec::len);
                assert_eq!(documents, found.len(), "{body}");
                let vectors = found
                    .embeddings
                    .as_ref()
                    .map_or(found.len(), |all| all.len());
                assert_eq!(vectors, found.len(), "{body}");
            }
            Err(error) => assert_eq!(kind(&error), Some(Decode), "{body}: {error}"),
        }
        assert_eq!(abc.get().run().expect(body).ids, ["a"]);
    }
}

#[test]
fn secure_00_hits_that_are_not_what_was_asked_for_are_errors_of_decoding() {
    let faults = Faults::default();
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    for body in [
        r#"{"ids":[["a"]],"distances":[[NaN]]}"#,
        r#"{"ids":[["a"]],"distances":[["0.5"]]}"#,
        r#"{"ids":[["a"]],"distances":[null]}"#,
        r#"{"ids":[["a"]],"distances":null}"#,
        r#"{"ids":[["a"]],"distances":[[0.5,0.5]]}"#,
        r#"{"ids":[["a"],["b"]],"distances":[[0.5],[0.5]]}"#,
        r#"{"ids":[],"distances":[]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5]],"documents":[["x","y"]]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5]],"metadatas":[["x"]]}"#,
        r#"{"ids":null,"distances":[[0.5]]}"#,
        "[[[[",
        "",
    ] {
        hostile.arm(&Answer::ok(body));
        faults.check(body, Decode, OVERHEAD, || abc.query([0.5]).run());
        faults.check_good(body, abc.query([0.5]).run());
    }
    faults.assert_none();
}

#[test]
fn secure_00_a_response_that_is_cut_off_anywhere_is_an_error() {
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    let body = r#"{"ids":["a"],"documents":["x"]}"#;
    let with_length = format!("{OK}content-length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "{CHUNKED}5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &body[..5],
        body.len() - 5,
        &body[5..]
    );
    let to_the_end = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
    for whole in [with_length, chunked, to_the_end] {
        // Without a byte of a response, the client takes a kept connection for stale, and tries a new one.
        // After the last chunk, nothing can be missing but trailers.
        let needed = whole.len() - if whole.contains("chunked") { 2 } else { 0 };
        for length in 1..needed {
            let part = &whole[..length];
            hostile.arm(&Answer::raw(part));
            let error = abc.get().run().expect_err(part);
            let ends = kind(&error).expect(part);
            assert!(matches!(ends, Connection | Decode), "{part:?}: {error:#}");
        }
        hostile.arm(&Answer::raw(whole.as_str()));
        assert_eq!(abc.get().run().unwrap().ids, ["a"]);
    }
    assert_eq!(abc.count().unwrap(), 7);
}
