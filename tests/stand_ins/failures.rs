//! `Client` with servers that are down, slow, broken, busy, or not Chroma at all.

use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::stand_in::{Answer, Habits, StandIn, script};
use crate::support::*;
use chroma_blocking::{Error, Result, RetryPolicy};

const TOKEN: &str = "ck-5ecret-t0ken";

/// Returns the kind of the I/O error that caused an error.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let cause = std::error::Error::source(error)?;
    cause.downcast_ref().map(io::Error::kind)
}

#[test]
fn the_error_for_an_unreachable_host_says_how_to_start_a_server() {
    let (_reserved, address) = closed_port();
    let url = format!("http://{address}");
    let client = builder(&url).build().unwrap();
    // Nothing was sent, so even create() is retried.
    for error in [
        client.heartbeat().map(drop).unwrap_err(),
        client.collection("abc").create().map(drop).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, Error::Connection { .. }), "{text}");
        assert!(text.contains(&url) && text.contains("chroma run"), "{text}");
        assert_eq!(error.call().unwrap().attempts, 3, "1 + max_retries");
        assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
        assert!(
            !text.contains("refused"),
            "the cause is not repeated: {text}"
        );
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
    }
}

#[test]
fn an_http_server_other_than_chroma_is_an_error() {
    for answer in [
        Answer::html(200),
        Answer::html(404),
        Answer::new(404, ""),
        Answer::ok(r#"{"hello":1}"#),
    ] {
        let shown = format!("{answer:?}");
        let server = StandIn::start(move |_| answer.clone());
        let client = client(&server);
        let calls: [Result<()>; 3] = [
            client.heartbeat().map(drop),
            client.version().map(drop),
            client.collection("abc").get_or_create().map(drop),
        ];
        for error in calls.map(Result::unwrap_err) {
            assert!(matches!(error, Error::NotChroma { .. }), "{error} {shown}");
            assert!(error.to_string().contains(&server.url()), "{error}");
            assert!(!error.is_retryable());
        }
    }
}

#[test]
fn a_server_without_http_is_not_chroma() {
    let server = StandIn::start(|_| Answer::raw("SSH-2.0-OpenSSH_9.6\r\n"));
    let error = client(&server).heartbeat().unwrap_err();
    assert!(matches!(error, Error::NotChroma { .. }), "{error}");
}

#[test]
fn an_unknown_operation_is_unsupported() {
    let server = chroma(LIMITS, |_| Answer::new(404, ""));
    let error = client(&server).count_collections().unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains(&server.url()), "{error}");
}

