//! Several threads use a real server through the fault proxy, and know all the while what it may hold.
//!
//! `FAULT_SEEDS=100 cargo test --test faults seeds` runs a hundred seeds; `FAULT_SEED=7` runs that one again. A seed
//! says what the threads do and what goes wrong in which order, but not who comes first.

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

/// Operations of each thread.
const STEPS: usize = 130;
/// Requests of a hundred that a fault meets.
const PERCENT: usize = 20;
/// So many seeds run at a time, on one server: most of the time they wait.
const AT_ONCE: usize = 8;
/// After this long without a seed that ends, a thread hangs.
const WATCH: Duration = Duration::from_secs(120);

const TIMEOUT: Duration = Duration::from_millis(400);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

#[test]
fn no_seed_loses_a_record_hangs_or_lies() {
    let seed = |name: &str| std::env::var(name).ok()?.parse().ok();
    match seed("FAULT_SEED") {
        Some(one) => run(vec![one]),
        None => run((1..=seed("FAULT_SEEDS").unwrap_or(4)).collect()),
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_seeds_neither() {
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
        // Not in a scope: a thread that hangs would keep it open.
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
        "seeds {bad:?} failed; their words are above"
    );
    // That it was what it says that it was.
    assert!(all.operations >= 500 * count, "{}", all.operations);
    let faults: usize = all.faults.values().sum();
    assert!(
        faults * 100 >= all.requests * PERCENT * 3 / 4,
        "{faults} faults"
    );
    let seldom = all.partly > 0 && all.unknown > 0;
    assert!(all.checked > 1_000 * count && (seldom || count < 4));
}

/// Some seeds try again and again, others not at all: then more is left unknown.
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
    // As long as it takes: that is no operation.
    let mut opened = (0..100).filter_map(|_| faulty.collection(direct.name()).get().ok());
    let collection = opened.next().unwrap();
    let patience = Patience {
        timeout: TIMEOUT,
        request: TIMEOUT * (retries + 1) + LONGEST_WAIT * retries,
    };
    let worker = |number| Worker::new(number, seed, collection.clone(), Some(&proxy), patience);
    let mut workers: Vec<_> = (0..THREADS).map(worker).collect();
    together(&mut workers, |worker| {
        (0..STEPS).for_each(|_| worker.step())
    });
    proxy.settle();
    let mut all = compare_all(&direct, &mut workers);
    workers
        .into_iter()
        .for_each(|worker| all.merge(worker.tally));
    let seen = proxy.seen();
    all.requests = seen.len();
    all.faults = proxy.faults();
    // What the client has counted is what went over the wire.
    let metrics = faulty.metrics();
    let sum = |count: fn(&OperationMetrics) -> u64| metrics.operations.values().map(count).sum();
    let (attempts, calls): (u64, u64) = (sum(|it| it.attempts), sum(|it| it.calls));
    // On a new connection, since the kept one was closed: perhaps before the proxy had read the request.
    let anew: u64 = attempts - calls - sum(|it| it.retries);
    let all_seen = seen.len() as u64;
    assert!(
        (attempts - anew..=attempts).contains(&all_seen),
        "seed {seed}: {all_seen} requests, {attempts} attempts, {anew} anew"
    );
    let pool = metrics.pool;
    // One that is closed at once may not be a connection yet.
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
