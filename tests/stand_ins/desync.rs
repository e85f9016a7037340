//! A later request never gets an earlier response: bytes that a server sends in addition to a response end the
//! connection.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::listening::Listening;
use crate::support::stand_in::{Answer, Habits, StandIn, lock, read_head};
use crate::support::*;
use chroma_blocking::{Client, Error, RetryPolicy};

/// A response with this number.
fn number(number: u32) -> String {
    let body = number.to_string();
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The response that no call may get.
const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n666";

fn count(client: &Client) -> usize {
    client.count_collections().unwrap()
}

fn plain(url: &str) -> Client {
    builder(url).retry(RetryPolicy::none()).build().unwrap()
}

/// Where the bytes are, the whole of what the server sends, and whether the response is a good one.
fn with_more_bytes() -> Vec<(&'static str, String, bool)> {
    let one = number(1);
    let long = EVIL.repeat(20_000);
    let no_body = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 3\r\n\r\n{EVIL}");
    vec![
        ("a second response", format!("{one}{EVIL}"), true),
        ("very many responses", format!("{one}{long}"), true),
        (
            "the start of a response",
            format!("{one}{}", &EVIL[..40]),
            true,
        ),
        ("one byte", format!("{one}H"), true),
        ("a line break", format!("{one}\r\n"), true),
        (
            "100 Continue",
            format!("{one}HTTP/1.1 100 Continue\r\n\r\n"),
            true,
        ),
        (
            "after the last chunk",
            format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n{EVIL}"
            ),
            true,
        ),
        (
            "chunks that end before the length",
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n{EVIL}"
            ),
            true,
        ),
        (
            "in an error",
            format!("HTTP/1.1 400 No\r\ncontent-length: 1\r\n\r\nx{EVIL}"),
            false,
        ),
        (
            "in an error whose body is not read to its end",
            format!(
                "HTTP/1.1 400 No\r\ncontent-length: 100000\r\n\r\n{}{EVIL}",
                "x".repeat(99_000)
            ),
            false,
        ),
        ("in a redirect", no_body("302 Found\r\nlocation: /"), false),
        ("after 204", no_body("204 No Content"), false),
        ("after 304", no_body("304 Not Modified"), false),
        (
            "after 101",
            format!("HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n{EVIL}"),
            false,
        ),
    ]
}

/// Builds a client that waits for a second, once.
fn hasty(server: &Listening) -> Client {
    let client = builder(&server.url()).retry(RetryPolicy::none());
    client
        .request_timeout(Duration::from_secs(1))
        .build()
        .unwrap()
}

#[test]
fn secure_00_bytes_after_a_response_are_not_the_next_response() {
    for (what, first, is_fine) in with_more_bytes() {
        let mut first = Some(first);
        let server = StandIn::start(move |_| match first.take() {
            Some(first) => Answer::raw_kept(first),
            None => Answer::ok("2"),
        });
        let client = plain(&server.url());
        let result = client.count_collections();
        assert_eq!(result.is_ok(), is_fine, "{what}: {result:?}");
        assert!(!result.is_ok_and(|found| found != 1), "{what}");
        for _ in 0..3 {
            assert_eq!(count(&client), 2, "{what}");
        }
        assert!(
            server.connections() >= 2,
            "{what}: the connection is not used again"
        );
    }
}

/// Answers the first request of the first connection with 1, waits for a text, sends it, and reports that.
/// Answers all other requests with 2.
fn sending_later() -> (Listening, Sender<String>, Receiver<()>) {
    let (send, to_send) = channel::<String>();
    let (sent, was_sent) = channel();
    let channels = Mutex::new((to_send, sent));
    let serve = move |connection: usize, stream: &TcpStream| -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        let mut is_first = connection == 0;
        while read_head(&mut reader)?.is_some() {
            if !std::mem::take(&mut is_first) {
                writer.write_all(number(2).as_bytes())?;
                continue;
            }
            writer.write_all(number(1).as_bytes())?;
            let channels = lock(&channels);
            if let Ok(text) = channels.0.recv() {
                writer.write_all(text.as_bytes())?;
                let _ = channels.1.send(());
            }
        }
        Ok(())
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (Listening::start(listener, serve), send, was_sent)
}

#[test]
fn secure_00_a_response_that_arrives_while_no_request_is_under_way_is_not_the_next_one() {
    for text in [EVIL, &EVIL[..1], &EVIL.repeat(1_000)] {
        let (server, send, was_sent) = sending_later();
        let client = plain(&server.url());
        assert_eq!(count(&client), 1);
        send.send(text.to_owned()).unwrap();
        was_sent.recv().unwrap();
        for _ in 0..3 {
            assert_eq!(count(&client), 2);
        }
        assert_eq!(server.connections(), 2);
    }
}