#[test]
fn a_late_answer_is_a_timeout() {
    let dribble = Answer::ok(r#"{"nanosecond heartbeat":1}"#).slowly(Duration::from_millis(20));
    for answer in [Answer::hang(), dribble] {
        let server = StandIn::start(move |_| answer.clone());
        let patience = Duration::from_millis(300);
        let client = builder(&server.url()).request_timeout(patience);
        let client = client.retry(RetryPolicy::none()).build().unwrap();
        let started = Instant::now();
        let error = client.heartbeat().unwrap_err();
        let took = started.elapsed();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert_eq!(io_kind(&error), Some(io::ErrorKind::TimedOut));
        assert!(error.to_string().contains(&server.url()), "{error}");
        assert!(
            took >= patience && took < Duration::from_secs(30),
            "{took:?}"
        );
        // The connection cannot be used again.
        let _ = client.version();
        assert_eq!(server.connections(), 2);
    }
}

#[test]
fn a_lost_answer_repeats_the_same_bytes() {
    for lost in lost_answers() {
        let shown = format!("{lost:?}");
        let found = r#"{"ids":["id0"],"documents":null,"metadatas":null,"include":[]}"#;
        let server = scripted([lost.clone(), Answer::ok("{}"), lost, Answer::ok(found)]);
        let abc = collection(&server);
        abc.upsert(records(3)).expect(&shown);
        assert_eq!(abc.get().run().expect(&shown).ids, ["id0"]);
        for end in ["/upsert", "/get"] {
            let sent = server.requests_to(end);
            assert_eq!(sent.len(), 2, "{shown}");
            assert_eq!(sent[0].body, sent[1].body, "{shown}");
        }
    }
}

#[test]
fn requests_on_connections_closed_unread_are_repeated() {
    let habits = Habits {
        drop_first: 2,
        ..Habits::default()
    };
    let server = StandIn::with_habits(habits, |_| Answer::ok("\"1.0.0\""));
    assert_eq!(client(&server).version().unwrap(), "1.0.0");
    assert_eq!((server.connections(), server.requests().len()), (3, 1));
}

#[test]
fn create_is_not_repeated_after_a_lost_answer() {
    let create = |server: &StandIn| client(server).collection("abc").create().unwrap_err();
    // The client then looks for the collection (operations.rs). These servers do not answer that request.
    let created = |server: &StandIn| {
        let requests = server.requests();
        requests.iter().filter(|r| r.method == "POST").count()
    };
    for lost in lost_answers() {
        let shown = format!("{lost:?}");
        let server = scripted([lost]);
        let error = create(&server);
        assert!(matches!(error, Error::Connection { .. }), "{error} {shown}");
        assert!(error.call().unwrap().may_have_acted, "{shown}");
        assert_eq!(created(&server), 1, "{shown}");
    }
    // A busy server that does not say whether it executed the request.
    let server = scripted([Answer::new(503, "busy")]);
    assert!(create(&server).is_retryable());
    assert_eq!(created(&server), 1);
    // A timeout.
    let server = scripted([Answer::hang()]);
    let hasty = builder(&server.url()).request_timeout(Duration::from_secs(1));
    let made = hasty.build().unwrap().collection("abc").create();
    assert!(matches!(made, Err(Error::Timeout { .. })));
    assert_eq!(created(&server), 1);
    // The server closes the connection without reading. The client cannot know that.
    let habits = Habits {
        drop_first: 1,
        ..Habits::default()
    };
    let server = StandIn::with_habits(habits, |_| Answer::new(418, "tea"));
    create(&server);
    assert_eq!((server.connections(), created(&server)), (2, 0));
}

#[test]
fn create_is_repeated_if_the_server_did_not_execute_it() {
    for busy in [
        Answer::new(429, "slow down"),
        Answer::new(503, "busy").header("retry-after", 0),
        // Chroma 1.0.0 answers this to concurrent writes.
        Answer::new(
            500,
            r#"{"error":"InternalError","message":"Database error: error returned from database: (code: 5) database is locked"}"#,
        ),
    ] {
        let server = scripted([busy, Answer::ok(COLLECTION)]);
        client(&server).collection("abc").create().unwrap();
        assert_eq!(server.requests().len(), 2);
    }

    // A server that starts while the client waits.
    let (reserved, address) = closed_port();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        reserved.listen(16).unwrap();
        let answer = script([Answer::ok(COLLECTION)]);
        StandIn::on_listener(TcpListener::from(reserved), Habits::default(), answer)
    });
    let patient = fast().max_retries(12).base_delay(Duration::from_millis(10));
    let client = builder(&format!("http://{address}")).retry(patient);
    let made = client.build().unwrap().collection("abc").create();
    let server = late.join().unwrap();
    assert_eq!(made.unwrap().name(), "abc");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used() {
    let answer = Answer::ok("\"1.0.0\"").then_close();
    let server = StandIn::script([answer, Answer::ok(COLLECTION)]);
    let client = client(&server);
    client.version().unwrap();
    wait_until("the server closes the connection", || {
        server.open_connections() == 0
    });
    // The client cannot repeat this request, so it must not send it on the closed connection.
    client.collection("abc").create().unwrap();
    assert_eq!((server.connections(), server.requests().len()), (2, 2));
}

#[test]
fn retry_after_is_waited_for() {
    let waited = |status| {
        let busy = Answer::new(status, "busy").header("retry-after", 1);
        let server = scripted([busy, Answer::ok("7")]);
        assert_eq!(client(&server).count_collections().unwrap(), 7);
        let sent = server.requests();
        assert!(sent[1].at - sent[0].at >= Duration::from_secs(1));
    };
    // Both at the same time, because the shortest wait in the header is a second.
    thread::scope(|scope| {
        for status in [429, 503] {
            scope.spawn(move || waited(status));
        }
    });
}

