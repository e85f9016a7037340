//! The proxy itself: what the server sees of a request, what the client gets, and what is noted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use chroma_blocking::{Client, Error, RetryPolicy};

use crate::support::fault_proxy::fault::{ALL, Fault, script, seeded};
use crate::support::fault_proxy::{FaultProxy, Seen, Upstream};
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{COLLECTION, LIMITS, builder, chroma, closed_port, wait_until};

/// A Chroma that makes collections, and has twelve of them.
fn server() -> StandIn {
    chroma(LIMITS, |request| match request.method.as_str() {
        "GET" => Answer::ok("12"),
        _ => Answer::ok(COLLECTION),
    })
}

/// A client that gives up after a time that is long enough for a call without a fault on a busy machine.
fn hasty(proxy: &FaultProxy) -> Client {
    let builder = builder(&proxy.url()).request_timeout(Duration::from_secs(2));
    builder.retry(RetryPolicy::none()).build().unwrap()
}

#[test]
fn each_fault_does_what_it_says_and_is_noted() {
    for fault in ALL {
        let server = server();
        let proxy = FaultProxy::start(&server.url(), script([Some(fault)]));
        let client = hasty(&proxy);
        let made = client.collection("abc").get_or_create();
        let asked = usize::from(fault.reaches_upstream());
        let path = "/api/v2/tenants/default_tenant/databases/default_database/collections";
        assert_eq!(server.requests_to(path).len(), asked, "{fault}");
        let (method, path) = match fault {
            Fault::Refuse => ("", ""),
            _ => ("POST", path),
        };
        let seen = Seen {
            method: method.to_owned(),
            path: path.to_owned(),
            fault: Some(fault),
            upstream: match asked {
                0 => Upstream::Unasked,
                _ => Upstream::Answered(200),
            },
        };
        assert_eq!(proxy.seen()[0], seen);
        assert_eq!(
            Vec::from_iter(proxy.faults()),
            [(fault.to_string(), 1)],
            "and no other"
        );
        // The client knows no less than it can, and no more.
        match (fault, made) {
            (Fault::Delay | Fault::Trickle | Fault::CloseAfter, made) => {
                assert_eq!(made.unwrap().name(), "abc");
            }
            (_, Ok(_)) => panic!("{fault} is no answer"),
            // Whether the client has sent anything by then is chance.
            (Fault::Refuse, Err(error)) => {
                assert!(matches!(error, Error::Connection { .. }), "{error}");
            }
            (Fault::Status { code, .. }, Err(error)) => {
                assert_eq!(error.status(), Some(code));
                assert!(
                    error.call().unwrap().may_have_acted || asked == 0,
                    "{fault}"
                );
            }
            (Fault::HangBefore | Fault::HangAfter | Fault::TooLong, Err(error)) => {
                assert!(matches!(error, Error::Timeout { .. }), "{fault}: {error}");
                assert!(error.call().unwrap().may_have_acted, "{fault}");
            }
            (_, Err(error)) => {
                assert!(error.call().unwrap().may_have_acted, "{fault}: {error}");
            }
        }
        // And nothing is left of it: the next call is answered, and right.
        assert_eq!(client.count_collections().unwrap(), 12, "after {fault}");
    }
}

#[test]
fn a_length_that_is_too_short_leaves_nothing_of_a_number() {
    let server = server();
    let proxy = FaultProxy::start(&server.url(), script([Some(Fault::TooShort)]));
    let error = hasty(&proxy).count_collections().unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
}

#[test]
fn a_connection_is_kept_where_nothing_breaks_it() {
    let server = server();
    let proxy = FaultProxy::start(&server.url(), script([]));
    let client = hasty(&proxy);
    for _ in 0..5 {
        assert_eq!(client.count_collections().unwrap(), 12);
    }
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
    assert!(proxy.faults().is_empty());
}

#[test]
fn bodies_come_through_as_they_are() {
    let server = StandIn::start(|_| Answer::ok("done."));
    let proxy = FaultProxy::start(&server.url(), script([]));
    let mut stream = TcpStream::connect(proxy.url().replace("http://", "")).unwrap();
    let mut send = |parts: &[&str]| {
        for part in parts {
            stream.write_all(part.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"done.") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    };
    send(&[
        "POST /a?b=c HTTP/1.1\r\nX-Token: t\r\ntransfer-encoding: chunked\r\n\r\n",
        "3\r\n{\"a\r\nA\r\n\":\"\r\n\r\n\"}\n\r\n0\r\n\r\n",
    ]);
    send(&["POST /d HTTP/1.1\r\ncontent-length: 4\r\n\r\n1", "234"]);
    send(&["GET /e HTTP/1.1\r\n\r\n"]);
    let requests = server.requests();
    let bodies: Vec<_> = requests.iter().map(|r| &r.body[..]).collect();
    assert_eq!(bodies, [&b"{\"a\":\"\r\n\r\n\"}\n"[..], b"1234", b""]);
    assert_eq!(requests[0].path, "/a?b=c");
    assert_eq!(requests[0].header("x-token"), Some("t"));
}

#[test]
fn what_a_client_has_given_up_is_not_acted_on_after_settle() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = StandIn::start(move |_| {
        let _ = wait.lock().unwrap().recv();
        Answer::ok(COLLECTION)
    });
    let proxy = FaultProxy::start(&server.url(), script([]));
    let error = hasty(&proxy).collection("abc").create().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(proxy.seen()[0].upstream, Upstream::Unasked);
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        go_on.send(()).unwrap();
    });
    proxy.settle();
    assert_eq!(proxy.seen()[0].upstream, Upstream::Answered(200));
    late.join().unwrap();
}

#[test]
fn a_server_that_is_away_is_noted_and_the_client_hears_nothing() {
    let (_reserved, address) = closed_port();
    let proxy = FaultProxy::start(&format!("http://{address}"), script([]));
    let error = hasty(&proxy).count_collections().unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    assert!(matches!(proxy.seen()[0].upstream, Upstream::Failed(_)));
}

#[test]
fn a_proxy_ends_with_the_connections_that_hang_on_it() {
    let server = server();
    let proxy = FaultProxy::start(&server.url(), script([Some(Fault::HangBefore)]));
    let client = builder(&proxy.url()).retry(RetryPolicy::none());
    let client = client.build().unwrap();
    let call = thread::spawn(move || client.count_collections().unwrap_err());
    wait_until("the request", || !proxy.seen().is_empty());
    drop(proxy);
    let error = call.join().unwrap();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
}

#[test]
fn a_seed_gives_its_faults_again_and_gives_them_all() {
    let request = || {
        let mut bytes = &b"GET / HTTP/1.1\r\n\r\n"[..];
        crate::support::stand_in::read_head(&mut bytes).unwrap()
    };
    let faults = |seed| {
        let mut plan = seeded(seed, 20);
        let request = request();
        let drawn: Vec<_> = (0..5_000).map(|_| plan(request.as_ref())).collect();
        drawn
    };
    let drawn = faults(7);
    assert!(drawn == faults(7) && drawn != faults(8));
    let count = drawn.iter().flatten().count();
    assert!((900..1_100).contains(&count), "{count} of 5,000");
    for fault in ALL {
        assert!(drawn.contains(&Some(fault)), "{fault}");
    }
}
