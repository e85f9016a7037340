//! `DiskCache`: damaged files, crashes, and several processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error,
    embed::{Cached, DiskCache, EmbeddingCache, EmbeddingError},
    ingest::jsonl_records,
};

#[path = "support/mod.rs"]
mod support;

use support::folder::Folder;
use support::random::Random;

fn key(index: usize) -> Vec<u8> {
    format!("text {index}").into_bytes()
}

/// Returns the correct vector of a key. Vectors have different lengths.
fn vector(index: usize, longest: usize) -> Vec<f32> {
    let mut random = Random(index as u64);
    let length = 1 + random.below(longest);
    (0..length)
        .map(|_| random.below(1 << 24) as f32 / 4e6 - 2.0)
        .collect()
}

fn put(cache: &DiskCache, indices: impl Iterator<Item = usize>, longest: usize) {
    let entries: Vec<_> = indices
        .map(|index| (key(index), vector(index, longest)))
        .collect();
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, vector)| (key.as_slice(), vector.as_slice()))
        .collect();
    cache.put_many(&entries).unwrap();
}

/// Returns which of the first `count` keys the cache contains. Asserts that their vectors are correct.
fn kept(cache: &DiskCache, count: usize, longest: usize) -> Vec<bool> {
    let keys: Vec<_> = (0..count).map(key).collect();
    let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
    let found = cache.get_many(&keys).unwrap().into_iter();
    let checked = found.enumerate().map(|(index, found)| {
        found.is_some_and(|found| {
            assert_eq!(found, vector(index, longest), "the vector of another text");
            true
        })
    });
    checked.collect()
}

fn all(count: usize) -> Vec<bool> {
    vec![true; count]
}

/// Returns the length of a record: 64 bytes and the floats.
fn record(index: usize, longest: usize) -> usize {
    64 + 4 * vector(index, longest).len()
}

const START: usize = "chroma-blocking vectors 1\n".len();

#[test]
fn stored_vectors_are_found_after_reopening() {
    let folder = Folder::new();
    for round in 0..5 {
        let cache = DiskCache::open(folder.path("vectors")).unwrap();
        assert_eq!(kept(&cache, round * 20, 30), all(round * 20));
        // Keys that are stored already, and one key twice.
        put(&cache, (0..round * 20 + 20).chain([0, round * 20 + 19]), 30);
        assert_eq!(kept(&cache, round * 20 + 20, 30), all(round * 20 + 20));
    }
    let length = fs::metadata(folder.path("vectors")).unwrap().len() as usize;
    let records: usize = (0..100).map(|index| record(index, 30)).sum();
    assert_eq!(length, START + records, "no vector is stored twice");
}

