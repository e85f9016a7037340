//! Several endpoints, circuit breakers, the retry budget, and connections that the server has closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::{COLLECTION, LIMITS, builder, closed_port, fast, wait_until};
use chroma_blocking::{
    Client, ClientBuilder, Error, InvalidInput, Record, RetryPolicy,
    client::{CircuitBreaker, ReadFrom},
    metrics::BreakerState,
};

const MS: Duration = Duration::from_millis(1);

/// Returns the answers of a healthy server. `number`, its answer to `count`, identifies the server.
fn healthy_answers(number: usize) -> impl FnMut(&Request) -> Answer + Send + 'static {
    move |request| match request.path.as_str() {
        "/api/v2/pre-flight-checks" => Answer::ok(LIMITS),
        path if path.ends_with("/count") => Answer::ok(number.to_string()),
        path if path.ends_with("/abc") => Answer::ok(COLLECTION),
        path if path.ends_with("/version") => Answer::ok(r#""1.0.0""#),
        _ => Answer::ok("{}"),
    }
}

/// Starts a server that is down for its gateway.
fn down() -> StandIn {
    StandIn::start(|_| Answer::new(502, "bad gateway"))
}

/// Builds a client of several servers.
fn with_replicas(primary: &str, replicas: &[&StandIn]) -> ClientBuilder {
    builder(primary).replicas(replicas.iter().map(|server| server.url()))
}

fn count(client: &Client) -> usize {
    client.collection("abc").get().unwrap().count().unwrap()
}

#[test]
fn reads_use_the_first_endpoint_while_it_works() {
    let servers = [0, 1].map(|number| StandIn::start(healthy_answers(number)));
    let client = with_replicas(&servers[0].url(), &[&servers[1]])
        .build()
        .unwrap();
    for _ in 0..5 {
        assert_eq!(count(&client), 0);
    }
    assert_eq!(servers[1].connections(), 0);
    assert_eq!(client.url(), servers[0].url());
}

#[test]
fn reads_fail_over_at_once_and_stay_there() {
    let (_reserved, closed) = closed_port();
    for primary in [format!("http://{closed}"), down().url()] {
        let [one, two] = [1, 2].map(|number| StandIn::start(healthy_answers(number)));
        let patient = fast().base_delay(Duration::from_secs(60));
        let client = with_replicas(&primary, &[&one, &two])
            .retry(patient)
            .build()
            .unwrap();
        let started = Instant::now();
        for _ in 0..10 {
            assert_eq!(count(&client), 1);
        }
        assert!(
            started.elapsed() < Duration::from_secs(25),
            "without a wait"
        );
        assert_eq!(two.connections(), 0);
    }
}

#[test]
fn a_failed_endpoint_is_skipped_by_later_calls() {
    let (first, second) = (down(), StandIn::start(healthy_answers(1)));
    let client = with_replicas(&first.url(), &[&second]).build().unwrap();
    for _ in 0..5 {
        assert_eq!(count(&client), 1);
    }
    assert_eq!(first.requests().len(), 1);
}

#[test]
fn if_all_endpoints_fail_the_error_names_the_last_one() {
    let servers = [down(), down(), down()];
    let client = with_replicas(&servers[0].url(), &[&servers[1], &servers[2]]);
    let client = client.retry(fast().max_retries(5)).build().unwrap();
    let error = client.version().unwrap_err();
    assert_eq!(error.status(), Some(502));
    assert_eq!(error.call().unwrap().attempts, 6);
    for server in &servers {
        assert_eq!(server.requests().len(), 2);
    }
    assert!(error.to_string().contains(&servers[2].url()), "{error}");
}

