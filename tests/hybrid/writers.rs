//! Four programs write while one searches: what is promised holds, and what is not is counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::search::Knn;
use chroma_blocking::{Client, Collection, Record, Search};

use super::Scratch;
use super::support::random::Random;
use super::support::server::{client, unique_name};

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

/// What the server has acknowledged: the word of each record that exists.
#[derive(Default)]
struct Acknowledged(Mutex<HashMap<String, String>>);

impl Acknowledged {
    /// Writes a record, and remembers it. `None` deletes it.
    fn write(&self, id: &str, word: Option<String>, send: impl FnOnce()) {
        // While it is written, nothing is known of it.
        self.lock().remove(id);
        send();
        if let Some(word) = word {
            self.lock().insert(id.to_owned(), word);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a handle with a client of its own, as another program has.
fn handle(name: &str, stamps: bool) -> Collection {
    let url = client().metrics().endpoints[0].url.clone();
    let builder = Client::new(url).unwrap().collection(name);
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
        let exists = known.lock().contains_key(&id);
        match writer {
            Writer::Stamped if random.below(5) == 0 => {
                known.write(&id, None, || {
                    notes.delete().ids(&id).run().unwrap();
                });
            }
            Writer::Stamped => {
                known.write(&id, Some(word.clone()), || {
                    notes.upsert([record()]).unwrap();
                });
            }
            Writer::AddsAndDeletes if exists => {
                known.write(&id, None, || {
                    notes.delete().ids(&id).run().unwrap();
                });
            }
            Writer::AddsAndDeletes => {
                known.write(&id, Some(word.clone()), || notes.add([record()]).unwrap());
            }
            Writer::Updates => {
                let id = format!("{number} {}", random.below(RECORDS));
                let record = Record::new(&id).embedding([1.0]).document(&word);
                known.write(&id, Some(word.clone()), || notes.update([record]).unwrap());
            }
        }
    }
}

/// What a search has found.
#[derive(Default)]
struct Counts {
    searches: AtomicU64,
    /// Additions and deletions without a stamp that were not seen, since others hid them.
    hidden: AtomicU64,
    /// Updates without a stamp that were not seen.
    unstamped: AtomicU64,
}

/// `HYBRID_SECONDS` is how long the programs write.
#[test]
fn what_is_promised_holds_while_four_programs_write() {
    let seconds = std::env::var("HYBRID_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let scratch = Scratch(client().collection(unique_name()).create().unwrap());
    let name = scratch.name();
    let known: [Acknowledged; 4] = Default::default();
    let updated = handle(name, false);
    for n in 0..RECORDS {
        let record = Record::new(format!("3 {n}"))
            .embedding([1.0])
            .document("first");
        updated.add([record]).unwrap();
    }
    let writers = [
        (Writer::Stamped, true),
        (Writer::Stamped, true),
        (Writer::AddsAndDeletes, false),
        (Writer::Updates, false),
    ];
    let reader = handle(name, true);
    let words = reader.word_index().open().unwrap();
    let (stop, counts) = (AtomicBool::new(false), Counts::default());
    thread::scope(|scope| {
        for (number, (writer, stamps)) in writers.into_iter().enumerate() {
            let (known, stop) = (&known[number], &stop);
            scope.spawn(move || run(writer, number, &handle(name, stamps), known, stop));
        }
        let ended = Instant::now() + Duration::from_secs(seconds);
        let mut random = Random(99);
        while Instant::now() < ended {
            let number = random.below(4);
            check(
                writers[number].0,
                &known[number],
                &reader,
                &words,
                &counts,
                &mut random,
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
    let [searches, hidden, unstamped] = [&counts.searches, &counts.hidden, &counts.unstamped]
        .map(|count| count.load(Ordering::Relaxed));
    println!(
        "{searches} searches: {hidden} additions and deletions without a stamp were hidden by others, \
         {unstamped} updates without a stamp were not seen"
    );
    assert!(searches > 0);
}

/// Searches for the word of a record that was acknowledged before.
fn check(
    writer: Writer,
    known: &Acknowledged,
    reader: &Collection,
    words: &chroma_blocking::hybrid::WordIndex,
    counts: &Counts,
    random: &mut Random,
) {
    let before: Vec<(String, String)> = known.lock().clone().into_iter().collect();
    if before.is_empty() {
        return;
    }
    let (id, word) = random.choose(&before);
    let search = Search::new().rank(Knn::words(&word));
    let hits = reader.search(search).words(words).run().unwrap();
    counts.searches.fetch_add(1, Ordering::Relaxed);
    // A record that has been written since may have another word now.
    let is_unchanged = known.lock().get(&id) == Some(&word);
    let is_found = hits.ids().any(|found| found == id);
    if is_found || !is_unchanged {
        return;
    }
    match writer {
        Writer::Stamped => panic!("a stamped write of {id} was not seen: {word}"),
        Writer::AddsAndDeletes => counts.hidden.fetch_add(1, Ordering::Relaxed),
        Writer::Updates => counts.unstamped.fetch_add(1, Ordering::Relaxed),
    };
}
