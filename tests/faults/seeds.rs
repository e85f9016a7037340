//! Several threads use a real server through the fault proxy, and compare its answers with a model.
//!
//! `FAULT_SEEDS=100 cargo test --test faults seeds` runs a hundred seeds, and `FAULT_SEED=7` repeats one. A
//! seed determines the calls of each thread and the sequence of faults, but not the order between threads.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{Client, RetryPolicy, metrics::OperationMetrics};

use crate::support::fault_proxy::fault::seeded;
use crate::support::fault_proxy::{FaultProxy, Upstream};
use crate::support::server::{client, unique_name};
use crate::tally::Tally;
use crate::worker::{Patience, THREADS, Worker, compare_all, together};

/// The number of operations of each thread.
const STEPS: usize = 130;
/// The percentage of requests with a fault.
const PERCENT: usize = 20;
/// The number of seeds that run at the same time, on one server.
const AT_ONCE: usize = 8;
/// If no seed ends within this time, a thread hangs.
const WATCH: Duration = Duration::from_secs(120);

const TIMEOUT: Duration = Duration::from_millis(400);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

#[test]
fn no_seed_loses_records_hangs_or_reports_a_wrong_outcome() {
    let seed = |name: &str| std::env::var(name).ok()?.parse().ok();
    match seed("FAULT_SEED") {
        Some(one) => run(vec![one]),
        None => run((1..=seed("FAULT_SEEDS").unwrap_or(4)).collect()),
    }
}

#[test]
#[ignore = "takes minutes"]
fn no_seed_of_a_thousand_loses_records() {
    run((1_001..=2_000).collect());
}

fn run(seeds: Vec<u64>) {
    let started = Instant::now();
    client();
    let (count, next) = (seeds.len(), Arc::new(AtomicUsize::new(0)));
    let seeds = Arc::new(seeds);
    let (sender, receiver) = mpsc::channel();
    for _ in 0..AT_ONCE.min(count) {
        let (seeds, next, sender) = (seeds.clone(), next.clone(), sender.clone());
        // Not a scoped thread: a scope does not end if a thread hangs.
        thread::spawn(move || {
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
                let tally = catch_unwind(|| run_seed(*seed)).unwrap_or_else(|_| Tally {
                    panics: 1,
                    ..Tally::default()
                });
                let _ = sender.send((*seed, tally));
            }
        });
    }
    drop(sender);
    let mut all = Tally::default();
    let mut bad = Vec::new();
    let mut running: BTreeSet<u64> = seeds.iter().copied().collect();
    for _ in 0..count {
        let Ok((seed, tally)) = receiver.recv_timeout(WATCH) else {
            let first = running.iter().take(AT_ONCE);
            panic!(
                "a call hangs, in one of the seeds {:?}",
                first.collect::<Vec<_>>()
            );
        };
        running.remove(&seed);
        if !tally.is_fine() {
            bad.push(seed);
            println!(
                "seed {seed}: {tally:#?}\nto repeat it: FAULT_SEED={seed} cargo test --test faults seeds"
            );
        }
        all.merge(tally);
    }
    println!(
        "{count} seeds in {:.1} s: {all}",
        started.elapsed().as_secs_f64()
    );
    assert!(
        bad.is_empty(),
        "seeds {bad:?} failed; their output is above"
    );
    // The run had as many operations and faults as planned.
    assert!(all.operations >= 500 * count, "{}", all.operations);
    let faults: usize = all.faults.values().sum();
    assert!(
        faults * 100 >= all.requests * PERCENT * 3 / 4,
        "{faults} faults"
    );
    let seldom = all.partly > 0 && all.unknown > 0;
    assert!(all.checked > 1_000 * count && (seldom || count < 4));
}

/// Some seeds retry often, others never, so that more outcomes are unknown.
fn policy(seed: u64) -> (RetryPolicy, u32) {
    let retries = (seed % 4) as u32;
    let policy = RetryPolicy::default()
        .max_retries(retries)
        .base_delay(Duration::from_millis(1))
        .max_delay(LONGEST_WAIT);
    (policy, retries)
}

fn run_seed(seed: u64) -> Tally {
    let direct = client().collection(unique_name()).create().unwrap();
    let proxy = FaultProxy::start(client().url(), seeded(seed, PERCENT));
    let (policy, retries) = policy(seed);
    let faulty = Client::builder()
        .host(proxy.url())
        .request_timeout(TIMEOUT)
        .connection_timeout(TIMEOUT)
        .max_payload_size(400)
        .retry(policy)
        .build()
        .unwrap();
    // This is not an operation of the test, so it may take any time.
    let mut opened = (0..100).filter_map(|_| faulty.collection(direct.name()).get().ok());
    let collection = opened.next().unwrap();
    let patience = Patience {
        timeout: TIMEOUT,
        request: TIMEOUT * (retries + 1) + LONGEST_WAIT * retries,
    };
    let worker = |number| Worker::new(number, seed, collection.clone(), Some(&proxy), patience);
    let mut workers: Vec<_> = (0..THREADS).map(worker).collect();
    together(&mut workers, |worker| {
        for _ in 0..STEPS {
            worker.step();
        }
    });
    proxy.settle();
    let mut all = compare_all(&direct, &mut workers);
    for worker in workers {
        all.merge(worker.tally);
    }
    let seen = proxy.seen();
    all.requests = seen.len();
    all.faults = proxy.faults();
    // The metrics of the client agree with the requests that the proxy received.
    let metrics = faulty.metrics();
    let sum = |count: fn(&OperationMetrics) -> u64| metrics.operations.values().map(count).sum();
    let (attempts, calls): (u64, u64) = (sum(|it| it.attempts), sum(|it| it.calls));
    // Requests that were repeated on a new connection, perhaps before the proxy had read them.
    let resent: u64 = attempts - calls - sum(|it| it.retries);
    let all_seen = seen.len() as u64;
    assert!(
        (attempts - resent..=attempts).contains(&all_seen),
        "seed {seed}: {all_seen} requests, {attempts} attempts, {resent} resent"
    );
    let pool = metrics.pool;
    // A connection that is refused may not count as a connection of the client.
    let refused = all.faults.get("Refuse").copied().unwrap_or(0) as u64;
    let made = pool.opened..=pool.opened + refused;
    assert!(made.contains(&(proxy.connections() as u64)), "seed {seed}");
    let used = pool.opened + pool.reused;
    assert!((used..=used + refused).contains(&attempts), "seed {seed}");
    assert_eq!(pool.open, pool.idle, "seed {seed}");
    for seen in seen {
        if let Upstream::Failed(_) = seen.upstream {
            let words = format!("the server itself failed: {seen:?}");
            all.flaws.wrong(words);
        }
    }
    let _ = client().delete_collection(direct.name());
    all
}
