//! A proxy on loopback between a client and a server. It breaks requests and answers according to a plan.
//!
//! The proxy reads whole requests and whole answers, so it knows for each request whether the server executed
//! it. It sends a request at most once. A fault of an answer happens after the server has answered. A request
//! that is held back is never sent, so the server executes no request later that the client was refused or
//! has abandoned ([`FaultProxy::settle`]). Each proxy has its own connections to the server. The proxy does
//! not retry a request that fails, and records it ([`Upstream::Failed`]).

pub mod fault;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::http;

use super::listening::Listening;
use super::stand_in::{Answer, Request, lock, read_head};
use fault::{Fault, Plan, Upstreams};

/// The longest wait for an answer of the server, much longer than the timeouts of the clients.
const PATIENCE: Duration = Duration::from_secs(20);
/// The delay of a delayed request.
const DELAY: Duration = Duration::from_millis(15);

/// A request and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The method. Empty if the connection was refused, like the path.
    pub method: String,
    pub path: String,
    pub fault: Option<Fault>,
    pub upstream: Upstream,
}

/// The part of the server in a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Upstream {
    /// The server did not receive it.
    Unasked,
    /// The server executed it, and answered with this status.
    Answered(u16),
    /// The server cannot be reached, or did not send a whole answer.
    Failed(String),
}

struct Shared {
    /// The address of the server, without a slash at the end.
    upstream: String,
    agent: Agent,
    plan: Mutex<Plan>,
    seen: Mutex<Vec<Seen>>,
    /// The number of requests that the server may be executing.
    in_flight: Mutex<BTreeSet<usize>>,
    landed: Condvar,
}

/// The proxy. It runs until it is dropped.
pub struct FaultProxy {
    listening: Listening,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Starts a proxy for the server at this URL.
    pub fn start(upstream: &str, plan: Plan) -> FaultProxy {
        let agent = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE));
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            agent: agent.build().into(),
            plan: Mutex::new(plan),
            seen: Mutex::default(),
            in_flight: Mutex::default(),
            landed: Condvar::new(),
        });
        let serving = shared.clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        FaultProxy {
            listening: Listening::start(listener, move |_, stream| serving.serve(stream)),
            shared,
        }
    }

    /// Returns the address of the proxy.
    pub fn url(&self) -> String {
        self.listening.url()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.listening.connections()
    }

    /// Returns all requests so far, in the order of their arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Returns the number of faults of each kind so far.
    pub fn faults(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for fault in lock(&self.shared.seen).iter().filter_map(|seen| seen.fault) {
            *counts.entry(fault.to_string()).or_default() += 1;
        }
        counts
    }

    /// Waits until the server has answered all requests that it is executing now. After that, it executes no
    /// request that a client has abandoned.
    pub fn settle(&self) {
        let flying = lock(&self.shared.in_flight);
        let Some(last) = flying.last().copied() else {
            return;
        };
        let landed = &self.shared.landed;
        let waited = landed.wait_timeout_while(flying, PATIENCE * 2, |flying| {
            flying.first().is_some_and(|first| *first <= last)
        });
        assert!(
            !waited.unwrap().1.timed_out(),
            "the server has stopped answering"
        );
    }
}

impl Shared {
    /// Returns the fault of the next request.
    fn next(&self, request: Option<&Request>) -> Option<Fault> {
        (lock(&self.plan))(request)
    }

    /// Records a request that the server has not received yet. Returns its number.
    fn note(&self, request: Option<&Request>, fault: Option<Fault>) -> usize {
        let of = |part: fn(&Request) -> &String| request.map_or(String::new(), |r| part(r).clone());
        let mut seen = lock(&self.seen);
        seen.push(Seen {
            method: of(|request| &request.method),
            path: of(|request| &request.path),
            fault,
            upstream: Upstream::Unasked,
        });
        seen.len() - 1
    }

    /// Forwards the requests of one connection.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if let Some(refuse) = self.next(None) {
            self.note(None, Some(refuse));
            Answer::reset().send(stream)?;
            return Ok(());
        }
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read_head(&mut reader)? {
            let fault = self.next(Some(&request));
            if matches!(fault, Some(Fault::Refuse | Fault::ResetInside)) {
                let half = match fault {
                    Some(Fault::ResetInside) => request.length() / 2,
                    _ => 0,
                };
                io::copy(&mut (&mut reader).take(half as u64), &mut io::sink())?;
                self.note(Some(&request), fault);
                Answer::reset().send(stream)?;
                return Ok(());
            }
            read_body(&mut reader, &mut request)?;
            let number = self.note(Some(&request), fault);
            if fault == Some(Fault::Delay) {
                thread::sleep(DELAY);
            }
            let answer = if fault.is_none_or(Fault::reaches_upstream) {
                let Some(answer) = self.pass_on(stream, &request, number) else {
                    return Ok(());
                };
                answer
            } else {
                Upstreams::default()
            };
            let answer = match fault {
                Some(fault) => fault.answer(&answer, number),
                None => answer.whole(),
            };
            if !answer.send(stream)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns the answer of the server, or `None` if the client has given up before or the server failed.
    /// The caller then closes the connection.
    fn pass_on(&self, stream: &TcpStream, request: &Request, number: usize) -> Option<Upstreams> {
        lock(&self.in_flight).insert(number);
        // The order matters: a client that has given up calls settle(). So either settle() waits for this
        // request, or this check sees that the client has gone.
        let result = match is_gone(stream) {
            Ok(false) => Some(self.ask(request)),
            _ => None,
        };
        if let Some(result) = &result {
            lock(&self.seen)[number].upstream = match result {
                Ok(answer) => Upstream::Answered(answer.status),
                Err(error) => Upstream::Failed(error.to_string()),
            };
        }
        lock(&self.in_flight).remove(&number);
        self.landed.notify_all();
        result.and_then(Result::ok)
    }

    /// Sends a request to the server.
    fn ask(&self, request: &Request) -> Result<Upstreams, ureq::Error> {
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.upstream, request.path));
        let own = [
            "host",
            "connection",
            "content-length",
            "transfer-encoding",
            "expect",
        ];
        for (name, value) in &request.headers {
            if !own.contains(&name.as_str()) {
                builder = builder.header(name, value);
            }
        }
        let has_body = !request.body.is_empty() || request.header("content-length").is_some();
        let mut response = if has_body {
            self.agent.run(builder.body(&request.body[..])?)?
        } else {
            self.agent.run(builder.body(())?)?
        };
        let kind = response.headers().get("content-type");
        Ok(Upstreams {
            status: response.status().as_u16(),
            content_type: kind.and_then(|kind| Some(kind.to_str().ok()?.to_owned())),
            body: response
                .body_mut()
                .with_config()
                .limit(u64::MAX)
                .read_to_vec()?,
        })
    }
}

/// Returns whether the client has closed the connection.
fn is_gone(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(!peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock))
}

/// Reads a body with a length or in chunks.
fn read_body(from: &mut impl BufRead, request: &mut Request) -> io::Result<()> {
    if request.header("transfer-encoding") != Some("chunked") {
        request.body.resize(request.length(), 0);
        return from.read_exact(&mut request.body);
    }
    let mut line = String::new();
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16);
        let length = length.map_err(|error| io::Error::other(error.to_string()))?;
        let start = request.body.len();
        request.body.resize(start + length, 0);
        from.read_exact(&mut request.body[start..])?;
        // The end of the chunk or, after the last one, of the body. Trailers are not supported.
        line.clear();
        from.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}