#[test]
fn round_robin_spreads_reads_over_all_endpoints() {
    let servers = [0, 1, 2].map(|number| StandIn::start(healthy_answers(number)));
    let client = with_replicas(&servers[0].url(), &[&servers[1], &servers[2]]);
    let client = client.read_from(ReadFrom::RoundRobin).build().unwrap();
    let abc = client.collection("abc").get().unwrap();
    let mut seen: Vec<_> = (0..6).map(|_| abc.count().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 0, 1, 1, 2, 2]);
    let record = || [Record::new("a").embedding([1.0])];
    for _ in 0..5 {
        abc.upsert(record()).unwrap();
    }
    assert_eq!(servers[0].requests_to("/upsert").len(), 5);
}

#[test]
fn writes_use_the_primary_unless_failover_is_allowed() {
    for allowed in [false, true] {
        let (second, mut healthy) = (StandIn::start(healthy_answers(1)), healthy_answers(0));
        let first = StandIn::start(move |request| {
            if request.path.ends_with("/upsert") {
                Answer::new(503, "leaving")
            } else {
                healthy(request)
            }
        });
        let client = with_replicas(&first.url(), &[&second]).fail_over_writes(allowed);
        let abc = client.build().unwrap().collection("abc").get().unwrap();
        let result = abc.upsert([Record::new("a").embedding([1.0])]);
        assert_eq!(result.is_ok(), allowed, "{result:?}");
        assert_eq!(second.requests_to("/upsert").len(), usize::from(allowed));
        let sent = first.requests_to("/upsert").len();
        assert_eq!(sent, if allowed { 1 } else { 3 });
    }
}

/// Returns a breaker that waits for half a minute before its first trial.
fn patient(failures: u32) -> CircuitBreaker {
    let breaker = CircuitBreaker::new().failures(failures);
    breaker.open_for(Duration::from_secs(600))
}

#[test]
fn a_breaker_opens_tries_one_call_and_closes() {
    let (mut answers, mut healthy) = (0, healthy_answers(3));
    let server = StandIn::start(move |request| {
        answers += 1;
        match answers {
            1..=3 => Answer::new(502, "bad gateway"),
            _ => healthy(request),
        }
    });
    let breaker = CircuitBreaker::new().failures(2).open_for(10_000 * MS);
    let client = builder(&server.url()).retry(RetryPolicy::none());
    let client = client.circuit_breaker(breaker).build().unwrap();
    for _ in 0..2 {
        assert_eq!(client.version().unwrap_err().status(), Some(502));
    }
    let refused = || {
        let error = client.version().unwrap_err();
        let Error::CircuitOpen {
            retry_after, call, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert!(*retry_after <= 2_000 * MS && call.attempts == 0);
        assert!(error.is_retryable() && error.to_string().contains(&server.url()));
        *retry_after
    };
    let wait = refused();
    assert_eq!(server.requests().len(), 2, "nothing is sent");
    thread::sleep(wait + 20 * MS);
    assert_eq!(client.version().unwrap_err().status(), Some(502), "a trial");
    let wait = refused();
    thread::sleep(wait + 20 * MS);
    assert_eq!(count(&client), 3);
    assert_eq!(count(&client), 3);
}

#[test]
fn a_breaker_that_opens_during_a_call_keeps_the_error_of_the_server() {
    let server = down();
    let client = builder(&server.url()).retry(fast().max_retries(10));
    let client = client.circuit_breaker(patient(3));
    let error = client.build().unwrap().version().unwrap_err();
    assert_eq!(error.status(), Some(502));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_retry_that_the_breaker_refuses_is_not_counted() {
    let server = down();
    let slow = RetryPolicy::default().base_delay(4_000 * MS);
    let client = builder(&server.url()).retry(slow);
    let client = client.circuit_breaker(patient(3));
    let client = client.build().unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| client.version().unwrap_err());
        wait_until("the first request", || !server.requests().is_empty());
        let once = client.with_retry(RetryPolicy::none());
        while client.metrics().endpoints[0].breaker == Some(BreakerState::Closed) {
            once.heartbeat().unwrap_err();
        }
        assert_eq!(waits.join().unwrap().status(), Some(502));
    });
    let version = &client.metrics().operations["version"];
    assert_eq!((version.attempts, version.retries), (1, 0));
}