#[test]
fn secure_00_a_late_response_is_not_that_of_the_next_request() {
    // The server answers the first request when the client has given up on it.
    let (late, is_late) = channel::<()>();
    let is_late = Mutex::new(is_late);
    let serve = move |connection: usize, stream: &TcpStream| -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        while read_head(&mut reader)?.is_some() {
            if connection == 0 {
                let _ = lock(&is_late).recv();
                writer.write_all(EVIL.as_bytes())?;
            } else {
                writer.write_all(number(2).as_bytes())?;
            }
        }
        Ok(())
    };
    let server = Listening::start(TcpListener::bind("127.0.0.1:0").unwrap(), serve);
    let client = hasty(&server);
    let error = client.count_collections().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    late.send(()).unwrap();
    for _ in 0..3 {
        // On a busy machine, a good response may also be late.
        match client.count_collections() {
            Ok(found) => assert_eq!(found, 2),
            Err(error) => assert!(matches!(error, Error::Timeout { .. }), "{error}"),
        }
    }
}

#[test]
fn secure_00_a_response_before_the_request_answers_only_the_first_one() {
    // It sends a response at once, and then reads.
    let serve = |_: usize, stream: &TcpStream| -> io::Result<()> {
        let mut writer = stream;
        writer.write_all(number(1).as_bytes())?;
        let mut reader = BufReader::new(stream);
        while read_head(&mut reader)?.is_some() {}
        io::copy(&mut reader, &mut io::sink()).map(drop)
    };
    let server = Listening::start(TcpListener::bind("127.0.0.1:0").unwrap(), serve);
    let client = hasty(&server);
    assert_eq!(count(&client), 1);
    // The second request gets no response on this connection, and the client does not invent one.
    let error = client.count_collections().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(count(&client), 1, "on a new connection");
}

#[test]
fn secure_00_threads_get_only_their_own_responses() {
    // Each response repeats the path of its request, and some have another one after it.
    let turn = Arc::new(Mutex::new(0_u32));
    let server = StandIn::concurrent(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        Habits::default(),
        move |request| {
            let tenant = request.path.split('/').nth(4).unwrap();
            let mut turn = lock(&turn);
            *turn += 1;
            let more = if *turn % 3 == 0 { EVIL } else { "" };
            Answer::raw_kept(format!("{}{more}", number(tenant[1..].parse().unwrap())))
        },
    );
    let client = &plain(&server.url());
    std::thread::scope(|scope| {
        for thread in 1_000..1_008 {
            scope.spawn(move || {
                let own = client.with_tenant(format!("t{thread}"));
                for _ in 0..30 {
                    assert_eq!(count(&own), thread);
                }
            });
        }
    });
}

/// Answers each request over TLS, and the first one of each connection with one more response. Prints its
/// port.
#[cfg(feature = "tls")]
const OVER_TLS: &str = r#"
import socket, ssl, sys, threading
def serve(stream):
    first = True
    try:
        while stream.recv(65536):
            good = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1"
            evil = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n666"
            # In one record, and in a second record that arrives with the first one.
            stream.sendall(good + evil if first else good)
            first = False
    except OSError:
        pass
listener = socket.create_server(("127.0.0.1", 0))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
print(listener.getsockname()[1], flush=True)
while True:
    stream, _ = listener.accept()
    try:
        stream = context.wrap_socket(stream, server_side=True)
    except OSError:
        continue
    threading.Thread(target=serve, args=(stream,), daemon=True).start()
"#;

#[cfg(feature = "tls")]
#[test]
fn secure_00_bytes_after_a_response_over_tls_are_not_the_next_response() {
    use crate::tls::{AUTHORITY, SERVER, Server};

    let (_server, url) = Server::running(OVER_TLS, SERVER);
    let client = builder(&url).ca_certificates(AUTHORITY);
    let client = client.retry(RetryPolicy::none()).build().unwrap();
    for _ in 0..5 {
        assert_eq!(count(&client), 1);
    }
}

#[test]
fn secure_00_a_proxy_of_another_protocol_gets_no_second_request() {
    // The server speaks something else, and echoes what it reads.
    let serve = |_: usize, stream: &TcpStream| -> io::Result<()> {
        let (mut reader, mut writer) = (stream, stream);
        let mut bytes = [0; 4096];
        loop {
            let read = reader.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            writer.write_all(&bytes[..read])?;
        }
    };
    let server = Listening::start(TcpListener::bind("127.0.0.1:0").unwrap(), serve);
    let client = plain(&server.url());
    for _ in 0..2 {
        let error = client.count_collections().unwrap_err();
        let is_known = matches!(error, Error::Decode { .. } | Error::NotChroma { .. });
        assert!(is_known, "{error}");
    }
}
