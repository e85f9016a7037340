//! The file of an index of words: damaged, foreign, and written by processes that are killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use chroma_blocking::embed::Bm25;
use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::search::{Knn, SearchResult};
use chroma_blocking::{Client, Collection, Error, Key, Record, Search};

use super::Scratch;
use super::support::folder::Folder;
use super::support::random::Random;
use super::support::server::{client, unique_name};

const WORDS: [&str; 6] = ["apple", "river", "stone", "cloud", "tiger", "garden"];

fn record(random: &mut Random, id: usize) -> Record {
    let text = random.list(9, |random| random.choose(&WORDS)).join(" ");
    Record::new(id.to_string()).embedding([1.0]).document(text)
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
    notes
        .add(["new", "newer"].map(|id| Record::new(id).embedding([1.0]).document("apple")))
        .unwrap();
    notes.delete().ids("7").run().unwrap();
    let refreshed = notes.word_index().file(&path).open().unwrap();
    let fresh = notes.word_index().open().unwrap();
    assert_eq!(best(&notes, &refreshed), best(&notes, &fresh));
    assert_eq!(refreshed.len(), 51);
    // What the first index does not know yet, its next refresh finds.
    words.refresh().unwrap();
    assert_eq!(best(&notes, &words), best(&notes, &fresh));
}

#[test]
fn a_damaged_or_foreign_file_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("notes.words");
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
    }
    let other = filled(20);
    let of_other = other.word_index().file(&path).open().unwrap();
    assert_eq!(of_other.len(), 20);
    let long = Bm25::default().avg_doc_length(3.0).unwrap();
    let with_settings = notes
        .word_index()
        .file(&path)
        .bm25(long.clone())
        .open()
        .unwrap();
    let fresh = notes.word_index().bm25(long).open().unwrap();
    assert_eq!(best(&notes, &with_settings), best(&notes, &fresh));
    assert_eq!(best(&notes, &open()), expected);
}

#[test]
fn a_file_that_is_something_else_is_not_touched() {
    let folder = Folder::new();
    let path = folder.path("letter.txt");
    fs::write(&path, "Dear reader").unwrap();
    let notes = filled(10);
    let words = notes.word_index().file(&path).open().unwrap();
    words.rebuild().unwrap();
    assert_eq!(words.len(), 10);
    assert_eq!(fs::read_to_string(&path).unwrap(), "Dear reader");
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
    let [url, name, path] = task.split('\n').collect::<Vec<_>>()[..] else {
        panic!("{task}");
    };
    let notes = Client::new(url).unwrap().collection(name).get().unwrap();
    let words = notes.word_index().file(path).open().unwrap();
    loop {
        words.rebuild().unwrap();
    }
}

fn child(notes: &Collection, path: &Path) -> Child {
    let url = &client().metrics().endpoints[0].url;
    let task = format!("{url}\n{}\n{}", notes.name(), path.display());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "files::child_that_writes_its_file"]);
    child
        .env(TASK, task)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    child.spawn().unwrap()
}

/// `HYBRID_KILLS` is the number of kills.
#[test]
fn a_process_may_be_killed_while_it_writes_its_file() {
    let kills = std::env::var("HYBRID_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let folder = Folder::new();
    let path = folder.path("notes.words");
    let notes = filled(2_000);
    let expected = best(&notes, &notes.word_index().open().unwrap());
    let mut random = Random(11);
    let mut kept = 0;
    for _ in 0..kills {
        let mut child = child(&notes, &path);
        // The child has come as far as the file; when it is killed after that is random.
        while !path.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child has failed");
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(random.below(150_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut pages = 0;
        let words = notes.word_index().file(&path).on_progress(|_| pages += 1);
        assert_eq!(best(&notes, &words.open().unwrap()), expected);
        kept += usize::from(pages == 0);
        // Alternately, the next child finds a file or none.
        if random.below(2) == 0 {
            fs::remove_file(&path).unwrap();
        }
    }
    println!("{kept} of {kills} files could be used after a kill");
    let left: Vec<_> = fs::read_dir(folder.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.len() <= 2, "{left:?}");
}
