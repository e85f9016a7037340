//! Tests of the fault proxy: what reaches the server, what the client gets, and what the proxy records.

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

/// Starts a stand-in for Chroma that creates collections and counts twelve of them.
fn server() -> StandIn {
    chroma(LIMITS, |request| match request.method.as_str() {
        "GET" => Answer::ok("12"),
        _ => Answer::ok(COLLECTION),
    })
}

/// Returns a client with a short timeout, still long enough for a call without a fault on a busy machine.
fn client_with_timeout(proxy: &FaultProxy) -> Client {
    let builder = builder(&proxy.url()).request_timeout(Duration::from_secs(2));
    builder.retry(RetryPolicy::none()).build().unwrap()
}

#[test]
fn each_fault_has_its_effect_and_is_recorded() {
    for fault in ALL {
        let server = server();
        let proxy = FaultProxy::start(&server.url(), script([Some(fault)]));
        let client = client_with_timeout(&proxy);
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
            "no other fault"
        );
        // The error says exactly what the client can know.
        match (fault, made) {
            (Fault::Delay | Fault::Trickle | Fault::CloseAfter, made) => {
                assert_eq!(made.unwrap().name(), "abc");
            }
            (_, Ok(_)) => panic!("the call succeeded despite {fault}"),
            // The client may or may not have sent something before.
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
        // The next call is not affected.
        assert_eq!(client.count_collections().unwrap(), 12, "after {fault}");
    }
}

#[test]
fn a_number_cut_by_a_short_length_is_an_error() {
    let server = server();
    let proxy = FaultProxy::start(&server.url(), script([Some(Fault::TooShort)]));
    let error = client_with_timeout(&proxy).count_collections().unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
}

#[test]
fn connections_are_reused_without_faults() {
    let server = server();
    let proxy = FaultProxy::start(&server.url(), script([]));
    let client = client_with_timeout(&proxy);
    for _ in 0..5 {
        assert_eq!(client.count_collections().unwrap(), 12);
    }
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
    assert!(proxy.faults().is_empty());
}

#[test]
fn bodies_are_forwarded_unchanged() {
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
fn abandoned_requests_are_not_executed_after_settle() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = StandIn::start(move |_| {
        let _ = wait.lock().unwrap().recv();
        Answer::ok(COLLECTION)
    });
    let proxy = FaultProxy::start(&server.url(), script([]));
    let error = client_with_timeout(&proxy)
        .collection("abc")
        .create()
        .unwrap_err();
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
fn an_unreachable_server_is_recorded_and_the_connection_closed() {
    let (_reserved, address) = closed_port();
    let proxy = FaultProxy::start(&format!("http://{address}"), script([]));
    let error = client_with_timeout(&proxy).count_collections().unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    assert!(matches!(proxy.seen()[0].upstream, Upstream::Failed(_)));
}

#[test]
fn dropping_the_proxy_closes_its_connections() {
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
fn a_seed_always_gives_the_same_faults_and_all_kinds() {
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
