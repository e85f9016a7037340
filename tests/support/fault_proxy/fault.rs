//! [`Fault`]: what can go wrong on the way, and who says what does.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::support::random::Random;
use crate::support::stand_in::{Answer, Request};

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    // The upstream sees nothing of the request.
    /// The connection is reset as soon as it is made, before a byte is read. On one that is open already, as soon as there
    /// is a request.
    Refuse,
    /// Reset after half of the body.
    ResetInside,
    /// Reset after the whole request.
    ResetBefore,
    /// Silence, until the client gives up.
    HangBefore,
    GarbageBefore,

    // The upstream has acted, and its answer does not come through.
    ResetAfter,
    HangAfter,
    GarbageAfter,
    /// The right length, half of the body, and the end of the connection.
    CutBody,
    /// A chunked answer without its last chunk.
    CutChunks,
    /// A length that is larger than the body, and then silence.
    TooLong,
    /// A length that is smaller than the body. It is all that the client can know, so what it cuts off must be missed: of
    /// a bare number nothing is left, since a part of one is a number, too.
    TooShort,

    // It comes through, in a way.
    /// The request waits a little before it goes on.
    Delay,
    /// The answer comes a few bytes at a time.
    Trickle,
    /// The connection is closed after the answer, without a word before: it goes stale in the client's pool.
    CloseAfter,

    /// A gateway's answer.
    Status {
        code: u16,
        /// Seconds, for `Retry-After`.
        retry_after: Option<u64>,
        /// In place of the upstream's, which has acted; else it has not seen the request.
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

/// Every fault that there is. What says that nothing was done (429, and 503 with a time to come back) never lies.
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

/// What a thing that is no HTTP server says, one that is no Chroma, and one that is out of its mind.
const GARBAGE: [&[u8]; 3] = [
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<html>ok</html>",
    b"\0\xff\x16\x03\x01\r\n\r\n\xfe{}",
];

impl Fault {
    /// Whether the upstream sees the request.
    pub fn reaches_upstream(self) -> bool {
        match self {
            Refuse | ResetInside | ResetBefore | HangBefore | GarbageBefore => false,
            Status { acted, .. } => acted,
            _ => true,
        }
    }

    /// What the client gets instead of this answer, or of none where the upstream has not seen the request. `number` is the
    /// request's.
    pub(super) fn answer(self, answer: &Upstreams, number: usize) -> Answer {
        let body = &answer.body;
        let length = body.len() as u64;
        match self {
            Refuse | ResetInside | ResetBefore | ResetAfter => Answer::reset(),
            HangBefore | HangAfter => Answer::hang(),
            GarbageBefore | GarbageAfter => Answer::raw(GARBAGE[number % GARBAGE.len()]),
            // An empty body has no half; then not all of the head comes.
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

/// Between two pieces of a slow answer, of which there are 50 or so.
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

/// What an upstream answered.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Upstreams {
    pub(super) fn whole(&self) -> Answer {
        self.with(&self.body)
    }

    fn with(&self, body: &[u8]) -> Answer {
        let answer = Answer::new(self.status, body);
        match &self.content_type {
            Some(kind) => answer.header("content-type", kind),
            None => answer,
        }
    }
}

/// Says what goes wrong with the next request, or, asked without one, whether a new connection is refused
/// ([`Fault::Refuse`]).
pub type Plan = Box<dyn FnMut(Option<&Request>) -> Option<Fault> + Send>;

/// These, one after the other, and then nothing any more.
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

/// Any of all faults, for so many of a hundred requests. The same seed gives the same faults in the same order.
pub fn seeded(seed: u64, percent: usize) -> Plan {
    let mut random = Random(seed);
    Box::new(
        move |request| match (random.below(100) < percent, request) {
            (false, _) => None,
            (true, Some(_)) => Some(random.one(&ALL)),
            // Most connections are new because of a fault, so there are enough of these.
            (true, None) => (random.below(4) == 0).then_some(Refuse),
        },
    )
}
