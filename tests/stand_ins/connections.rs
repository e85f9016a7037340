//! Connections: one for each thread.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::stand_in::Answer;
use crate::support::*;
use chroma_blocking::{Error, RetryPolicy};

#[test]
fn each_thread_keeps_one_connection() {
    const THREADS: usize = 16;

    let barrier = Barrier::new(THREADS);
    let server = chroma(LIMITS, |_| Answer::ok("0"));
    let abc = collection(&server);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..20 {
                    barrier.wait();
                    assert_eq!(abc.count().unwrap(), 0);
                }
            });
        }
    });
    assert_eq!(server.requests_to("/count").len(), THREADS * 20);
    let connections = server.connections();
    assert!(connections <= THREADS, "{connections}");
}

#[test]
fn a_waiting_thread_does_not_block_others() {
    let server = chroma(LIMITS, |request| {
        if request.path.ends_with("/get") {
            Answer::hang()
        } else {
            Answer::ok("7")
        }
    });
    let client = builder(&server.url()).retry(RetryPolicy::none());
    let client = client.request_timeout(Duration::from_secs(60));
    let abc = &client.build().unwrap().collection("abc").get().unwrap();
    thread::scope(|scope| {
        let hanging: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| abc.get().run().unwrap_err()))
            .collect();
        wait_until("eight requests hang", || {
            server.requests_to("/get").len() == 8
        });
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        assert_eq!(abc.count().unwrap(), 7);
                    }
                });
            }
        });
        assert!(hanging.iter().all(|thread| !thread.is_finished()));
        // Ends the requests that hang.
        drop(server);
    });
}

#[test]
fn a_small_request_is_sent_in_one_packet() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = vec![0; 64 << 10];
        let read = stream.read(&mut first).unwrap();
        String::from_utf8_lossy(&first[..read]).into_owned()
    });
    let client = builder(&url).retry(RetryPolicy::none()).build().unwrap();
    client.collection("abc").create().unwrap_err();
    let first = server.join().unwrap();
    assert!(first.starts_with("POST "), "{first}");
    assert!(first.ends_with('}'), "head and body: {first}");
}

#[test]
fn the_timeout_covers_sending_the_body() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut some = vec![0; 8 << 10];
        // At this pace, the whole body takes more than a minute. The client gives up before that.
        while stream.read(&mut some).is_ok_and(|read| read > 0) {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let client = builder(&url).request_timeout(Duration::from_secs(1));
    let client = client.retry(RetryPolicy::none()).build().unwrap();
    let started = Instant::now();
    let large = "x".repeat(14 << 20);
    let error = client
        .collection("abc")
        .metadata("large", large)
        .get_or_create();
    assert!(matches!(error, Err(Error::Timeout { .. })), "{error:?}");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    drop(client);
    server.join().unwrap();
}
