//! A stand-in for Google's Gemini API on loopback. It checks every field of each request, and returns the
//! same errors as Google. Tests and benchmarks use it.
//!
//! The stand-in records invalid requests. If there were any, dropping it panics and lists them.

mod answers;
mod check;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::stand_in::{Answer, Habits, Request, StandIn, lock};
pub use answers::*;
use check::{Asked, Refused, check};

pub const KEY: &str = "AIza-5ecret-k3y";
pub const V001: &str = "gemini-embedding-001";
pub const V2: &str = "gemini-embedding-2";
/// A model that this crate does not know. It reads the task from a field of the request.
pub const V003: &str = "gemini-embedding-003";
/// The largest body that Google accepts.
pub const MAX_BODY: usize = 4_194_304;

/// The behaviour of the stand-in. By default it answers immediately, without quotas.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The shortest time between the first byte of a request and the first byte of its answer.
    pub latency: Duration,
    /// The number of first requests that are answered only when all of them have arrived, so that they are in
    /// flight at the same time.
    pub gather: usize,
    pub max_body: usize,
    /// The maximum number of items in a period of this length.
    pub per_minute: Option<(usize, Duration)>,
    /// The maximum total number of items.
    pub per_day: Option<usize>,
    /// The maximum number of requests in flight. Further requests get status 503.
    pub capacity: Option<usize>,
    pub failures: Option<Failures>,
    /// Words that Google refuses: a batch with one of them in a text gets an error.
    pub poison: Option<&'static str>,
    /// Words with which a batch gets a wrong answer.
    pub spoiled: Option<(&'static str, Wrong)>,
    /// Fixed answers to certain requests, by the number of the request, counted from 0.
    pub scripted: HashMap<usize, Answer>,
    /// Whether answers are JSON with line breaks.
    pub pretty: bool,
    /// Whether requests are dropped after the answer, for tests with very many of them.
    pub forget: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            latency: Duration::ZERO,
            gather: 0,
            max_body: MAX_BODY,
            per_minute: None,
            per_day: None,
            capacity: None,
            failures: None,
            poison: None,
            spoiled: None,
            scripted: HashMap::new(),
            pretty: false,
            forget: false,
        }
    }
}

/// Valid requests that fail: with status 500, 503 or 504, or by a reset of the connection before or during
/// the answer. The seed alone decides which requests fail, in the order of their arrival.
#[derive(Debug, Clone, Copy)]
pub struct Failures {
    pub seed: u64,
    pub percent: u64,
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Seen {
    pub request: Request,
    /// The texts as they were sent. Empty if the request was invalid.
    pub texts: Vec<String>,
    /// The status of the answer: 0 after a reset, and `None` before the answer.
    pub status: Option<u16>,
    /// The time before the answer was sent.
    pub answered: Instant,
}

/// The stand-in. It answers requests until it is dropped.
pub struct Google {
    address: SocketAddr,
    server: Mutex<Option<StandIn>>,
    state: Arc<State>,
}

/// A stand-in that refuses connections.
pub struct Closed<'a> {
    google: &'a Google,
    socket: Socket,
}

impl Closed<'_> {
    pub fn open(self) {
        self.socket.listen(128).unwrap();
        let server = serve(self.socket.into(), &self.google.state);
        *lock(&self.google.server) = Some(server);
    }
}

#[derive(Default)]
struct State {
    rules: Rules,
    /// The number of requests so far.
    count: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    ledger: Mutex<Ledger>,
    seen: Mutex<Vec<Seen>>,
    wrong: Mutex<Vec<String>>,
}

impl Google {
    /// Starts a stand-in that answers every valid request.
    pub fn start() -> Google {
        Google::with(Rules::default())
    }

    /// Starts a stand-in that gives these answers first, and then answers every valid request.
    pub fn after(answers: impl IntoIterator<Item = Answer>) -> Google {
        Google::with(Rules {
            scripted: answers.into_iter().enumerate().collect(),
            ..Rules::default()
        })
    }

    /// Starts a stand-in with these rules.
    pub fn with(rules: Rules) -> Google {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            rules,
            ..State::default()
        });
        Google {
            address,
            server: Mutex::new(Some(serve(listener, &state))),
            state,
        }
    }

    /// Returns the address of the stand-in.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection, and refuses new ones until the stand-in is opened again.
    pub fn close(&self) -> Closed<'_> {
        drop(lock(&self.server).take());
        // The bound port cannot be taken by another process, and connections to it are refused.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        Closed {
            google: self,
            socket,
        }
    }

    /// Returns all requests so far, in the order of their arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// Returns all requests so far, without their results.
    pub fn requests(&self) -> Vec<Request> {
        self.seen().into_iter().map(|seen| seen.request).collect()
    }

    /// Returns the texts that got vectors, as they were sent.
    pub fn paid(&self) -> Vec<String> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| seen.status == Some(200))
            .flat_map(|seen| seen.texts)
            .collect()
    }

    /// Removes and returns the descriptions of invalid requests.
    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state.wrong))
    }

    /// Returns the largest number of requests in flight at the same time.
    pub fn most_in_flight(&self) -> usize {
        self.state.most_in_flight.load(SeqCst)
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        drop(lock(&self.server).take());
        let wrong = lock(&self.state.wrong);
        // A second panic would hide the message of the first one.
        assert!(
            wrong.is_empty() || thread::panicking(),
            "wrong requests: {wrong:#?}"
        );
    }
}

