//! Restarts a real server while threads query it: how many calls fail, and for how long after the server
//! responds again.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::client::CircuitBreaker;
use chroma_blocking::{Client, ClientBuilder, Collection, Error, LocalServer, Record, RetryPolicy};

use crate::support::folder::Folder;
use crate::support::server::{self, port};
use crate::support::wait_until;

/// The longest time that threads wait for the server.
const PATIENCE: Duration = Duration::from_secs(60);

/// The calls of one thread.
#[derive(Default)]
struct Calls {
    done: AtomicU64,
    failed: AtomicU64,
}

/// The result of a restart.
struct Restart {
    /// The time without a server.
    outage: Duration,
    /// The calls that failed.
    failed: u64,
    /// The time from the server's first response to the last failure.
    late: Duration,
    /// The last error.
    last: Option<Error>,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [outage, late] = [self.outage, self.late].map(|time| time.as_secs_f64());
        write!(
            f,
            "{outage:.1} s without a server, {} calls failed, the last one {late:.2} s after it was back",
            self.failed
        )?;
        match &self.last {
            Some(error) => write!(f, ": {error:#}"),
            None => Ok(()),
        }
    }
}

/// A real server on a fixed port, which can be restarted.
struct Server {
    folder: Folder,
    port: u16,
    running: Option<LocalServer>,
}

impl Server {
    fn start() -> Server {
        let mut server = Server {
            folder: Folder::new(),
            port: port(),
            running: None,
        };
        server.run();
        let notes = server.client().build().unwrap().collection("notes");
        let records = (0..100).map(|i| Record::new(i.to_string()).embedding([i as f32, 1.0]));
        notes.create().unwrap().upsert(records).unwrap();
        server
    }

    fn run(&mut self) {
        let local = server::local().data(&self.folder.0).port(self.port);
        self.running = Some(local.start().unwrap());
    }

    fn client(&self) -> ClientBuilder {
        Client::builder().host(format!("127.0.0.1:{}", self.port))
    }

    /// Queries the server from several threads, takes it away for a while, and waits until each thread has
    /// had a response from the new one.
    fn restart(&mut self, client: &Client, threads: usize, away: Duration) -> Restart {
        let notes = client.collection("notes").get().unwrap();
        let over = AtomicBool::new(false);
        let calls: Vec<Calls> = (0..threads).map(|_| Calls::default()).collect();
        thread::scope(|scope| {
            let query = |calls: &'_ Calls| query_until(&notes, calls, &over);
            let callers: Vec<_> = calls
                .iter()
                .map(|calls| scope.spawn(move || query(calls)))
                .collect();
            all_succeed(&calls);
            let down = Instant::now();
            self.running.take().unwrap().stop().unwrap();
            thread::sleep(away);
            self.run();
            let up = Instant::now();
            all_succeed(&calls);
            over.store(true, Ordering::SeqCst);
            let failures: Vec<_> = callers
                .into_iter()
                .filter_map(|caller| caller.join().unwrap())
                .collect();
            let last = failures.into_iter().max_by_key(|(at, _)| *at);
            let late = last
                .as_ref()
                .map_or(Duration::ZERO, |(at, _)| at.saturating_duration_since(up));
            Restart {
                outage: up - down,
                failed: calls
                    .iter()
                    .map(|calls| calls.failed.load(Ordering::SeqCst))
                    .sum(),
                late,
                last: last.map(|(_, error)| error),
            }
        })
    }
}

/// Waits until each thread has had another success.
fn all_succeed(calls: &[Calls]) {
    let count = |calls: &Calls| calls.done.load(Ordering::SeqCst);
    let before: Vec<_> = calls.iter().map(count).collect();
    wait_until("a success of each thread", || {
        calls
            .iter()
            .zip(&before)
            .all(|(calls, before)| count(calls) > *before)
    });
}

/// Queries until `over`. Returns the time of the last failure, and its error.
fn query_until(notes: &Collection, calls: &Calls, over: &AtomicBool) -> Option<(Instant, Error)> {
    let started = Instant::now();
    let mut last = None;
    while !over.load(Ordering::SeqCst) && started.elapsed() < PATIENCE {
        match notes.query(vec![1.0, 0.0]).n_results(1).run() {
            Ok(_) => calls.done.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                last = Some((Instant::now(), error));
                // As users do who try again.
                thread::sleep(Duration::from_millis(10));
                calls.failed.fetch_add(1, Ordering::SeqCst)
            }
        };
    }
    last
}

/// The settings that `docs/operating.md` recommends for a service.
fn service(client: ClientBuilder) -> Client {
    let policy = RetryPolicy::default()
        .max_retries(2)
        .base_delay(Duration::from_millis(100))
        .deadline(Duration::from_secs(5));
    client
        .connection_timeout(Duration::from_secs(1))
        .request_timeout(Duration::from_secs(2))
        .retry(policy)
        .circuit_breaker(CircuitBreaker::new())
        .build()
        .unwrap()
}

/// The settings that `docs/operating.md` recommends to survive a restart of up to 15 seconds.
fn patient(client: ClientBuilder) -> Client {
    let policy = RetryPolicy::default().max_retries(5);
    client.retry(policy).build().unwrap()
}

#[test]
fn field_18_a_service_fails_hardly_longer_than_its_server_is_away() {
    if server::is_given() {
        return;
    }
    let mut server = Server::start();
    let service = service(server.client());
    let restart = server.restart(&service, 8, Duration::ZERO);
    println!("{restart}");
    // Two seconds, and time for a busy machine. The breaker used to stay open for 30 seconds.
    assert!(restart.late < Duration::from_secs(10), "{restart}");
}

#[test]
fn field_26_no_call_of_many_threads_fails_during_a_restart() {
    if server::is_given() {
        return;
    }
    let mut server = Server::start();
    let patient = patient(server.client());
    let restart = server.restart(&patient, 128, Duration::ZERO);
    println!("{restart}");
    // The retries of one call take at least 15.5 seconds.
    if restart.outage < Duration::from_secs(15) {
        assert_eq!(restart.failed, 0, "{restart}");
    }
}

/// The numbers in an environment variable, separated by commas.
fn numbers(name: &str, default: &str) -> Vec<f64> {
    let numbers = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    numbers
        .split(',')
        .map(|number| number.trim().parse().unwrap())
        .collect()
}

/// Restarts with the settings of `docs/operating.md`. `RESTART_SECONDS` and `RESTART_THREADS` set how long
/// the server is away, and for how many threads.
#[test]
#[ignore = "takes minutes"]
fn figures_of_restarts() {
    let mut server = Server::start();
    for away in numbers("RESTART_SECONDS", "0,4") {
        for threads in numbers("RESTART_THREADS", "1,8,32,128") {
            for (name, client) in [
                ("defaults", server.client().build().unwrap()),
                ("5 retries", patient(server.client())),
                ("service", service(server.client())),
            ] {
                let away = Duration::from_secs_f64(away);
                let restart = server.restart(&client, threads as usize, away);
                println!("{name:9} {threads:3} threads: {restart}");
            }
        }
    }
}
