//! Jobs that replace documents and are stopped or killed with `kill -9` again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::{Client, Collection, Record};

use super::documents::{pieces, replace, version};
use super::support::random::Random;
use super::{Letters, Scratch, TempFile, kills};

/// The number of documents, enough for all kills to meet the job at work.
fn documents() -> usize {
    40.max(5 * kills())
}

/// Returns versions of all documents, of which some are long and some have no text.
fn versions(seed: u64, word: &str) -> Vec<Record> {
    let mut random = Random(seed);
    let count = |n: usize| if n < 30 { n / 2 } else { 3 * n };
    (0..documents())
        .map(|n| version(&format!("doc{n}"), count(random.below(36)), word))
        .collect()
}

/// Returns an input with two versions of each document.
fn input(seed: u64) -> Vec<Record> {
    let mut input = versions(seed + 1, "new");
    input.extend(versions(seed + 2, "end"));
    input
}

/// Returns the pieces that must be stored in the end, with their texts.
fn expected(seed: u64) -> BTreeMap<String, String> {
    let pieces = pieces(versions(seed + 2, "end")).into_iter();
    let pieces = pieces.map(|piece| piece.unwrap());
    let pieces = pieces.map(|piece| (piece.id, piece.document.unwrap()));
    pieces.filter(|(_, text)| !text.is_empty()).collect()
}

/// Asserts that the collection holds the last versions, and nothing else.
fn holds(scratch: &Scratch, seed: u64) {
    let all = scratch.all().into_iter();
    let all: BTreeMap<_, _> = all
        .map(|(id, record)| (id, record.document.unwrap()))
        .collect();
    let expected = expected(seed);
    let differ = all
        .iter()
        .filter(|(id, text)| expected.get(*id) != Some(*text));
    let differ: Vec<_> = differ.take(5).collect();
    assert!(
        all == expected,
        "seed {seed}: {} pieces instead of {}, such as {differ:?}",
        all.len(),
        expected.len()
    );
}

/// Asserts that no document is missing that each version has.
fn misses_no_document(notes: &Collection, seed: u64) {
    let of = |piece: &str| piece.split('#').next().unwrap().to_owned();
    let stored: BTreeSet<String> = (notes.scan().include([]))
        .map(|record| of(&record.unwrap().id))
        .collect();
    let mut versions: Vec<BTreeSet<String>> = [(seed, "old"), (seed + 1, "new"), (seed + 2, "end")]
        .map(|(seed, word)| {
            let pieces = pieces(versions(seed, word))
                .into_iter()
                .map(|piece| piece.unwrap());
            let full = pieces.filter(|piece| piece.document.as_deref() != Some(""));
            full.map(|piece| of(&piece.id)).collect()
        })
        .into();
    let mut always = versions.pop().unwrap();
    always.retain(|id| versions.iter().all(|version| version.contains(id)));
    assert!(
        always.len() > documents() / 2 && always.is_subset(&stored),
        "seed {seed}"
    );
}

#[test]
fn field_17_a_stopped_job_deletes_the_old_pieces_when_it_resumes() {
    for seed in [10, 20] {
        let scratch = Scratch::new();
        replace(&scratch.0, pieces(versions(seed, "old")));
        let file = TempFile::new();
        let mut runs = 0;
        loop {
            let flag = Arc::new(AtomicBool::new(false));
            let job = scratch.0.ingest(pieces(input(seed))).checkpoint(&file.0);
            let job = job.replace_documents("doc").concurrency(1).batch_size(25);
            let job = if seed == 10 {
                job.content_hash("hash")
            } else {
                job
            };
            let job = job.cancel(flag.clone());
            let job = job.on_progress(move |_| flag.store(true, Ordering::SeqCst));
            runs += 1;
            if !job.run().unwrap().cancelled {
                break;
            }
            misses_no_document(&scratch.0, seed);
        }
        holds(&scratch, seed);
        assert!(runs > 2, "{runs}");
    }
}

/// The job that is killed. Prints a line after each write. Not a test itself.
#[test]
#[ignore = "run by the other tests"]
fn program() {
    let Ok(host) = env::var("INGEST_HOST") else {
        return;
    };
    let variable = |name: &str| env::var(name).unwrap();
    let client = Client::builder().host(host).build().unwrap();
    let notes = client.collection(variable("INGEST_COLLECTION"));
    let notes = notes.embedding_function(Letters).get().unwrap();
    let seed = variable("INGEST_SEED").parse().unwrap();
    let job = notes.ingest(pieces(input(seed))).batch_size(20);
    let job = job.replace_documents("doc").concurrency(2);
    let job = if seed % 2 == 0 {
        job.content_hash("hash")
    } else {
        job
    };
    let job = job.checkpoint(variable("INGEST_CHECKPOINT"));
    job.on_progress(|progress| println!("{progress}"))
        .run()
        .unwrap();
}

fn start(notes: &Collection, checkpoint: &TempFile, seed: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "documents_killed::program",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("INGEST_HOST", notes.client().url())
        .env("INGEST_COLLECTION", notes.name())
        .env("INGEST_CHECKPOINT", &checkpoint.0)
        .env("INGEST_SEED", seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn field_17_a_job_that_is_killed_repeatedly_deletes_all_old_pieces() {
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let (scratch, file) = (Scratch::new(), TempFile::new());
    replace(&scratch.0, pieces(versions(seed, "old")));
    let mut killed = 0;
    loop {
        let mut job = start(&scratch.0, &file, seed);
        let mut lines = BufReader::new(job.stdout.take().unwrap()).lines();
        if killed < kills() {
            // The job goes on while this test reads its lines, so the kill meets it at any moment.
            let is_progress = |line: &String| line.starts_with("ingest: ");
            let lines = lines.by_ref().map(Result::unwrap).filter(is_progress);
            if lines.take(1 + random.below(3)).count() > 0 {
                job.kill().unwrap();
            }
        }
        lines.for_each(drop);
        let status = job.wait().unwrap();
        if status.success() {
            break;
        }
        assert_eq!(status.code(), None, "seed {seed}: the job failed");
        killed += 1;
        misses_no_document(&scratch.0, seed);
    }
    holds(&scratch, seed);
    println!(
        "killed {killed} times: {} pieces are those of the input",
        expected(seed).len()
    );
    assert!(killed > 0, "the job was never killed");
}