#[test]
fn a_plain_500_does_not_open_the_breaker() {
    let server = StandIn::start(|_| Answer::new(500, "oops"));
    let client = builder(&server.url()).retry(RetryPolicy::none());
    let client = client.circuit_breaker(CircuitBreaker::new().failures(1));
    let client = client.build().unwrap();
    for _ in 0..5 {
        assert_eq!(client.version().unwrap_err().status(), Some(500));
    }
}

#[test]
fn each_endpoint_has_a_separate_breaker() {
    let (first, second) = (down(), StandIn::start(healthy_answers(1)));
    let client = with_replicas(&first.url(), &[&second]).circuit_breaker(patient(1));
    let client = client.build().unwrap();
    assert_eq!(count(&client), 1);
    assert_eq!(first.requests().len(), 1);
    // A write has no other endpoint.
    let error = client.create_tenant("tenant").unwrap_err();
    assert!(matches!(error, Error::CircuitOpen { .. }), "{error}");
}

#[test]
fn the_retry_budget_limits_retries() {
    let server = StandIn::start(|_| Answer::new(503, "ill"));
    let client = builder(&server.url()).retry(fast().max_retries(10));
    let client = client.retry_budget(20).build().unwrap();
    let retries =
        || server.requests().len() - client.metrics().operations["version"].calls as usize;
    for _ in 0..25 {
        client.version().unwrap_err();
    }
    assert_eq!(retries(), 20);
    // Calls that are under way at the same time may each use all of their retries.
    let client = client_with_budget(&server, 20);
    let before = server.requests().len();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    client.version().unwrap_err();
                }
            });
        }
    });
    let retries = server.requests().len() - before - 100;
    assert!((20..=20 + 4 * 10).contains(&retries), "{retries}");
}

/// Builds a client with ten retries for each call.
fn client_with_budget(server: &StandIn, retries: u32) -> Client {
    let client = builder(&server.url()).retry(fast().max_retries(10));
    client.retry_budget(retries).build().unwrap()
}

#[test]
fn field_26_calls_of_many_threads_keep_their_retries_while_a_server_is_away() {
    const THREADS: usize = 128;
    let (failed, mut healthy) = (AtomicUsize::new(0), healthy_answers(1));
    // Each call of each thread fails three times.
    let server = StandIn::start(move |request| {
        if failed.fetch_add(1, Ordering::Relaxed) < 3 * THREADS {
            Answer::close()
        } else {
            healthy(request)
        }
    });
    let policy = fast().max_retries(1000).base_delay(20 * MS);
    let client = builder(&server.url()).retry(policy).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| client.version().unwrap());
        }
    });
}

