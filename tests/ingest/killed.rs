//! A job that is killed with `kill -9` again and again, and a server that is killed under one.

use std::collections::HashMap;
use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{
    Client, Collection, Gemini, LocalServer, Progress, RetryPolicy, ingest::IngestReport,
};

use super::support::folder::Folder;
use super::support::gemini::{Google, KEY, Rules};
use super::support::random::Random;
use super::support::server::{self, kill, port, unique_name};
use super::support::{assert_belongs, fast};
use super::{Scrap, Scratch, record, records};

const RECORDS: usize = 8_000;
const DIMENSION: usize = 128;
const CONCURRENCY: usize = 4;
/// Texts that may be under way: read, embedded, and not known to be written ([`chroma_blocking::ingest::Ingest`] has 2 batches for
/// each thread and 16 more, of 100 texts each).
const UNDER_WAY: usize = (2 * CONCURRENCY + 16 + 1) * 100;
/// A job that is not killed takes about five seconds.
const LONGEST: Duration = Duration::from_secs(240);

/// How many times a job is killed: `INGEST_KILLS`, or a few.
fn kills() -> usize {
    let kills = env::var("INGEST_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(8)
}

fn gemini(google: &str) -> Gemini {
    let builder = Gemini::builder().api_key(KEY).base_url(google);
    let builder = builder.dimension(DIMENSION).concurrency(CONCURRENCY);
    #[cfg(feature = "disk-cache")]
    let builder = match env::var_os("INGEST_CACHE") {
        Some(file) => builder.cache(chroma_blocking::embed::DiskCache::open(file).unwrap()),
        None => builder,
    };
    builder.retry(fast()).build().unwrap()
}

/// Not a test of its own: the job that is killed.
#[test]
#[ignore = "run by the other tests"]
fn program() {
    let Ok(host) = env::var("INGEST_HOST") else {
        return;
    };
    let variable = |name: &str| env::var(name).unwrap();
    let client = Client::builder().host(host).build().unwrap();
    let notes = client
        .collection(variable("INGEST_COLLECTION"))
        .embedding_function(gemini(&variable("INGEST_GOOGLE")))
        .get()
        .unwrap();
    let job = notes.ingest(records(RECORDS)).concurrency(CONCURRENCY);
    let report = job.checkpoint(variable("INGEST_CHECKPOINT")).run().unwrap();
    println!("{report}");
}

/// The job in another process, killed when dropped.
struct Job(Child);

impl Job {
    fn start(notes: &Collection, google: &str, checkpoint: &Scrap, cache: Option<&Scrap>) -> Job {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["killed::program", "--exact", "--ignored", "--nocapture"])
            .env("INGEST_HOST", notes.client().url())
            .env("INGEST_COLLECTION", notes.name())
            .env("INGEST_GOOGLE", google)
            .env("INGEST_CHECKPOINT", &checkpoint.0)
            .stdout(Stdio::null());
        match cache {
            Some(cache) => command.env("INGEST_CACHE", &cache.0),
            None => command.env_remove("INGEST_CACHE"),
        };
        Job(command.spawn().unwrap())
    }

    /// Whether it ends within this time; if so, well.
    fn ends_within(&mut self, time: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < time {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "the job failed");
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }
}