#[test]
fn a_wait_longer_than_the_policy_allows_fails_at_once() {
    for status in [429, 503] {
        let busy = Answer::new(status, "busy").header("retry-after", 3600);
        let server = scripted([busy]);
        let error = client(&server).count_collections().unwrap_err();
        match &error {
            Error::RateLimited { retry_after, .. } if status == 429 => {
                assert_eq!(*retry_after, Some(Duration::from_secs(3600)));
            }
            Error::Server { status: 503, .. } if status == 503 => {}
            other => panic!("{other}"),
        }
        assert!(error.is_retryable());
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn the_error_of_a_busy_server_has_its_wait() {
    let busy = Answer::new(503, "busy").header("retry-after", 3600);
    let server = scripted([busy]);
    let error = client(&server).count_collections().unwrap_err();
    assert!(error.to_string().contains("3600"), "{error}");
}

#[test]
fn the_error_for_an_unknown_host_gives_advice() {
    let client = builder("http://no-such-host.invalid:8000").retry(RetryPolicy::none());
    let error = client
        .build()
        .unwrap()
        .collection("abc")
        .create()
        .unwrap_err();
    let text = error.to_string();
    for part in [
        "no-such-host.invalid",
        "cannot connect",
        "check that a server runs there",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!error.call().unwrap().may_have_acted);
}

#[test]
fn endless_timeouts_do_not_panic() {
    let server = chroma(LIMITS, |_| Answer::ok("3"));
    let endless = builder(&server.url())
        .request_timeout(Duration::MAX)
        .connection_timeout(Duration::MAX);
    assert_eq!(endless.build().unwrap().count_collections().unwrap(), 3);
}

#[test]
fn redirects_are_reported_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let other = StandIn::start(|_| Answer::ok("1"));
        let there = format!("{}/elsewhere", other.url());
        let location = there.clone();
        let server = StandIn::start(move |_| Answer::new(status, "").header("location", &location));
        let client = builder(&server.url()).api_key(TOKEN).build().unwrap();
        for error in [
            client.heartbeat().map(drop).unwrap_err(),
            client.collection("abc").get_or_create().unwrap_err(),
        ] {
            assert!(error.to_string().contains(&there), "{error}");
            assert!(!error.is_retryable());
        }
        assert_eq!(other.connections(), 0, "the token was sent to another host");
    }
}

#[test]
fn garbage_is_a_decoding_error() {
    let deep = "[".repeat(200_000);
    let gets = [
        "",
        "null",
        "<html>",
        "{}",
        "\u{FEFF}{}",
        deep.as_str(),
        r#"{"ids":["a","b"],"documents":["x"]}"#,
        r#"{"ids":["a"],"metadatas":[null,null]}"#,
        r#"{"ids":["a","b"],"embeddings":[[1.0]]}"#,
        r#"{"ids":["a","b"],"embeddings":[[1.0],[1.0,2.0]]}"#,
        r#"{"ids":["a"],"embeddings":[["1.0"]]}"#,
        r#"{"ids":[null]}"#,
        r#"{"ids":["a"]} {"ids":["b"]}"#,
    ];
    for answer in gets {
        let server = scripted([Answer::ok(answer)]);
        let error = collection(&server).get().run().unwrap_err();
        assert!(
            matches!(error, Error::Decode { .. }),
            "{error} {answer:.80}"
        );
    }
    let queries = [
        r#"{"ids":[["a"]]}"#,
        r#"{"ids":[["a"]],"distances":null}"#,
        r#"{"ids":[["a","b"]],"distances":[[0.5]]}"#,
        r#"{"ids":[["a"]],"distances":[["near"]]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5,0.6]]}"#,
        r#"{"ids":[],"distances":[]}"#,
        r#"{"ids":[["a"],["b"]],"distances":[[0.5],[0.5]]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5]],"documents":[]}"#,
        r#"{"ids":["a"],"distances":[0.5]}"#,
    ];
    for answer in queries {
        let server = scripted([Answer::ok(answer)]);
        let error = collection(&server).query([1.0, 2.0]).run().unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error} {answer}");
    }
    for answer in ["-1", "1.5", "\"5\"", "18446744073709551616"] {
        let server = scripted([Answer::ok(answer)]);
        let error = collection(&server).count().unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error} {answer}");
    }
}

