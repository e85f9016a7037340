//! A stand-in for Google on loopback: it checks every request to the last field, refuses what Google refuses, and fails
//! as Google fails. Tests and benchmarks use it.
//!
//! A request that no sound client sends is noted, and dropping the stand-in then panics with what was wrong.

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
/// A model that this crate does not know, which reads its task in a field.
pub const V003: &str = "gemini-embedding-003";
/// Google refuses a body that is larger.
pub const MAX_BODY: usize = 4_194_304;

/// What Google does; by default it works, at once and without end.
#[derive(Debug, Clone)]
pub struct Rules {
    /// From the first byte of a request to the first of its answer, at least.
    pub latency: Duration,
    /// The first requests, as many as this, are answered when all of them have arrived, so that they are in flight at the
    /// same time.
    pub gather: usize,
    pub max_body: usize,
    /// So many items in any stretch of time of this length.
    pub per_minute: Option<(usize, Duration)>,
    /// So many items, and then no more.
    pub per_day: Option<usize>,
    /// While more requests than this are in flight, the newest of them are turned away: 503.
    pub capacity: Option<usize>,
    pub failures: Option<Failures>,
    /// A batch with such a word in one of its texts is refused.
    pub poison: Option<&'static str>,
    /// A batch with such a word in one of its texts is answered wrongly.
    pub spoiled: Option<(&'static str, Wrong)>,
    /// What certain requests are answered, counted from 0, whatever they ask.
    pub scripted: HashMap<usize, Answer>,
    /// JSON on many lines.
    pub pretty: bool,
    /// Requests are not kept: there will be too many.
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

/// Requests that fail though nothing is wrong with them: 500, 503, 504, or a connection that is reset, before or in the
/// midst of the answer. Which ones they are, in the order of their coming, depends on the seed alone.
#[derive(Debug, Clone, Copy)]
pub struct Failures {
    pub seed: u64,
    pub percent: u64,
}

/// A request, and what became of it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub request: Request,
    /// As they were sent; empty where the request was wrong.
    pub texts: Vec<String>,
    /// The status of the answer; 0 where there was none, and `None` while there is none yet.
    pub status: Option<u16>,
    /// When the answer was about to be sent.
    pub answered: Instant,
}

/// The stand-in. It answers until it is dropped.
pub struct Google {
    address: SocketAddr,
    server: Mutex<Option<StandIn>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    rules: Rules,
    /// Requests so far.
    count: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    ledger: Mutex<Ledger>,
    seen: Mutex<Vec<Seen>>,
    wrong: Mutex<Vec<String>>,
}

impl Google {
    /// One that works.
    pub fn start() -> Google {
        Google::with(Rules::default())
    }

    /// One that first gives these answers, and then works.
    pub fn after(answers: impl IntoIterator<Item = Answer>) -> Google {
        Google::with(Rules {
            scripted: answers.into_iter().enumerate().collect(),
            ..Rules::default()
        })
    }

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

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection, takes none for a while, and then works again. Returns after that.
    pub fn die_for(&self, time: Duration) {
        let mut server = lock(&self.server);
        drop(server.take());
        // The port stays taken, so that nobody else gets it meanwhile; who connects is refused.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        thread::sleep(time);
        socket.listen(128).unwrap();
        *server = Some(serve(socket.into(), &self.state));
    }

    /// Everything that was asked so far, in the order of its coming.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen().into_iter().map(|seen| seen.request).collect()
    }

    /// The texts that were answered with vectors, as they were sent.
    pub fn paid(&self) -> Vec<String> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| seen.status == Some(200))
            .flat_map(|seen| seen.texts)
            .collect()
    }

    /// What was wrong with requests so far; it is forgiven.
    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state.wrong))
    }

    /// How many requests waited for an answer at the same time, at most.
    pub fn most_in_flight(&self) -> usize {
        self.state.most_in_flight.load(SeqCst)
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        drop(lock(&self.server).take());
        let wrong = lock(&self.state.wrong);
        // A panic while the test panics would hide the test's own words.
        assert!(
            wrong.is_empty() || thread::panicking(),
            "wrong requests: {wrong:#?}"
        );
    }
}

fn serve(listener: TcpListener, state: &Arc<State>) -> StandIn {
    let habits = Habits {
        forget: true,
        ..Habits::default()
    };
    let state = state.clone();
    StandIn::at_once(listener, habits, move |request| state.answer(request))
}

impl State {
    /// Called for several requests at once.
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

    fn decide(&self, number: usize, asked: Result<Vec<Asked>, Refused>) -> Answer {
        let rules = &self.rules;
        // What is wrong is noted even where the answer has nothing to do with it.
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

/// What was asked lately.
#[derive(Default)]
struct Ledger {
    minute: VecDeque<(Instant, usize)>,
    today: usize,
}

impl Ledger {
    /// The refusal of what goes beyond a quota; what does not is entered.
    fn refuse(&mut self, rules: &Rules, asked: &[Asked]) -> Option<Answer> {
        let (now, items) = (Instant::now(), asked.len());
        let model = &asked[0].model;
        if let Some(limit) = rules.per_day {
            if self.today + items > limit {
                // Google names a wait here, too; it is of no use.
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
                // Until so many of them are forgotten that these fit in.
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
