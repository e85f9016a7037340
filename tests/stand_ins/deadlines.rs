//! No call takes longer than its deadline, whatever the server does.

use std::cell::Cell;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::{LIMITS, OLD_LIMITS, chroma, closed_port, records};
use chroma_blocking::{Client, Collection, Error, Record, Result, RetryPolicy, client::Jitter};

const DEADLINE: Duration = Duration::from_millis(300);
/// The longest time that a call may take after its deadline.
const OVERSHOOT: Duration = Duration::from_millis(100);
const TRIES: usize = 20;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A policy that would retry for minutes without its deadline.
fn stubborn() -> RetryPolicy {
    let policy = RetryPolicy::default().max_retries(1000);
    policy.base_delay(millis(20)).deadline(DEADLINE)
}

fn client(url: &str) -> Client {
    let client = Client::builder().host(url).retry(stubborn());
    client.retry_budget(u32::MAX).build().unwrap()
}

/// Opens a collection. The server answers these first requests, so that only a request for records can fail.
fn collection(server: &StandIn) -> Collection {
    let well = client(&server.url()).with_retry(RetryPolicy::default());
    let abc = well.collection("abc").get().unwrap();
    well.pre_flight_checks().unwrap();
    abc.with_retry(stubborn())
}

/// Measures how much later than its deadline a call returns. The call has to fail. On a busy machine a call
/// may be late for other reasons, so one in `TRIES` is enough.
fn overshoot(what: &str, deadline: Duration, call: impl Fn() -> Result<()>) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        let error = call().unwrap_err();
        least = least.min(started.elapsed().saturating_sub(deadline));
        assert!(error.is_retryable(), "{what}: {error}");
        if least <= OVERSHOOT {
            break;
        }
    }
    assert!(least <= OVERSHOOT, "{what}: {least:?} too late");
    least
}

/// The ways in which a server can answer a request for records badly.
fn ways() -> Vec<(&'static str, Answer)> {
    let large = format!("{{}}{}", " ".repeat(1 << 20));
    vec![
        ("says nothing", Answer::hang()),
        ("one byte a second", Answer::ok("{}").slowly(millis(1000))),
        (
            "many small bytes",
            Answer::ok(large.clone()).slowly(millis(7)),
        ),
        ("stops in the body", Answer::ok("{}").announcing(100)),
        ("closes", Answer::close()),
        ("resets", Answer::reset()),
        ("half an answer", Answer::ok(large).then_reset()),
        ("500", Answer::new(500, "oops")),
        ("503", Answer::new(503, "busy").header("retry-after", 0)),
        ("429", Answer::new(429, "slow").header("retry-after", 1)),
    ]
}

#[test]
fn no_call_takes_longer_than_its_deadline() {
    let mut worst = Duration::ZERO;
    let mut count = 0;
    let mut note = |what: &str, late: Duration| {
        println!("{what}: {late:?} after the deadline");
        worst = worst.max(late);
        count += 1;
    };
    for (what, answer) in ways() {
        let server = chroma(LIMITS, move |_| answer.clone());
        let abc = collection(&server);
        note(what, overshoot(what, DEADLINE, || abc.count().map(drop)));
        note(what, overshoot(what, DEADLINE, || abc.upsert(records(3))));
        let lost = abc.client().with_retry(stubborn());
        note(
            what,
            overshoot(what, DEADLINE, || lost.delete_collection("xyz")),
        );
    }

    // Many requests, each of them fast enough.
    let server = chroma(OLD_LIMITS, |_| {
        std::thread::sleep(millis(40));
        Answer::ok("{}")
    });
    let abc = collection(&server);
    let some_done = Cell::new(false);
    let many = overshoot("35 requests", DEADLINE, || {
        match abc.upsert(records(350)) {
            Err(Error::PartlyDone { done, source, .. }) => {
                some_done.set(some_done.get() || !done.is_empty());
                Err(*source)
            }
            // On a busy machine, the deadline may pass before the first request is sent.
            other => other,
        }
    });
    assert!(some_done.get());
    note("35 requests", many);

    // The timers of the system are less exact for longer times.
    let server = StandIn::start(|_| Answer::hang());
    let long = Duration::from_secs(9);
    let patient = client(&server.url()).with_retry(RetryPolicy::none().deadline(long));
    let late = overshoot("nine seconds", long, || patient.heartbeat().map(drop));
    note("nine seconds", late);

    // An address without a listener, and a listener that never accepts.
    let (_reserved, closed) = closed_port();
    let url = closed.to_string();
    note(
        "closed",
        overshoot("closed", DEADLINE, || client(&url).heartbeat().map(drop)),
    );
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = full.local_addr().unwrap().to_string();
    note(
        "silent",
        overshoot("silent", DEADLINE, || client(&url).heartbeat().map(drop)),
    );
    println!("{count} calls, worst overshoot {worst:?}");
}

#[test]
fn the_error_names_the_deadline() {
    let server = StandIn::start(|_| Answer::hang());
    let error = client(&server.url()).heartbeat().unwrap_err();
    let Error::Timeout { message, call, .. } = &error else {
        panic!("{error}");
    };
    assert!(message.contains("deadline"), "{error}");
    assert!(call.attempts == 1 && !call.may_have_acted, "it only reads");
    let over = client(&server.url()).with_retry(RetryPolicy::none().deadline(Duration::ZERO));
    let error = over.heartbeat().unwrap_err();
    assert!(error.to_string().contains("deadline"), "{error}");
    assert_eq!(error.call().unwrap().attempts, 0, "nothing was sent");
    assert!(!error.call().unwrap().may_have_acted);
}

#[test]
fn a_wait_beyond_the_deadline_fails_at_once() {
    let server = StandIn::start(|_| Answer::new(429, "slow down").header("retry-after", 50));
    let patient = RetryPolicy::default().deadline(Duration::from_secs(40));
    let started = Instant::now();
    let error = client(&server.url())
        .with_retry(patient)
        .version()
        .unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(matches!(error, Error::RateLimited { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_retry_policy_applies_only_to_its_handle() {
    let server = chroma(LIMITS, |_| Answer::new(500, "oops"));
    let abc = collection(&server).with_retry(RetryPolicy::none());
    let counts = |abc: &Collection| {
        let before = server.requests_to("/count").len();
        abc.count().unwrap_err();
        server.requests_to("/count").len() - before
    };
    let more = RetryPolicy::default()
        .max_retries(4)
        .base_delay(millis(1))
        .jitter(Jitter::Full);
    assert_eq!(counts(&abc.with_retry(more)), 5);
    assert_eq!(counts(&abc), 1, "the original handle is unchanged");
    assert_eq!(counts(&abc.clone()), 1);
}

#[test]
fn each_call_has_a_separate_deadline() {
    let server = chroma(LIMITS, |request: &Request| match request.method.as_str() {
        "GET" => Answer::ok("7"),
        _ => Answer::ok("{}"),
    });
    let deadline = millis(2_000);
    let client = client(&server.url()).with_retry(stubborn().deadline(deadline));
    let abc = client.collection("abc").get().unwrap();
    assert_eq!(abc.count().unwrap(), 7);
    std::thread::sleep(deadline + millis(50));
    // Each later call has the whole time again, also on a collection that an earlier call returned.
    assert_eq!(abc.count().unwrap(), 7);
    abc.upsert([Record::new("a").embedding([1.0])]).unwrap();
}