#[test]
fn inconsistent_answers_are_decoding_errors() {
    let read = |answer: &'static str| {
        let server = scripted([Answer::ok(answer)]);
        if answer.contains("distances") {
            collection(&server).query([1.0]).run().map(drop)
        } else {
            collection(&server).get().run().map(drop)
        }
    };
    let taken: Vec<_> = [
        r#"{"ids":["a"],"embeddings":[[1e39]]}"#,
        r#"{"ids":[["a"]],"distances":[[1e39]]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5],[0.6]]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5]],"documents":[["x"],["y"]]}"#,
    ]
    .into_iter()
    .filter(|answer| !matches!(read(answer), Err(Error::Decode { .. })))
    .collect();
    assert!(taken.is_empty(), "{taken:#?}");
}

#[test]
fn a_huge_content_length_is_an_error_at_once() {
    // Allocating this much memory would abort the process.
    for length in [1 << 40, 1 << 62, u64::MAX] {
        let server = StandIn::start(move |_| Answer::ok("{}").announcing(length));
        let client = client_without_retries(&server);
        let started = Instant::now();
        let error = client.version().unwrap_err();
        assert!(error.to_string().contains(&server.url()), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30), "{error}");
    }
}

#[test]
fn errors_hide_a_token_that_the_server_repeats() {
    for status in [200, 404, 500] {
        let echo = format!(r#"{{"headers":{{"x-chroma-token":"{TOKEN}"}}}}"#);
        let server = StandIn::start(move |_| Answer::new(status, echo.clone()));
        let client = builder(&server.url()).api_key(TOKEN).build().unwrap();
        let error = client.heartbeat().unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
    }
}

#[test]
fn tenants_and_databases_that_change_the_path_are_not_sent() {
    let server = StandIn::start(|_| Answer::ok("0"));
    for odd in ["", ".", ".."] {
        let client = client(&server);
        for client in [client.with_tenant(odd), client.with_database(odd)] {
            let error = client.count_collections().unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
    }
    assert!(server.requests().is_empty());
}

#[test]
fn errors_hide_a_password_that_the_server_repeats() {
    let words = r#"{"error":"ChromaError","message":"user bob with password hunter2pass"}"#;
    let server = StandIn::start(move |_| Answer::new(403, words));
    let client = builder(&server.url()).basic_auth("bob", "hunter2pass");
    let error = client.build().unwrap().version().unwrap_err().to_string();
    assert!(
        error.contains("bob") && !error.contains("hunter2pass"),
        "{error}"
    );
}

#[test]
fn names_are_percent_encoded_in_the_path() {
    let server = StandIn::start(|_| Answer::ok("0"));
    let client = builder(&server.url())
        .tenant("a/b ?#%é")
        .database("../{x}&\u{1F980}");
    client.build().unwrap().count_collections().unwrap();
    assert_eq!(
        server.requests()[0].path,
        "/api/v2/tenants/a%2Fb%20%3F%23%25%C3%A9/databases/..%2F%7Bx%7D%26%F0%9F%A6%80/collections_count"
    );
}

#[test]
fn secure_07_a_header_that_is_a_word_of_the_response_changes_no_kind() {
    let gone = r#"{"error":"NotFoundError","message":"Collection [messaging] does not exist"}"#;
    let server = StandIn::start(move |_| Answer::new(404, gone));
    for word in ["messaging", "message", "error", "NotFoundError", "404", "1"] {
        let client = builder(&server.url()).header("x-team", word).build();
        let error = client.unwrap().collection("abc").get().unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{word}: {error}");
    }
}
