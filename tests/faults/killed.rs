//! Kills a real server with `kill -9` during writes, and restarts it with the same data and port, while the
//! same client continues. Acknowledged writes are stored, writes with an unknown outcome are stored or not,
//! and nothing else is stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{Client, Collection, Include, RetryPolicy};

use crate::support::folder::Folder;
use crate::support::random::Random;
use crate::support::server::{self, kill, port};
use crate::tally::Tally;
use crate::worker::{Patience, THREADS, Worker, compare_all, together};

/// The longest time of a round. A round takes about two seconds.
const ROUND: Duration = Duration::from_secs(120);
/// The number of restarts of a server that cannot read its index.
const STARTS: usize = 3;
/// The maximum number of servers, if some of them cannot read their index any more.
const SERVERS: usize = 3;

#[test]
fn acknowledged_writes_survive_kills() {
    rounds(10);
}

#[test]
#[ignore = "takes minutes"]
fn acknowledged_writes_survive_a_hundred_kills() {
    rounds(100);
}

/// Returns whether the server answers a read of vectors. It may answer 500 while it repairs its index.
fn is_readable(collection: &Collection) -> bool {
    let patient = RetryPolicy::default()
        .max_retries(30)
        .base_delay(Duration::from_millis(100))
        .max_delay(Duration::from_millis(500));
    let read = collection.with_retry(patient).get();
    match read.limit(1).include([Include::Embeddings]).run() {
        Ok(_) => true,
        Err(error) if error.status() == Some(500) => false,
        Err(error) => panic!("{error}"),
    }
}

fn rounds(count: usize) {
    if server::is_given() {
        return;
    }
    let started = Instant::now();
    let mut random = Random(u64::from(std::process::id()));
    let seed = random.next();
    let (mut all, mut done) = (Tally::default(), 0);
    for _ in 0..SERVERS {
        done += on_one_server(count - done, &mut random, seed, &mut all);
    }
    println!(
        "{count} times kill -9 in {:.1} s: {all}",
        started.elapsed().as_secs_f64()
    );
    assert_eq!(done, count, "rounds that were compared");
    assert!(all.is_fine(), "seed {seed}: {:#?}", all.flaws.words);
    assert!(all.unknown > 0, "never killed in the middle of a write");
}

/// Kills a new server `count` times, or until no vector can be read from it any more. Returns the number of
/// rounds that were compared.
fn on_one_server(count: usize, random: &mut Random, seed: u64, all: &mut Tally) -> usize {
    if count == 0 {
        return 0;
    }
    let folder = Folder::new();
    let port = port();
    let start = || server::local().data(&folder.0).port(port).start().unwrap();
    let mut running = Some(start());
    let timeout = Duration::from_secs(4);
    let longest_wait = Duration::from_millis(50);
    let policy = RetryPolicy::default()
        .max_retries(2)
        .base_delay(longest_wait / 4)
        .max_delay(longest_wait);
    let client = Client::builder()
        .host(format!("127.0.0.1:{port}"))
        .request_timeout(timeout)
        .max_payload_size(400)
        // Most requests fail while the server is down.
        .retry_budget(u32::MAX)
        .retry(policy);
    let client = client.build().unwrap();
    let collection = client.collection("killed").create().unwrap();
    let patience = Patience {
        timeout,
        request: (timeout + longest_wait) * 3,
    };
    let worker = |number| Worker::new(number, seed, collection.clone(), None, patience);
    let mut workers: Vec<_> = (0..THREADS).map(worker).collect();
    let mut done = 0;
    while done < count {
        let over = AtomicBool::new(false);
        let kill_after = Duration::from_millis(50 + random.below(400) as u64);
        thread::scope(|scope| {
            let writing = scope.spawn(|| {
                together(&mut workers, |worker| {
                    // If the server does not start again, the test fails after the workers have ended.
                    let started = Instant::now();
                    while !over.load(Ordering::SeqCst) && started.elapsed() < ROUND {
                        worker.write_step();
                    }
                });
            });
            thread::sleep(kill_after);
            kill(running.take().unwrap());
            running = Some(start());
            // Time for some writes to the new server.
            thread::sleep(Duration::from_millis(150));
            over.store(true, Ordering::SeqCst);
            writing.join().unwrap();
        });
        let readable = (0..STARTS).any(|_| {
            let readable = is_readable(&collection);
            if !readable {
                drop(running.take());
                running = Some(start());
            }
            readable
        });
        if !readable {
            // A defect of the server: rarely, Chroma 1.5.9 cannot apply its log to its index any more.
            println!(
                "no vector can be read after {done} rounds and {STARTS} starts: on with another server"
            );
            break;
        }
        all.merge(compare_all(&collection, &mut workers));
        done += 1;
    }
    for worker in workers {
        all.merge(worker.tally);
    }
    done
}