impl Drop for Job {
    /// SIGKILL on Unix.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a job at random moments until it is done, and compares. How many texts were paid for more than once.
fn killed(cache: Option<&Scrap>) -> usize {
    let google = Google::with(Rules {
        latency: Duration::from_millis(20),
        ..Rules::default()
    });
    let scratch = Scratch::with(gemini(&google.url()));
    let (notes, checkpoint) = (&scratch.0, Scrap::new());
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let (started, mut killed) = (Instant::now(), 0);
    loop {
        let mut job = Job::start(notes, &google.url(), &checkpoint, cache);
        // Most of the kills meet it at work.
        let longest = match killed < kills() {
            true => Duration::from_millis(50 + random.below(900) as u64),
            false => LONGEST,
        };
        if job.ends_within(longest) {
            break;
        }
        drop(job);
        killed += 1;
        assert!(
            started.elapsed() < LONGEST,
            "seed {seed}: it does not come to its end"
        );
    }
    let mut paid: HashMap<String, usize> = HashMap::new();
    for text in google.paid() {
        *paid.entry(text).or_default() += 1;
    }
    assert_eq!(google.take_wrong(), [""; 0]);
    let twice: usize = paid.values().map(|times| times - 1).sum();
    let all = scratch.all();
    assert_eq!(all.len(), RECORDS, "seed {seed}");
    for number in 0..RECORDS {
        let expected = record(number);
        let found = &all[&expected.id];
        let text = expected.document.unwrap();
        assert_eq!(found.document.as_ref(), Some(&text), "seed {seed}");
        assert_eq!(found.metadata, expected.metadata, "seed {seed}");
        assert_belongs(found.embedding.as_deref().unwrap(), &text);
    }
    println!(
        "killed {killed} times: {} records equal, {twice} texts paid for again, at most {} under way at a time",
        all.len(),
        UNDER_WAY
    );
    assert!(killed > 0, "it was never killed");
    assert!(twice <= killed * UNDER_WAY, "seed {seed}: {twice}");
    twice
}

#[test]
fn a_job_that_is_killed_goes_on_until_it_is_done() {
    killed(None);
}

#[cfg(feature = "disk-cache")]
#[test]
fn with_a_cache_nothing_is_paid_for_twice_but_what_was_on_its_way() {
    let cache = Scrap::new();
    let twice = killed(Some(&cache));
    // What Google has answered and the program has not read yet: a request of each thread.
    assert!(twice <= kills() * CONCURRENCY * 100, "{twice}");
}

#[test]
fn a_server_that_is_killed_under_a_job_is_waited_for() {
    // What is left of an index of Chroma 1.0.0 that was killed at work can keep the next one busy for ever.
    if server::is_given() || server::version() == "1.0.0" {
        return;
    }
    let (folder, port) = (Folder::new(), port());
    let start = || server::local().data(&folder.0).port(port).start().unwrap();
    let mut running: Option<LocalServer> = Some(start());
    let client = Client::builder().host(format!("127.0.0.1:{port}"));
    let client = client.retry(RetryPolicy::none()).build().unwrap();
    let notes = client.collection(unique_name());
    let notes = notes.embedding_function(super::Letters).create().unwrap();
    let report = thread::scope(|scope| {
        let patient = RetryPolicy::default().max_retries(100);
        let patient = patient
            .base_delay(Duration::from_millis(20))
            .max_delay(Duration::from_secs(1));
        let notes = &notes;
        // After each of its first writes the job waits until the server is killed, so that the kill meets it at work.
        let (written, has_written) = mpsc::channel();
        let (killed, is_killed) = mpsc::channel();
        let wait = move |_: &Progress| {
            if written.send(()).is_ok() {
                let _ = is_killed.recv();
            }
        };
        let job = move || {
            let job = notes.ingest(records(5_000)).batch_size(250);
            job.retry(patient).on_progress(wait).run()
        };
        let job = scope.spawn(job);
        for _ in 0..3 {
            has_written.recv().unwrap();
            kill(running.take().unwrap());
            let _ = killed.send(());
            running = Some(start());
        }
        drop((has_written, killed));
        job.join().unwrap().unwrap()
    });
    let IngestReport {
        written, failed, ..
    } = report;
    assert_eq!((written, failed), (5_000, 0), "{report}");
    assert!(
        report.retries > 0,
        "it was never killed in the midst: {report}"
    );
    // A server that has just been killed may say 500 to a read of vectors while it mends its index.
    let scratch = Scratch(notes.with_retry(RetryPolicy::default()));
    scratch.holds(&records(5_000));
}
