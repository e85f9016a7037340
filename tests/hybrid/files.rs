//! The file of an index of words: damaged, foreign, and written by processes that are killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chroma_blocking::embed::Bm25;
use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::search::{Knn, SearchResult};
use chroma_blocking::{Collection, Error, Key, Record, Search};

use super::support::folder::Folder;
use super::support::random::Random;
use super::support::server::{client, unique_name};
use super::support::stand_in::lock;
use super::{Scratch, own_client, requests};

const WORDS: [&str; 6] = ["apple", "river", "stone", "cloud", "tiger", "garden"];

fn record(random: &mut Random, id: usize) -> Record {
    let text = random.list(9, |random| random.choose(&WORDS)).join(" ");
    Record::new(id.to_string()).embedding([1.0]).document(text)
}

/// Collects the warnings of this crate.
struct Warnings(Mutex<Vec<String>>);

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("chroma_blocking")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            lock(&self.0).push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Returns the warnings about a file since the last call. The first call starts the collection.
fn warnings_of(path: &Path) -> Vec<String> {
    static WARNINGS: Warnings = Warnings(Mutex::new(Vec::new()));
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&WARNINGS).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    });
    let path = path.display().to_string();
    let mut lines = lock(&WARNINGS.0);
    let (of_path, others) = lines.drain(..).partition(|line| line.contains(&path));
    *lines = others;
    of_path
}

/// A collection of records with random words.
fn filled(records: usize) -> Scratch {
    let notes = Scratch(client().collection(unique_name()).create().unwrap());
    let mut random = Random(7);
    let records: Vec<Record> = (0..records).map(|id| record(&mut random, id)).collect();
    notes.add(&records).unwrap();
    notes
}

fn best(notes: &Collection, words: &WordIndex) -> Vec<SearchResult> {
    let search = |text: &&str| {
        let rank = Knn::words(*text).limit(10);
        Search::new().rank(rank).select([Key::score()])
    };
    let texts = WORDS
        .iter()
        .chain(&["apple river", "tiger tiger stone cloud"]);
    let run = notes.search_many(texts.map(search)).words(words);
    run.freshness(Freshness::Snapshot).run().unwrap()
}

#[test]
fn a_file_is_used_again_and_refreshed() {
    let folder = Folder::new();
    let path = folder.path("notes.words");
    let notes = filled(50);
    let words = notes.word_index().file(&path).open().unwrap();
    let expected = best(&notes, &words);
    let mut pages = 0;
    let again = notes.word_index().file(&path).on_progress(|_| pages += 1);
    assert_eq!(best(&notes, &again.open().unwrap()), expected);
    assert_eq!(pages, 0, "nothing was scanned");
    let alone = own_client().collection(notes.name()).get().unwrap();
    let reopened = || drop(alone.word_index().file(&path).open().unwrap());
    assert_eq!(requests(alone.client(), reopened), [("count", 1)]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "others cannot read it");
    }
    notes
        .add(["new", "newer"].map(|id| Record::new(id).embedding([1.0]).document("apple")))
        .unwrap();
    notes.delete().ids("7").run().unwrap();
    let refreshed = notes.word_index().file(&path).open().unwrap();
    let fresh = notes.word_index().open().unwrap();
    assert_eq!(best(&notes, &refreshed), best(&notes, &fresh));
    assert_eq!(refreshed.len(), 51);
    // The next refresh of the first index finds the new records.
    words.refresh().unwrap();
    assert_eq!(best(&notes, &words), best(&notes, &fresh));
}

/// The file has the time of its last look, so the next one asks for stamped writes since then.
#[test]
fn stamped_writes_are_seen_by_an_index_that_was_closed() {
    let folder = Folder::new();
    let path = folder.path("notes.words");
    let scratch = filled(20);
    let notes = stamping(scratch.name());
    drop(notes.word_index().file(&path).open().unwrap());
    let update = Record::new("5").embedding([1.0]).document("zebra zebra");
    stamping(scratch.name()).update([update]).unwrap();
    let mut pages = 0;
    let again = notes.word_index().file(&path).on_progress(|_| pages += 1);
    let again = again.open().unwrap();
    assert_eq!(pages, 0);
    let zebra = Search::new().rank(Knn::words("zebra"));
    let run = notes.search(zebra).words(&again);
    let hits = run.freshness(Freshness::Snapshot).run().unwrap();
    assert_eq!(hits.ids().collect::<Vec<_>>(), ["5"]);
    let fresh = notes.word_index().open().unwrap();
    assert_eq!(best(&notes, &again), best(&notes, &fresh));
}

#[test]
fn a_damaged_or_foreign_file_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("notes.words");
    warnings_of(&path);
    let notes = filled(30);
    let open = || notes.word_index().file(&path).open().unwrap();
    let expected = best(&notes, &open());
    let whole = fs::read(&path).unwrap();
    let mut random = Random(3);
    for _ in 0..30 {
        let mut damaged = whole.clone();
        // Not the first bytes, which tell that it is such a file.
        let at = 8 + random.below(whole.len() - 8);
        if random.below(2) == 0 {
            damaged.truncate(at);
        } else {
            damaged[at] ^= 1 << random.below(8);
        }
        fs::write(&path, &damaged).unwrap();
        assert_eq!(best(&notes, &open()), expected);
        assert!(fs::read(&path).unwrap() != damaged, "it was replaced");
        let warned = warnings_of(&path);
        assert!(
            warned.len() == 1 && warned[0].contains("is built again"),
            "{warned:?}"
        );
    }
    // An empty file is like none.
    fs::write(&path, "").unwrap();
    assert_eq!(best(&notes, &open()), expected);
    assert_eq!(warnings_of(&path), [""; 0]);
    let other = filled(20);
    let of_other = other.word_index().file(&path).open().unwrap();
    assert_eq!(of_other.len(), 20);
    let warned = warnings_of(&path);
    assert!(warned[0].contains("another collection"), "{warned:?}");
    open();
    warnings_of(&path);
    let long = Bm25::default().avg_doc_length(3.0).unwrap();
    let with_settings = notes
        .word_index()
        .file(&path)
        .bm25(long.clone())
        .open()
        .unwrap();
    let warned = warnings_of(&path);
    assert!(warned[0].contains("settings are different"), "{warned:?}");
    let fresh = notes.word_index().bm25(long).open().unwrap();
    assert_eq!(best(&notes, &with_settings), best(&notes, &fresh));
    assert_ne!(best(&notes, &fresh), expected);
    assert_eq!(best(&notes, &open()), expected);
}

