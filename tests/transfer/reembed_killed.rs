//! New embeddings whose program is killed again and again: what is paid for twice.
//!
//! `REEMBED_KILLS` is the number of kills, `REEMBED_RECORDS` the number of records. The program reports each
//! write and waits for an answer, so it is killed at its work, not after a time.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use chroma_blocking::{Client, Collection, EmbeddingFunction, Include, Record};

use super::counting::{Counting, paid_in};
use super::support::folder::Folder;
use super::support::random::Random;
use super::support::server::{client, unique_name};

const CONCURRENCY: usize = 4;
/// The maximum number of texts in flight: 2 batches for each thread and 16 more, of 100 texts each.
const IN_FLIGHT: usize = (2 * CONCURRENCY + 16 + 1) * 100;

fn variable(name: &str, default: usize) -> usize {
    let value = env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn function(folder: &Path) -> Counting {
    Counting::new("new-model", 16).into_file(folder.join("paid"))
}

/// The job that is killed. Not a test itself.
#[test]
#[ignore = "run by the other tests"]
fn program() {
    let Some(folder) = env::var_os("REEMBED_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let client = Client::builder().host(env::var("REEMBED_HOST").unwrap());
    let client = client.build().unwrap();
    let notes = client.collection(env::var("REEMBED_COLLECTION").unwrap());
    let notes = notes.get().unwrap();
    #[cfg(feature = "disk-cache")]
    if env::var_os("REEMBED_CACHE").is_some() {
        use chroma_blocking::embed::{Cached, DiskCache};
        let cache = DiskCache::open(folder.join("cache")).unwrap();
        return reembed(&notes, Cached::new(function(folder), cache), folder);
    }
    reembed(&notes, function(folder), folder);
}

fn reembed(notes: &Collection, function: impl EmbeddingFunction + 'static, folder: &Path) {
    let job = notes.reembed(function).concurrency(CONCURRENCY);
    let job = job.checkpoint(folder.join("checkpoint"));
    let wait = |_: &_| {
        println!("\nwritten");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).unwrap();
    };
    let report = job.on_progress(wait).run().unwrap();
    assert!(report.verified, "{report}");
    println!("\ndone: {report}");
}

/// A job in a separate process. Killed when dropped.
struct Job {
    child: Child,
    answers: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Job {
    fn start(notes: &Collection, folder: &Path, has_cache: bool) -> Job {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "reembed_killed::program",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env("REEMBED_HOST", notes.client().url())
            .env("REEMBED_COLLECTION", notes.name())
            .env("REEMBED_FOLDER", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if has_cache {
            command.env("REEMBED_CACHE", "1");
        }
        let mut child = command.spawn().unwrap();
        Job {
            answers: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    /// Waits for the next write. Returns the report when the job is complete.
    fn next(&mut self) -> Option<String> {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line == "written" {
                return None;
            }
            if let Some(report) = line.strip_prefix("done: ") {
                return Some(report.to_owned());
            }
        }
        panic!("the job failed");
    }

    /// Lets the job continue after `writes` writes. Returns the report if it is complete by then.
    fn run(&mut self, writes: usize) -> Option<String> {
        for _ in 0..writes {
            if let Some(report) = self.next() {
                return Some(report);
            }
            self.answers.write_all(b"\n").unwrap();
        }
        None
    }
}

impl Drop for Job {
    /// Sends SIGKILL on Unix.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills a job after random numbers of writes until it is complete. Returns how many texts were paid for more
/// than once, and how often it was killed.
fn killed(has_cache: bool) -> (usize, usize) {
    let (kills, records) = (
        variable("REEMBED_KILLS", 4),
        variable("REEMBED_RECORDS", 4_000),
    );
    let folder = Folder::new();
    let notes = client().collection(unique_name());
    let notes = notes
        .embedding_function(Counting::new("retired", 3))
        .create()
        .unwrap();
    let record = |number: usize| {
        let record = Record::new(format!("id{number}")).metadata("number", number as i64);
        record.document(format!("{number} is the number of this text"))
    };
    notes.ingest((0..records).map(record)).run().unwrap();
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let mut killed = 0;
    let report = loop {
        let mut job = Job::start(&notes, &folder.0, has_cache);
        let writes = if killed < kills {
            1 + random.below(3)
        } else {
            usize::MAX
        };
        if let Some(report) = job.run(writes) {
            break report;
        }
        killed += 1;
    };
    let left = ["cache", "paid"];
    assert_eq!(folder.names(), left[usize::from(!has_cache)..]);
    let new = client().collection(format!("{}-reembedded", notes.name()));
    let new = new.embedding_function(function(&folder.0)).get().unwrap();
    let scan = new
        .scan()
        .include([Include::Documents, Include::Embeddings, Include::Metadatas]);
    let all: BTreeMap<String, Record> = scan
        .map(Result::unwrap)
        .map(|record| (record.id.clone(), record))
        .collect();
    assert_eq!(all.len(), records, "seed {seed}");
    for number in 0..records {
        let expected = record(number);
        let text = expected.document.clone().unwrap();
        let vector = function(&folder.0).vector(&text);
        assert_eq!(all[&expected.id], expected.embedding(vector), "seed {seed}");
    }
    let paid = paid_in(&folder.path("paid"));
    assert_eq!(paid.len(), records);
    let twice: usize = paid.values().map(|times| times - 1).sum();
    println!("killed {killed} times, {twice} of {records} texts paid for again; {report}");
    assert!(killed > 0, "the job was never killed");
    (twice, killed)
}

#[test]
fn without_a_cache_only_texts_in_flight_are_paid_for_twice() {
    let (twice, killed) = killed(false);
    assert!(twice <= killed * IN_FLIGHT, "{twice}");
}

#[cfg(feature = "disk-cache")]
#[test]
fn with_a_cache_only_batches_that_are_being_embedded_are_paid_for_twice() {
    let (twice, killed) = killed(true);
    // Vectors that were not yet in the cache: one batch of each thread.
    assert!(twice <= killed * CONCURRENCY * 100, "{twice}");
}