#[test]
fn floats_are_stored_bit_by_bit() {
    let folder = Folder::new();
    let odd = [
        -0.0,
        f32::MIN_POSITIVE / 2.0,
        f32::MAX,
        f32::EPSILON,
        f32::from_bits(0x7fc0_1234),
    ];
    let cache = DiskCache::open(folder.path("vectors")).unwrap();
    cache.put_many(&[(b"odd", &odd)]).unwrap();
    drop(cache);
    let cache = DiskCache::open(folder.path("vectors")).unwrap();
    let found = cache.get_many(&[b"odd"]).unwrap().remove(0).unwrap();
    assert!(
        found
            .iter()
            .zip(odd)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
}

/// A crash or a full disk can cut the file at any byte.
#[test]
fn field_25_a_cache_file_that_is_cut_at_any_byte_keeps_every_complete_record() {
    const COUNT: usize = 8;
    let folder = Folder::new();
    put(
        &DiskCache::open(folder.path("vectors")).unwrap(),
        0..COUNT,
        6,
    );
    let whole = fs::read(folder.path("vectors")).unwrap();
    for length in 0..whole.len() {
        fs::write(folder.path("vectors"), &whole[..length]).unwrap();
        let cache = DiskCache::open(folder.path("vectors")).unwrap();
        let mut end = START;
        let expected: Vec<bool> = (0..COUNT)
            .map(|index| {
                end += record(index, 6);
                end <= length
            })
            .collect();
        assert_eq!(kept(&cache, COUNT, 6), expected, "cut at {length}");
        put(&cache, 0..COUNT, 6);
        drop(cache);
        let bytes = fs::read(folder.path("vectors")).unwrap();
        assert_eq!(bytes, whole, "repaired after a cut at {length}");
    }
}

#[test]
fn damage_loses_only_the_vectors_that_it_hits() {
    const COUNT: usize = 60;
    let folder = Folder::new();
    put(
        &DiskCache::open(folder.path("vectors")).unwrap(),
        0..COUNT,
        40,
    );
    let whole = fs::read(folder.path("vectors")).unwrap();
    let mut record_of = vec![0; START];
    for index in 0..COUNT {
        record_of.resize(record_of.len() + record(index, 40), index);
    }
    let mut random = Random(7);
    for round in 0..400 {
        let mut bytes = whole.clone();
        let mut somewhere = || START + random.below(whole.len() - START);
        let from = somewhere();
        // Single bits, distant bytes, and a page of zeros or noise.
        let damaged: Vec<usize> = match round % 4 {
            0 => vec![from],
            1 => (0..30).map(|_| somewhere()).collect(),
            _ => (from..whole.len().min(from + 4096)).collect(),
        };
        for at in damaged {
            bytes[at] = match round % 4 {
                0 => bytes[at] ^ 1 << random.below(8),
                2 => 0,
                _ => random.below(256) as u8,
            };
        }
        let mut expected = all(COUNT);
        for (at, byte) in bytes.iter().enumerate().skip(START) {
            expected[record_of[at]] &= *byte == whole[at];
        }
        fs::write(folder.path("vectors"), &bytes).unwrap();
        let cache = DiskCache::open(folder.path("vectors")).unwrap();
        assert_eq!(kept(&cache, COUNT, 40), expected, "round {round}");
        put(&cache, 0..COUNT, 40);
        drop(cache);
        let cache = DiskCache::open(folder.path("vectors")).unwrap();
        assert_eq!(
            kept(&cache, COUNT, 40),
            all(COUNT),
            "repaired in round {round}"
        );
    }
}

/// Lost bytes, inserted bytes, and damage while the file is open.
#[test]
fn inserted_or_lost_bytes_lose_only_vectors_nearby() {
    const COUNT: usize = 40;
    let folder = Folder::new();
    put(
        &DiskCache::open(folder.path("vectors")).unwrap(),
        0..COUNT,
        40,
    );
    let whole = fs::read(folder.path("vectors")).unwrap();
    let mut random = Random(9);
    for round in 0..150 {
        let mut bytes = whole.clone();
        let at = START + random.below(bytes.len() - START);
        let end = bytes.len().min(at + 1 + random.below(300));
        let costs = match round % 3 {
            0 => {
                bytes.drain(at..end);
                300 / 64 + 2
            }
            1 => {
                bytes.splice(at..at, whole[at..end].to_vec());
                1
            }
            _ => {
                bytes.splice(at..at, vec![0xf5; end - at]);
                1
            }
        };
        fs::write(folder.path("vectors"), &bytes).unwrap();
        let cache = DiskCache::open(folder.path("vectors")).unwrap();
        let kept_ones = kept(&cache, COUNT, 40).iter().filter(|kept| **kept).count();
        assert!(kept_ones + costs >= COUNT, "round {round}: {kept_ones}");
        if cfg!(windows) {
            continue; // no other process can write to it now
        }
        fs::write(
            folder.path("vectors"),
            vec![b'?'; random.below(bytes.len())],
        )
        .unwrap();
        assert_eq!(kept(&cache, COUNT, 40), vec![false; COUNT]);
    }
}

#[test]
fn a_file_of_a_different_format_is_not_changed() {
    let folder = Folder::new();
    for other in [
        &b"my only copy of my thesis"[..],
        b"?",
        b"chroma-blocking vectors 2\n",
    ] {
        fs::write(folder.path("vectors"), other).unwrap();
        let error = DiskCache::open(folder.path("vectors")).unwrap_err();
        assert!(matches!(error, Error::Cache { .. }));
        let text = format!("{error:#}");
        assert!(
            text.contains("is not a cache") && text.contains("vectors"),
            "{text}"
        );
        assert_eq!(fs::read(folder.path("vectors")).unwrap(), other);
    }
    assert!(DiskCache::open(&folder.0).is_err(), "a folder");
    assert!(DiskCache::open(folder.0.join("no/such/folder")).is_err());
}

/// An embedding function that counts texts.
#[derive(Default)]
struct Paid(Mutex<usize>);

impl EmbeddingFunction for &Paid {
    fn name(&self) -> &'static str {
        "paid"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        *self.0.lock().unwrap() += documents.len();
        let rows = documents.iter().map(|text| [text.len() as f32, 1.0]);
        Ok(Embeddings::from_rows(rows)?)
    }
}

#[test]
fn no_text_is_embedded_twice() {
    let folder = Folder::new();
    let paid = Paid::default();
    let texts = ["a", "bb", "a", "ccc"];
    for _ in 0..3 {
        let cached = Cached::new(&paid, DiskCache::open(folder.path("vectors")).unwrap());
        let vectors = cached.embed_documents(&texts).unwrap();
        assert_eq!(vectors.as_flat(), [1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 3.0, 1.0]);
    }
    assert_eq!(*paid.0.lock().unwrap(), 3);
}

/// The size of a vector: large enough that a batch takes several writes.
const LONGEST: usize = 3072;
const BATCH: usize = 250;
/// The first index of a program that stores nothing.
const IDLE: usize = usize::MAX;

