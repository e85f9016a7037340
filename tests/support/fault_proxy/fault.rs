//! [`Fault`]: a fault between client and server, and the plans that choose faults.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::support::random::Random;
use crate::support::stand_in::{Answer, Request};

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    // The upstream does not receive the request.
    /// Resets a new connection before reading a byte. Resets an open connection at the next request.
    Refuse,
    /// Resets the connection after half of the request body.
    ResetInside,
    /// Resets the connection after the whole request.
    ResetBefore,
    /// Sends nothing until the client gives up.
    HangBefore,
    GarbageBefore,

    // The upstream executes the request, and the client does not get the answer.
    ResetAfter,
    HangAfter,
    GarbageAfter,
    /// Sends the right length and half of the body, and closes the connection.
    CutBody,
    /// Sends a chunked answer without its last chunk.
    CutChunks,
    /// Announces more bytes than the body has, and sends nothing after it.
    TooLong,
    /// Announces fewer bytes than the body has. The client has to notice the missing end, so a bare number is
    /// cut to nothing: a part of a number is a number as well.
    TooShort,

    // The client gets the answer.
    /// Delays the request.
    Delay,
    /// Sends the answer in small pieces.
    Trickle,
    /// Closes the connection after the answer without announcing it, so that it becomes stale in the client's
    /// pool.
    CloseAfter,

    /// Sends the answer of a gateway.
    Status {
        code: u16,
        /// The value of `Retry-After`, in seconds.
        retry_after: Option<u64>,
        /// Whether the upstream executes the request.
        acted: bool,
    },
}

use Fault::*;

const fn status(code: u16, retry_after: Option<u64>, acted: bool) -> Fault {
    Status {
        code,
        retry_after,
        acted,
    }
}

/// All faults. Answers that claim no effect (429, and 503 with `Retry-After`) are true.
pub const ALL: [Fault; 32] = [
    Refuse,
    ResetInside,
    ResetBefore,
    HangBefore,
    GarbageBefore,
    ResetAfter,
    HangAfter,
    GarbageAfter,
    CutBody,
    CutChunks,
    TooLong,
    TooShort,
    Delay,
    Trickle,
    CloseAfter,
    status(429, None, false),
    status(429, Some(0), false),
    status(429, Some(1), false),
    status(500, None, false),
    status(500, None, true),
    status(500, Some(0), false),
    status(500, Some(0), true),
    status(502, None, false),
    status(502, None, true),
    status(502, Some(0), true),
    status(503, None, false),
    status(503, Some(0), false),
    status(503, Some(1), false),
    status(504, None, false),
    status(504, None, true),
    status(504, Some(0), false),
    status(504, Some(0), true),
];

/// Answers of a program without HTTP, of a server other than Chroma, and of one that sends nonsense.
const GARBAGE: [&[u8]; 3] = [
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>ok</html>",
    b"\0\xff\x16\x03\x01\r\n\r\n\xfe{}",
];

impl Fault {
    /// Returns whether the upstream receives the request.
    pub fn reaches_upstream(self) -> bool {
        match self {
            Refuse | ResetInside | ResetBefore | HangBefore | GarbageBefore => false,
            Status { acted, .. } => acted,
            _ => true,
        }
    }

    /// Returns what the client gets instead of this answer of the upstream, which is empty if the upstream
    /// did not receive the request. `number` is the number of the request.
    pub(super) fn answer(self, answer: &Upstreams, number: usize) -> Answer {
        let body = &answer.body;
        let length = body.len() as u64;
        match self {
            Refuse | ResetInside | ResetBefore | ResetAfter => Answer::reset(),
            HangBefore | HangAfter => Answer::hang(),
            GarbageBefore | GarbageAfter => Answer::raw(GARBAGE[number % GARBAGE.len()]),
            // An empty body has no half, so the head is cut instead.
            CutBody if body.is_empty() => Answer::raw("HTTP/1.1 200 OK\r\ncontent-le"),
            CutBody => answer.with(&body[..body.len() / 2]).announcing(length),
            CutChunks => {
                let half = &body[..body.len() / 2];
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let mut bytes = format!("{head}{:x}\r\n", half.len()).into_bytes();
                bytes.extend_from_slice(half);
                bytes.extend_from_slice(b"\r\n");
                Answer::raw(bytes)
            }
            TooLong => answer.whole().miscounted(length + 7),
            TooShort if body.iter().all(u8::is_ascii_digit) => answer.whole().miscounted(0),
            TooShort => answer.whole().miscounted(length / 2),
            Trickle => answer.whole().in_pieces(body.len() / 50 + 3, PAUSE),
            CloseAfter => answer.whole().then_close(),
            Delay => answer.whole(),
            Status {
                code, retry_after, ..
            } => {
                let answer = Answer::new(code, format!("a gateway says {code}"));
                match retry_after {
                    Some(seconds) => answer.header("retry-after", seconds),
                    None => answer,
                }
            }
        }
    }
}

/// The pause between two of the about 50 pieces of a slow answer.
const PAUSE: Duration = Duration::from_micros(500);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status {
            code,
            retry_after,
            acted,
        } = self
        else {
            return fmt::Debug::fmt(self, f);
        };
        write!(f, "{code}")?;
        if let Some(seconds) = retry_after {
            write!(f, "/retry-after {seconds}")?;
        }
        if *acted {
            write!(f, "/acted")?;
        }
        Ok(())
    }
}

/// An answer of the upstream.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Upstreams {
    /// Returns the unchanged answer.
    pub(super) fn whole(&self) -> Answer {
        self.with(&self.body)
    }

    /// Returns the answer with another body.
    fn with(&self, body: &[u8]) -> Answer {
        let answer = Answer::new(self.status, body);
        match &self.content_type {
            Some(kind) => answer.header("content-type", kind),
            None => answer,
        }
    }
}

/// Chooses the fault of the next request. Without a request, chooses whether to refuse a new connection
/// ([`Fault::Refuse`]).
pub type Plan = Box<dyn FnMut(Option<&Request>) -> Option<Fault> + Send>;

/// Chooses these faults, one after the other, and none after that.
pub fn script(faults: impl IntoIterator<Item = Option<Fault>>) -> Plan {
    let mut faults: VecDeque<_> = faults.into_iter().collect();
    Box::new(move |request| {
        let next = *faults.front()?;
        match request {
            None if next != Some(Refuse) => None,
            _ => faults.pop_front()?,
        }
    })
}

/// Chooses random faults for this percentage of requests. The same seed gives the same faults in the same
/// order.
pub fn seeded(seed: u64, percent: usize) -> Plan {
    let mut random = Random(seed);
    Box::new(
        move |request| match (random.below(100) < percent, request) {
            (false, _) => None,
            (true, Some(_)) => Some(random.choose(&ALL)),
            // Most new connections follow a fault, so refusals are frequent enough.
            (true, None) => (random.below(4) == 0).then_some(Refuse),
        },
    )
}