#[test]
fn field_26_refusals_of_a_server_that_works_do_not_use_the_budget_up() {
    let (mut number, mut healthy) = (0, healthy_answers(1));
    // Each call breaks once. Its repetition finds no such tenant.
    let server = StandIn::start(move |request| {
        number += 1;
        match number % 2 {
            _ if request.path.ends_with("/version") => healthy(request),
            1 => Answer::close(),
            _ => Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#),
        }
    });
    let client = client_with_budget(&server, 1);
    for _ in 0..20 {
        let error = client.get_tenant("tenant").unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
}

#[test]
fn field_26_the_error_of_a_creation_says_why_it_was_not_sent_again() {
    let server = StandIn::start(|request| match request.method.as_str() {
        "POST" => Answer::close(),
        _ => Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#),
    });
    let client = client_with_budget(&server, 0);
    let error = client.collection("abc").create().unwrap_err();
    let reason = error
        .call()
        .unwrap()
        .not_retried_because
        .unwrap_or_default();
    assert!(reason.contains("retry_budget"), "{error}");
}

#[test]
fn field_26_an_error_says_why_the_request_was_not_sent_again() {
    let server = down();
    let client = |policy: RetryPolicy| builder(&server.url()).retry(policy);
    let reason = |client: ClientBuilder| {
        let client = client.build().unwrap();
        let error = client.version().unwrap_err();
        let reason = error.call().unwrap().not_retried_because;
        if let Some(reason) = reason {
            assert!(
                error.to_string().contains(&format!("retry: {reason})")),
                "{error}"
            );
        }
        reason.unwrap_or_default()
    };
    assert_eq!(reason(client(fast())), "", "all retries were used");
    assert_eq!(reason(client(RetryPolicy::none())), "");
    assert_eq!(
        reason(client(fast()).retry_budget(0)),
        "too many calls failed in spite of retries (see ClientBuilder::retry_budget)"
    );
    assert_eq!(
        reason(client(fast()).circuit_breaker(patient(1))),
        "the circuit breaker is open"
    );
    let slow = fast().base_delay(3_600_000 * MS).deadline(60_000 * MS);
    assert_eq!(
        reason(client(slow)),
        "the call's deadline is before the next attempt"
    );
    let asking = StandIn::start(|_| Answer::new(503, "later").header("retry-after", 90));
    assert_eq!(
        reason(builder(&asking.url())),
        "the server asked for a wait longer than RetryPolicy::max_delay"
    );
}

/// Starts a server that answers each request, and then closes the connection without announcing that.
fn closes_after_each(number: usize) -> StandIn {
    let mut healthy = healthy_answers(number);
    StandIn::start(move |request| healthy(request).then_close())
}

#[test]
fn requests_on_closed_connections_are_repeated() {
    let server = closes_after_each(4);
    let client = builder(&server.url()).retry(RetryPolicy::none());
    let client = client.build().unwrap();
    let abc = client.collection("abc").get().unwrap();
    let record = || [Record::new("a").embedding([1.0])];
    // Immediately, before the client may see the end of the connection, and later.
    for pause in [0, 0, 0, 0, 5, 20] {
        for _ in 0..20 {
            assert_eq!(abc.count().unwrap(), 4);
            abc.upsert(record()).unwrap();
            client.create_tenant("tenant").unwrap();
            thread::sleep(pause * MS);
        }
    }
}

#[test]
fn retry_after_may_be_a_date() {
    let soon = httpdate_in(Duration::from_secs(4));
    let server = StandIn::script([
        Answer::new(429, "slow down").header("retry-after", soon),
        Answer::ok(r#""1.0.0""#),
    ]);
    let started = Instant::now();
    builder(&server.url()).build().unwrap().version().unwrap();
    assert!(started.elapsed() > Duration::from_millis(500), "it waited");
    let late = httpdate_in(Duration::from_secs(3600));
    let server = StandIn::start(move |_| Answer::new(429, "no").header("retry-after", &late));
    let error = builder(&server.url())
        .build()
        .unwrap()
        .version()
        .unwrap_err();
    let Error::RateLimited { retry_after, .. } = error else {
        panic!("{error}");
    };
    assert!(retry_after.unwrap() > Duration::from_secs(3500));
}

/// Returns a date in HTTP format.
fn httpdate_in(time: Duration) -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now() + time)
}

