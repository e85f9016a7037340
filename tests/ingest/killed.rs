//! Jobs that are killed with `kill -9` again and again, and a server that is killed while a job runs.

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
use super::support::{assert_vector_of, fast};
use super::{Scratch, TempFile, kills, record, records};

const RECORDS: usize = 8_000;
const DIMENSION: usize = 128;
const CONCURRENCY: usize = 4;
/// The maximum number of texts in flight (read, embedded and not known to be written): 2 batches for each
/// thread and 16 more, of 100 texts each.
const IN_FLIGHT: usize = (2 * CONCURRENCY + 16 + 1) * 100;
/// A generous limit: a job that is not killed takes about five seconds.
const LONGEST: Duration = Duration::from_secs(240);

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

/// The job that is killed. Not a test itself.
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

/// A job in a separate process. Killed when dropped.
struct Job(Child);

impl Job {
    fn start(
        notes: &Collection,
        google: &str,
        checkpoint: &TempFile,
        cache: Option<&TempFile>,
    ) -> Job {
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

    /// Whether the job ends within this time. Panics if it failed.
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
    /// Sends SIGKILL on Unix.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a job at random moments until it is complete, and checks the collection. Returns how many texts were
/// paid for more than once.
fn killed(cache: Option<&TempFile>) -> usize {
    let google = Google::with(Rules {
        latency: Duration::from_millis(20),
        ..Rules::default()
    });
    let scratch = Scratch::with(gemini(&google.url()));
    let (notes, checkpoint) = (&scratch.0, TempFile::new());
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let (started, mut killed) = (Instant::now(), 0);
    loop {
        let mut job = Job::start(notes, &google.url(), &checkpoint, cache);
        // Most kills happen while the job is writing.
        let longest = if killed < kills() {
            Duration::from_millis(50 + random.below(900) as u64)
        } else {
            LONGEST
        };
        if job.ends_within(longest) {
            break;
        }
        drop(job);
        killed += 1;
        assert!(
            started.elapsed() < LONGEST,
            "seed {seed}: the job does not end"
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
        assert_vector_of(found.embedding.as_deref().unwrap(), &text);
    }
    println!(
        "killed {killed} times: {} records equal, {twice} texts paid for again, at most {} in flight",
        all.len(),
        IN_FLIGHT
    );
    assert!(killed > 0, "the job was never killed");
    assert!(twice <= killed * IN_FLIGHT, "seed {seed}: {twice}");
    twice
}

#[test]
fn a_job_that_is_killed_repeatedly_writes_everything() {
    killed(None);
}

#[cfg(feature = "disk-cache")]
#[test]
fn with_a_cache_only_requests_in_flight_are_paid_for_twice() {
    let cache = TempFile::new();
    let twice = killed(Some(&cache));
    // Answers that the program had not read yet: one request of each thread.
    assert!(twice <= kills() * CONCURRENCY * 100, "{twice}");
}

#[test]
fn a_job_waits_for_a_server_that_is_killed_and_restarted() {
    // Chroma 1.0.0 may hang for ever on an index that a killed server left behind.
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
        // After each of its first writes the job waits until the server is killed, so that the kill meets it
        // at work.
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
        "the server was never killed during a request: {report}"
    );
    // A restarted server may answer reads of vectors with HTTP 500 while it repairs its index.
    let scratch = Scratch(notes.with_retry(RetryPolicy::default()));
    scratch.holds(&records(5_000));
}
