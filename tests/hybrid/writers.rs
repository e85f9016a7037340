//! Four programs write while one searches: what is promised holds, and what is not is counted.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::hybrid::WordIndex;
use chroma_blocking::search::Knn;
use chroma_blocking::{Collection, Record, Search};

use super::support::random::Random;
use super::support::server::{client, unique_name};
use super::{Scratch, own_client};

/// Records that each writer has.
const RECORDS: usize = 40;

#[derive(Clone, Copy, PartialEq)]
enum Writer {
    /// Stamps its writes: upserts, updates of documents, deletions.
    Stamped,
    /// Does not stamp: additions and deletions, each of which changes the number of records.
    AddsAndDeletes,
    /// Does not stamp: updates documents, which an index cannot see.
    Updates,
}

/// What the server has acknowledged of one writer. Each word is written once.
#[derive(Default)]
struct Known {
    /// The word of each record that exists.
    words: HashMap<String, String>,
    /// The last records that had a word before. Another one has taken its place, or they were deleted.
    gone: VecDeque<(String, String)>,
}

#[derive(Default)]
struct Acknowledged(Mutex<Known>);

impl Acknowledged {
    /// Writes a record, and remembers it. `None` deletes it.
    fn write(&self, id: &str, word: Option<String>, send: impl FnOnce()) {
        // While it is written, nothing is known of it.
        let before = self.lock().words.remove(id);
        send();
        let mut known = self.lock();
        if let Some(before) = before {
            known.gone.push_back((id.to_owned(), before));
            if known.gone.len() > RECORDS {
                known.gone.pop_front();
            }
        }
        if let Some(word) = word {
            known.words.insert(id.to_owned(), word);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the writers, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns a handle with a client of its own, as another program has.
fn handle(name: &str, stamps: bool) -> Collection {
    let builder = own_client().collection(name);
    builder.stamp_writes(stamps).get().unwrap()
}

fn run(writer: Writer, number: usize, notes: &Collection, known: &Acknowledged, stop: &AtomicBool) {
    let mut random = Random(number as u64);
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let id = format!("{number} {}", random.below(RECORDS));
        let word = format!("w{number}x{round}");
        let record = || Record::new(&id).embedding([1.0]).document(&word);
        let delete = || {
            notes.delete().ids(&id).run().unwrap();
        };
        let exists = known.lock().words.contains_key(&id);
        match writer {
            Writer::Stamped if exists && random.below(4) == 0 => known.write(&id, None, delete),
            Writer::Stamped if exists && random.below(2) == 0 => {
                known.write(&id, Some(word.clone()), || {
                    notes.update([record()]).unwrap();
                });
            }
            Writer::Stamped => {
                known.write(&id, Some(word.clone()), || {
                    notes.upsert([record()]).unwrap();
                });
            }
            Writer::AddsAndDeletes if exists => known.write(&id, None, delete),
            Writer::AddsAndDeletes => {
                known.write(&id, Some(word.clone()), || notes.add([record()]).unwrap());
            }
            Writer::Updates => {
                known.write(&id, Some(word.clone()), || {
                    notes.update([record()]).unwrap();
                });
            }
        }
    }
}

/// What the searches have found.
#[derive(Debug, Default)]
struct Counts {
    /// The searches for a word of a record of each writer that must be found if it was stamped.
    existing: [u64; 4],
    /// The searches for a word of a record of each writer that must not be found.
    gone: [u64; 4],
    /// Additions without a stamp that were not seen, since deletions hid them.
    hidden: u64,
    /// Updates without a stamp that were not seen.
    unstamped: u64,
}

impl Counts {
    /// Whether enough was searched of each writer.
    fn are_enough(&self) -> bool {
        let mut all = self.existing.iter().chain(&self.gone);
        all.all(|count| *count >= 5)
    }
}

/// The program that searches.
struct Reader {
    notes: Collection,
    words: WordIndex,
    random: Random,
    counts: Counts,
}

impl Reader {
    fn finds(&self, id: &str, word: &str) -> bool {
        let search = Search::new().rank(Knn::words(word));
        let hits = self.notes.search(search).words(&self.words).run().unwrap();
        hits.ids().any(|found| found == id)
    }

    /// Searches for the word of a record that was acknowledged before.
    fn check_existing(&mut self, (number, writer): (usize, Writer), known: &Acknowledged) {
        let before: Vec<(String, String)> = known.lock().words.clone().into_iter().collect();
        if before.is_empty() {
            return;
        }
        let (id, word) = self.random.choose(&before);
        let is_found = self.finds(&id, &word);
        self.counts.existing[number] += 1;
        // A record that has been written since may have another word now.
        if is_found || known.lock().words.get(&id) != Some(&word) {
            return;
        }
        match writer {
            Writer::Stamped => panic!("a stamped write of {id} was not seen: {word}"),
            Writer::AddsAndDeletes => self.counts.hidden += 1,
            Writer::Updates => self.counts.unstamped += 1,
        }
    }

    /// Searches for a word that no document had any more before. Stamped or not, no document is a hit for it.
    fn check_gone(&mut self, number: usize, known: &Acknowledged) {
        let gone: Vec<(String, String)> = known.lock().gone.iter().cloned().collect();
        if gone.is_empty() {
            return;
        }
        let (id, word) = self.random.choose(&gone);
        assert!(
            !self.finds(&id, &word),
            "{id} is found by {word}, which it has lost"
        );
        self.counts.gone[number] += 1;
    }
}

/// `HYBRID_SECONDS` is how long the programs write.
#[test]
fn what_is_promised_holds_while_four_programs_write() {
    let seconds = std::env::var("HYBRID_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let scratch = Scratch(client().collection(unique_name()).create().unwrap());
    let name = scratch.name();
    let known: [Acknowledged; 4] = Default::default();
    let updated = (0..RECORDS).map(|n| Record::new(format!("3 {n}")).embedding([1.0]));
    let updated: Vec<Record> = updated.map(|record| record.document("first")).collect();
    scratch.add(&updated).unwrap();
    let writers = [
        (Writer::Stamped, true),
        (Writer::Stamped, true),
        (Writer::AddsAndDeletes, false),
        (Writer::Updates, false),
    ];
    let notes = handle(name, true);
    let mut reader = Reader {
        words: notes.word_index().open().unwrap(),
        notes,
        random: Random(99),
        counts: Counts::default(),
    };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for (number, (writer, stamps)) in writers.into_iter().enumerate() {
            let (known, stop) = (&known[number], &stop);
            scope.spawn(move || run(writer, number, &handle(name, stamps), known, stop));
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(seconds) || !reader.counts.are_enough() {
            assert!(
                started.elapsed() < Duration::from_secs(seconds + 120),
                "{:?}",
                reader.counts
            );
            let number = reader.random.below(4);
            if reader.random.below(2) == 0 {
                reader.check_existing((number, writers[number].0), &known[number]);
            } else {
                reader.check_gone(number, &known[number]);
            }
        }
    });
    let counts = &reader.counts;
    println!(
        "{} searches for words of records, {} for words that are gone: all that is promised was seen; {} additions \
         without a stamp were hidden by deletions, {} updates without a stamp were not seen",
        counts.existing.iter().sum::<u64>(),
        counts.gone.iter().sum::<u64>(),
        counts.hidden,
        counts.unstamped
    );
    // At rest, an index that is built again equals a new one.
    reader.words.rebuild().unwrap();
    let fresh = reader.notes.word_index().open().unwrap();
    let of = |words: &WordIndex| [words.len(), words.postings()];
    assert_eq!(of(&reader.words), of(&fresh));
}