#[test]
fn invalid_settings_are_refused() {
    let address: SocketAddr = ([127, 0, 0, 1], 9).into();
    let builder = || Client::builder().host(address.to_string());
    let many = (0..64).map(|port| format!("localhost:{}", 1000 + port));
    for (builder, name) in [
        (builder().replicas([""]), "replicas"),
        (builder().replicas(["ftp://x"]), "replicas"),
        (builder().replicas([address.to_string()]), "replicas"),
        (builder().replicas(["a:1", "b:1", "a:1"]), "replicas"),
        (builder().replicas(many), "replicas"),
        (builder().max_response_size(0), "max_response_size"),
        (
            builder().circuit_breaker(CircuitBreaker::new().failures(0)),
            "circuit_breaker",
        ),
        (
            builder().circuit_breaker(CircuitBreaker::new().open_for(Duration::ZERO)),
            "circuit_breaker",
        ),
    ] {
        let error = builder.build().unwrap_err();
        let Error::Invalid {
            reason: InvalidInput::Setting { name: at_fault, .. },
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(*at_fault, name, "{error}");
    }
}

#[test]
fn the_result_of_a_lost_write_is_checked_on_the_same_endpoint() {
    // The primary sends no answer and does not delete. The replica does not have the collection.
    let mut first = true;
    let primary = StandIn::start(move |request| match request.method.as_str() {
        "DELETE" if std::mem::take(&mut first) => Answer::reset(),
        _ => Answer::ok(COLLECTION),
    });
    let copy = StandIn::start(|_| Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#));
    let client = with_replicas(&primary.url(), &[&copy]).build().unwrap();
    let error = client.delete_collection("abc").unwrap_err();
    assert!(error.call().unwrap().may_have_acted, "{error}");
    assert_eq!(copy.requests().len(), 0);
}

#[test]
fn a_short_deadline_does_not_open_the_breaker() {
    let answers = Arc::new(AtomicBool::new(false));
    let flag = answers.clone();
    let server = StandIn::start(move |_| {
        if flag.load(Ordering::SeqCst) {
            Answer::ok(r#""1.0.0""#)
        } else {
            Answer::hang()
        }
    });
    let breaker = CircuitBreaker::new().failures(2);
    let client = builder(&server.url()).circuit_breaker(breaker);
    let client = client.build().unwrap();
    let hurried = client.with_retry(RetryPolicy::none().deadline(10 * MS));
    for _ in 0..5 {
        let error = hurried.version().unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
    answers.store(true, Ordering::SeqCst);
    client.version().unwrap();
}

#[test]
fn a_read_that_fails_on_one_endpoint_is_tried_on_another() {
    let first = StandIn::start(|_| Answer::new(500, "oops"));
    let second = StandIn::start(healthy_answers(1));
    let client = with_replicas(&first.url(), &[&second]).build().unwrap();
    assert_eq!(count(&client), 1);
    assert_eq!(
        first.requests().len(),
        2,
        "the endpoint answers, so the request is retried there"
    );
}

#[test]
fn requests_repeated_after_a_check_use_the_budget() {
    let server = StandIn::start(|request| match request.method.as_str() {
        "POST" => Answer::reset(),
        _ => Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#),
    });
    let posts = |client: ClientBuilder| {
        let client = client.retry(fast().max_retries(3)).build().unwrap();
        let before = server.requests().len();
        let error = client.collection("abc").create().unwrap_err();
        let sent = server.requests()[before..]
            .iter()
            .filter(|r| r.method == "POST")
            .count();
        assert_eq!(error.call().unwrap().attempts as usize, sent, "{error}");
        sent
    };
    assert_eq!(posts(builder(&server.url())), 4);
    assert_eq!(posts(builder(&server.url()).retry_budget(0)), 1);
}

#[test]
fn a_later_error_does_not_hide_a_lost_answer() {
    let mut step = 0;
    let server = StandIn::start(move |_| {
        step += 1;
        match step {
            1 => Answer::close(),
            2 => Answer::new(404, r#"{"error":"NotFoundError","message":"no"}"#),
            _ => Answer::new(400, r#"{"error":"InvalidArgumentError","message":"no"}"#),
        }
    });
    let client = builder(&server.url()).build().unwrap();
    let error = client.collection("abc").create().unwrap_err();
    assert_eq!(error.status(), Some(400));
    let call = error.call().unwrap();
    assert!(call.may_have_acted && call.attempts == 2, "{call:?}");
}