#[test]
fn a_file_that_is_something_else_is_not_touched() {
    let folder = Folder::new();
    let path = folder.path("letter.txt");
    warnings_of(&path);
    let notes = filled(10);
    let expected = best(&notes, &notes.word_index().file(&path).open().unwrap());
    let mut damaged = fs::read(&path).unwrap();
    // Its first bytes do not say that it is an index.
    damaged[3] ^= 1;
    for content in [&b"Dear reader"[..], b"C", b"\0\xff\n", &damaged] {
        fs::write(&path, content).unwrap();
        let words = notes.word_index().file(&path).open().unwrap();
        let warned = warnings_of(&path);
        assert!(
            warned.len() == 1 && warned[0].contains("left as it is"),
            "{warned:?}"
        );
        words.rebuild().unwrap();
        words.refresh().unwrap();
        assert_eq!(best(&notes, &words), expected);
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(folder.names(), ["letter.txt"]);
    }
    let missing = folder.path("missing/notes.words");
    for path in [&*folder.path(""), Path::new("/dev/null"), &missing] {
        let error = notes.word_index().file(path).open().unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
    }
}

/// The variable that tells a child process what to write.
const TASK: &str = "HYBRID_WRITES_FILE";

/// What a child process does: it writes the file again and again, until it is killed.
#[test]
fn child_that_writes_its_file() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let [name, path] = task.split('\n').collect::<Vec<_>>()[..] else {
        panic!("{task}");
    };
    let words = stamping(name).word_index().file(path).open().unwrap();
    println!("@open");
    loop {
        words.refresh().unwrap();
    }
}

/// Opens a collection as a program does that stamps its writes.
fn stamping(name: &str) -> Collection {
    let builder = own_client().collection(name).stamp_writes(true);
    builder.get().unwrap()
}

fn child(notes: &Collection, path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let test = "files::child_that_writes_its_file";
    child.args(["--exact", test, "--nocapture"]);
    child
        .env("CHROMA_HOST", client().url())
        .env(TASK, format!("{}\n{}", notes.name(), path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    child.spawn().unwrap()
}

/// Returns the number of files that are being written, or that a killed process has left.
fn unfinished(folder: &Folder) -> usize {
    let names = folder.names().into_iter();
    names.filter(|name| name.ends_with(".partial")).count()
}

/// `HYBRID_KILLS` is the number of kills.
#[test]
fn a_process_may_be_killed_while_it_writes_its_file() {
    let kills = std::env::var("HYBRID_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let folder = Folder::new();
    let path = folder.path("notes.words");
    let scratch = filled(5_000);
    let notes = stamping(scratch.name());
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let mut kept = 0;
    for round in 0..kills {
        let left = unfinished(&folder);
        let mut child = child(&notes, &path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Without this, it is killed while it starts, or while it builds the index or reads the file.
        let has_opened = random.below(5) > 0;
        if has_opened {
            let opened = lines.any(|line| line.unwrap().contains("@open"));
            assert!(opened, "seed {seed}: the child has failed");
        }
        // Each of these is in the files that the child writes from now on, or in none.
        let ids: Vec<usize> = (0..3).map(|_| random.below(5_000)).collect();
        let changed = ids.iter().map(|id| record(&mut random, *id));
        notes.upsert(changed.collect::<Vec<_>>()).unwrap();
        let gone = random.below(5_000).to_string();
        notes.delete().ids(gone).run().unwrap();
        if has_opened && random.below(4) > 0 {
            // Most kills are in the middle of a write.
            let started = Instant::now();
            while unfinished(&folder) <= left {
                assert!(started.elapsed() < Duration::from_secs(60), "{seed}");
            }
            sleep(Duration::from_micros(random.below(3_000) as u64));
        } else {
            sleep(Duration::from_micros(random.below(200_000) as u64));
        }
        child.kill().unwrap(); // SIGKILL on Unix
        child.wait().unwrap();

        let mut pages = 0;
        let words = notes.word_index().file(&path).on_progress(|_| pages += 1);
        let words = words.open().unwrap();
        let fresh = notes.word_index().open().unwrap();
        let shown = format!("seed {seed}, round {round}");
        assert_eq!(best(&notes, &words), best(&notes, &fresh), "{shown}");
        assert_eq!(words.postings(), fresh.postings(), "{shown}");
        kept += usize::from(pages == 0);
        // The next child finds a file or none.
        if random.below(4) == 0 {
            fs::remove_file(&path).unwrap();
        }
    }
    let torn = unfinished(&folder);
    println!(
        "{kept} of {kills} files could be used after a kill, {torn} kills were in the middle of a write"
    );
    assert!(kept > 0 || kills == 0, "seed {seed}");
}
