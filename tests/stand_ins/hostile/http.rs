//! Responses that break HTTP, or that never end.

use std::time::Duration;

use super::Ends::{Connection, Decode, Informed, Server, Timeout};
use super::{
    CHUNKED, Ends, Faults, Hostile, MAX_RESPONSE, OK, OVERHEAD, PATIENCE, TIMEOUT, in_time,
};
use crate::support::records;
use crate::support::stand_in::Answer;
use chroma_blocking::{Collection, Result};
#[cfg(feature = "gemini")]
use chroma_blocking::{EmbeddingFunction, Error, Gemini, RetryPolicy};

const FIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";

fn head(lines: &str) -> Answer {
    Answer::raw_kept(format!("{OK}{lines}\r\n\"1.0.\""))
}

/// The fault of a response, the response, and the outcome of a call that gets it.
type Case = (&'static str, Answer, Ends);

/// Responses that break HTTP.
fn broken_http() -> Vec<Case> {
    [heads(), statuses(), lengths(), chunks(), bodies()].concat()
}

/// Responses with broken headers.
fn heads() -> Vec<Case> {
    let repeated = |line: &str, count| format!("{OK}{}\r\n", line.repeat(count));
    vec![
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
            "100 with headers",
            Answer::raw("HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n"),
            Decode,
        ),
        ("a NUL in a header", head("x-a: b\0c\r\n"), Decode),
        (
            "a header without a colon",
            head("content-length 5\r\n"),
            Decode,
        ),
    ]
}

/// Responses whose first line is not that of a success in HTTP/1.1.
fn statuses() -> Vec<Case> {
    vec![
        (
            "an endless status line",
            Answer::endless("HTTP/1.1 200 ", "O".repeat(64)),
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

/// Responses whose length is wrong.
fn lengths() -> Vec<Case> {
    vec![
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
    ]
}

/// Responses with broken or endless chunks.
fn chunks() -> Vec<Case> {
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
            "an endless size of a chunk",
            Answer::endless(CHUNKED, "0".repeat(64)),
            Connection,
        ),
        (
            "an endless trailer",
            Answer::endless(&format!("{CHUNKED}1\r\n1\r\n0\r\nx-a: "), "b".repeat(64)),
            Connection,
        ),
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
    ]
}

/// Responses with bodies that break off, are too large, or are encoded.
fn bodies() -> Vec<Case> {
    vec![
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
            "an unknown encoding",
            Answer::ok("xyz").header("content-encoding", "x"),
            Decode,
        ),
        (
            "an error with an endless body",
            Answer::endless("HTTP/1.1 500 No\r\n\r\n", "x".repeat(4096)),
            Server,
        ),
    ]
}

/// Responses that have no end until the client gives up.
fn endless_http() -> Vec<Case> {
    [endless_heads(), endless_bodies()].concat()
}

fn endless_heads() -> Vec<Case> {
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
            "half a response, and silence",
            Answer::dribbling(FIVE, "", byte),
            Timeout,
        ),
    ]
}

fn endless_bodies() -> Vec<Case> {
    let byte = Duration::from_millis(20);
    vec![
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
            "an error with a slow body",
            Answer::dribbling("HTTP/1.1 500 No\r\n\r\n", "x", byte),
            Server,
        ),
    ]
}

type Call = fn(&Collection) -> Result<()>;

/// The calls that each hostile answer meets: one that reads a little, one that reads rows, and a write.
const CALLS: [Call; 3] = [
    |abc| abc.client().version().map(drop),
    |abc| abc.get().run().map(drop),
    |abc| abc.upsert(records(1)),
];

/// Makes each of the calls with each of these responses to a client with this timeout. Most of the time is
/// waiting, so all cases run at the same time.
fn check_calls(cases: &[Case], calls: fn(usize) -> Vec<Call>, at_a_time: usize, timeout: Duration) {
    let found = Faults::default();
    let faults = &found;
    std::thread::scope(|scope| {
        for (index, cases) in cases.chunks(at_a_time).enumerate() {
            for call in calls(index) {
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
    check_calls(&broken_http(), |_| CALLS.to_vec(), 8, PATIENCE);
}

#[test]
fn secure_00_every_call_ends_by_its_timeout_if_the_response_never_does() {
    // Some of these keep a core busy until then, so each meets one of the calls.
    check_calls(
        &endless_http(),
        |index| vec![CALLS[index % CALLS.len()]],
        1,
        TIMEOUT,
    );
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