/// Starts the server on this listener.
fn serve(listener: TcpListener, state: &Arc<State>) -> StandIn {
    let habits = Habits {
        forget: true,
        ..Habits::default()
    };
    let state = state.clone();
    StandIn::concurrent(listener, habits, move |request| state.answer(request))
}

impl State {
    /// Answers a request. Several threads call this at the same time.
    fn answer(&self, request: &Request) -> Answer {
        let number = self.count.fetch_add(1, SeqCst);
        let in_flight = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, SeqCst);
        let asked = check(request, self.rules.max_body);
        let place = (!self.rules.forget).then(|| {
            let mut seen = lock(&self.seen);
            let asked = asked.as_ref().map(Vec::as_slice).unwrap_or_default();
            seen.push(Seen {
                request: request.clone(),
                texts: asked.iter().map(|asked| asked.text.clone()).collect(),
                status: None,
                answered: request.at,
            });
            seen.len() - 1
        });
        let answer = match self.rules.capacity {
            Some(capacity) if in_flight > capacity => overloaded(),
            _ => self.decide(number, asked),
        };
        if number < self.rules.gather {
            self.wait_for_requests(self.rules.gather);
        }
        let until = request.at + self.rules.latency;
        thread::sleep(until.saturating_duration_since(Instant::now()));
        if let Some(place) = place {
            let seen = &mut lock(&self.seen)[place];
            seen.status = Some(answer.status());
            seen.answered = Instant::now();
        }
        self.in_flight.fetch_sub(1, SeqCst);
        answer
    }

    /// Waits until this many requests have arrived.
    fn wait_for_requests(&self, expected: usize) {
        let started = Instant::now();
        while self.count.load(SeqCst) < expected {
            let arrived = self.count.load(SeqCst);
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(30), "only {arrived} requests");
            thread::yield_now();
        }
    }

    /// Returns the answer to a request.
    fn decide(&self, number: usize, asked: Result<Vec<Asked>, Refused>) -> Answer {
        let rules = &self.rules;
        // An invalid request is recorded even if its answer is fixed.
        if let Err(Refused::Wrong(why)) = &asked {
            lock(&self.wrong).push(why.clone());
        }
        if let Some(answer) = rules.scripted.get(&number) {
            return answer.clone();
        }
        let failure = rules.failures.and_then(|failures| failures.of(number));
        if let Some(Failure::Before(answer)) = failure {
            return answer;
        }
        let asked = match asked {
            Ok(asked) => asked,
            Err(Refused::Wrong(why)) => return fault(400, "INVALID_ARGUMENT", &why, json!([])),
            Err(Refused::So(answer)) => return answer,
        };
        if let Some(answer) = lock(&self.ledger).refuse(rules, &asked) {
            return answer;
        }
        let holds = |word: &str| asked.iter().any(|asked| asked.text.contains(word));
        if rules.poison.is_some_and(holds) {
            let why = "Request contains an invalid argument.";
            return fault(400, "INVALID_ARGUMENT", why, json!([]));
        }
        let mut rows: Vec<Row> = asked.iter().map(Asked::row).collect();
        if let Some((_, wrong)) = rules.spoiled.filter(|(word, _)| holds(word)) {
            wrong.spoil(&mut rows);
        }
        let answer = vectors(&rows, rules.pretty);
        match failure {
            Some(_) => answer.then_reset(),
            None => answer,
        }
    }
}

enum Failure {
    Before(Answer),
    InTheMidst,
}

impl Failures {
    /// Returns the failure of the request with this number, if it fails.
    fn of(self, number: usize) -> Option<Failure> {
        let random = mixed(self.seed ^ mixed(number as u64));
        if random % 100 >= self.percent {
            return None;
        }
        Some(match (random >> 32) % 5 {
            0 => Failure::Before(internal()),
            1 => Failure::Before(overloaded()),
            2 => Failure::Before(fault(504, "DEADLINE_EXCEEDED", "Too slow.", json!([]))),
            3 => Failure::Before(Answer::reset()),
            _ => Failure::InTheMidst,
        })
    }
}

/// The items of the current period.
#[derive(Default)]
struct Ledger {
    minute: VecDeque<(Instant, usize)>,
    today: usize,
}

impl Ledger {
    /// Returns an error if the request exceeds a quota. Counts its items otherwise.
    fn refuse(&mut self, rules: &Rules, asked: &[Asked]) -> Option<Answer> {
        let (now, items) = (Instant::now(), asked.len());
        let model = &asked[0].model;
        if let Some(limit) = rules.per_day {
            if self.today + items > limit {
                // Google names a wait here as well, although waiting does not help.
                let wait = Duration::from_millis(50);
                return Some(over_quota(Period::Day, limit, model, wait));
            }
        }
        if let Some((limit, length)) = rules.per_minute {
            let ends = |entry: &(Instant, usize)| entry.0 + length;
            while self.minute.front().is_some_and(|entry| ends(entry) <= now) {
                self.minute.pop_front();
            }
            let mut used: usize = self.minute.iter().map(|entry| entry.1).sum();
            if used + items > limit {
                // Until enough items have left the period.
                let mut wait = length;
                for entry in &self.minute {
                    used -= entry.1;
                    if used + items <= limit {
                        wait = ends(entry) - now;
                        break;
                    }
                }
                return Some(over_quota(Period::Minute, limit, model, wait));
            }
            self.minute.push_back((now, items));
        }
        self.today += items;
        None
    }
}
