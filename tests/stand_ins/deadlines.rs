//! No call takes longer than its deadline, whatever the server does.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::{LIMITS, OLD_LIMITS, chroma, closed_port, records};
use chroma_blocking::{Client, Collection, Error, Record, Result, RetryPolicy, client::Jitter};

const DEADLINE: Duration = Duration::from_millis(300);
/// What a call may take beyond that.
const OVERSHOOT: Duration = Duration::from_millis(100);

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Would go on for minutes, if it were not for the deadline.
fn stubborn() -> RetryPolicy {
    let policy = RetryPolicy::default().max_retries(1000);
    policy.base_delay(millis(20)).deadline(DEADLINE)
}

fn client(url: &str) -> Client {
    let client = Client::builder().host(url).retry(stubborn());
    client.retry_budget(u32::MAX).build().unwrap()
}

/// A collection on a server that is well until it is asked for records.
fn collection(server: &StandIn) -> Collection {
    let well = client(&server.url()).with_retry(RetryPolicy::default());
    let abc = well.collection("abc").get().unwrap();
    well.pre_flight_checks().unwrap();
    abc.with_retry(stubborn())
}

/// By how much a call exceeded its deadline; it has to fail. The machine may be busy with something else, so it has three
/// chances.
fn overshoot(what: &str, call: impl Fn() -> Result<()>) -> Duration {
    let once = || {
        let started = Instant::now();
        let error = call().unwrap_err();
        assert!(error.is_retryable(), "{what}: {error}");
        started.elapsed().saturating_sub(DEADLINE)
    };
    let mut least = Duration::MAX;
    for _ in 0..3 {
        least = least.min(once());
        if least <= OVERSHOOT {
            break;
        }
    }
    assert!(least <= OVERSHOOT, "{what}: {least:?} too late");
    least
}

/// What a server may do to a request for records.
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
        note(what, overshoot(what, || abc.count().map(drop)));
        note(what, overshoot(what, || abc.upsert(records(3))));
        let lost = abc.client().with_retry(stubborn());
        note(what, overshoot(what, || lost.delete_collection("xyz")));
    }

    // Many requests, each well in time.
    let server = chroma(OLD_LIMITS, |_| {
        std::thread::sleep(millis(40));
        Answer::ok("{}")
    });
    let abc = collection(&server);
    let many = overshoot("35 requests", || match abc.upsert(records(350)) {
        Err(Error::PartlyDone { done, source, .. }) if !done.is_empty() => Err(*source),
        other => panic!("{other:?}"),
    });
    note("35 requests", many);

    // The system's timers are the less exact the longer they are.
    let server = StandIn::start(|_| Answer::hang());
    let long = Duration::from_secs(9);
    let patient = client(&server.url()).with_retry(RetryPolicy::none().deadline(long));
    let once = |_| {
        let started = Instant::now();
        patient.heartbeat().unwrap_err();
        started.elapsed().saturating_sub(long)
    };
    let late = (0..3).map(once).find(|late| *late <= OVERSHOOT);
    note("nine seconds", late.unwrap());

    // An address where nothing listens, and one that never accepts.
    let (_reserved, closed) = closed_port();
    let url = closed.to_string();
    note(
        "closed",
        overshoot("closed", || client(&url).heartbeat().map(drop)),
    );
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = full.local_addr().unwrap().to_string();
    note(
        "silent",
        overshoot("silent", || client(&url).heartbeat().map(drop)),
    );
    println!("{count} calls, worst overshoot {worst:?}");
}

#[test]
fn a_deadline_says_so() {
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
fn a_wait_that_would_end_too_late_is_not_begun() {
    let server = StandIn::start(|_| Answer::new(429, "slow down").header("retry-after", 30));
    let patient = RetryPolicy::default().deadline(Duration::from_secs(20));
    let started = Instant::now();
    let error = client(&server.url())
        .with_retry(patient)
        .version()
        .unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, Error::RateLimited { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_policy_is_for_the_calls_that_have_it() {
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
    assert_eq!(counts(&abc), 1, "the other one is as it was");
    assert_eq!(counts(&abc.clone()), 1);
}

#[test]
fn a_deadline_ends_with_its_call() {
    let server = chroma(LIMITS, |request: &Request| match request.method.as_str() {
        "GET" => Answer::ok("7"),
        _ => Answer::ok("{}"),
    });
    let abc = collection(&server);
    abc.count().unwrap();
    std::thread::sleep(DEADLINE + millis(50));
    // The next call has all of it again, also on what the first one made.
    assert_eq!(abc.count().unwrap(), 7);
    let made = abc.client().collection("abc").get().unwrap();
    std::thread::sleep(DEADLINE + millis(50));
    made.upsert([Record::new("a").embedding([1.0])]).unwrap();
}