/// The program that [`Program`] runs. It stores one batch after the other, and prints a line after each,
/// until it is killed.
#[test]
#[ignore = "run by the other tests"]
fn program() {
    let Some(path) = env::var_os("CACHE") else {
        return;
    };
    let cache = DiskCache::open(path).unwrap();
    let mut count = env::var("FROM").unwrap().parse().unwrap();
    println!("@open");
    while count != IDLE {
        put(&cache, count..count + BATCH, LONGEST);
        count += BATCH;
        println!("@done {count}");
    }
    thread::sleep(Duration::from_secs(60));
}

/// A process that runs the test [`program`] of this executable, killed when dropped.
struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Program {
    fn start(folder: &Folder, from: usize) -> Program {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "program",
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("CACHE", folder.path("vectors"))
            .env("FROM", from.to_string())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Program { child, lines }
    }

    /// Returns the rest of the next line after `@`, or `None` if the process has ended.
    fn next_line(&mut self) -> Option<String> {
        self.lines
            .find_map(|line| Some(line.unwrap().split_once('@')?.1.to_owned()))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap(); // SIGKILL on Unix
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn acknowledged_vectors_survive_a_kill() {
    let folder = Folder::new();
    let mut random = Random(3);
    let (mut there, mut acknowledged, mut torn) = (0, 0, 0);
    // A kill may come between two batches, so there are more rounds where none came in the middle of one.
    for round in 0..60 {
        if round >= 6 && acknowledged > 0 && torn > 0 {
            break;
        }
        let mut program = Program::start(&folder, there);
        assert_eq!(program.next_line().unwrap(), "open");
        let batches = random.below(2);
        let mut said: Vec<_> = (0..batches).map(|_| program.next_line().unwrap()).collect();
        // Wait until it has begun to write the next batch.
        let length = || fs::metadata(folder.path("vectors")).unwrap().len();
        let before = length();
        while length() == before {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(random.below(5_000) as u64));
        program.kill();
        said.extend(std::iter::from_fn(|| program.next_line()));
        if let Some(last) = said.last() {
            there = last.strip_prefix("done ").unwrap().parse().unwrap();
            acknowledged += said.len();
        }

        let found = length();
        let cache = DiskCache::open(folder.path("vectors")).unwrap();
        torn += usize::from(length() < found);
        let kept = kept(&cache, there + 2 * BATCH, LONGEST);
        assert!(
            kept[..there].iter().all(|kept| *kept),
            "a vector of the first {there} is lost"
        );
        // Of the interrupted batch, only the first vectors may be stored.
        there = kept.iter().take_while(|kept| **kept).count();
        assert!(kept[there..].iter().all(|kept| !kept));
    }
    assert!(acknowledged > 0 && torn > 0, "{acknowledged}, {torn}");
}

#[test]
fn a_second_process_cannot_open_the_file() {
    let folder = Folder::new();
    let mut program = Program::start(&folder, IDLE);
    assert_eq!(program.next_line().unwrap(), "open");
    let refused = || {
        DiskCache::open(folder.path("vectors"))
            .unwrap_err()
            .to_string()
    };
    assert!(refused().contains("is already open"), "{}", refused());
    program.kill();
    let cache = DiskCache::open(folder.path("vectors")).unwrap();
    assert!(refused().contains("is already open"), "{}", refused());
    drop(cache);
    DiskCache::open(folder.path("vectors")).unwrap();
}

#[cfg(unix)]
#[test]
fn field_16_only_a_regular_file_can_be_a_cache_and_links_stay() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // Reading from these would wait or go on forever.
    for path in [pipe.as_path(), "/dev/zero".as_ref(), "/dev/null".as_ref()] {
        let error = format!("{:#}", DiskCache::open(path).unwrap_err());
        assert!(error.contains("it is a device or a pipe"), "{error}");
    }
    let link = folder.path("link");
    std::os::unix::fs::symlink("vectors", &link).unwrap();
    put(&DiskCache::open(&link).unwrap(), 0..3, 6);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let cache = DiskCache::open(folder.path("vectors")).unwrap();
    assert_eq!(kept(&cache, 3, 6), all(3));
}

#[test]
fn field_29_an_open_input_cannot_be_a_cache() {
    let folder = Folder::new();
    let path = folder.path("input.jsonl");
    fs::write(&path, "").unwrap();
    let input = jsonl_records(&path).unwrap();
    let error = format!("{:#}", DiskCache::open(&path).unwrap_err());
    assert!(error.contains("the same file is used"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"", "unchanged");
    drop(input);
    DiskCache::open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn secure_11_a_cache_is_for_this_user_only() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let folder = Folder::new();
    let path = folder.path("vectors");
    let mode = || {
        DiskCache::open(&path).unwrap();
        fs::metadata(&path).unwrap().mode() & 0o777
    };
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(mode(), 0o644, "the caller's choice");
}
