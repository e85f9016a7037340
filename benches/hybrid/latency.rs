//! The time of a hybrid search compared with a query by vector, on the same server.

use std::error::Error;
use std::time::Instant;

use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::search::{Knn, Rrf};
use chroma_blocking::{Collection, Key, Search};

use crate::Size;
use crate::build::median;
use crate::server::Filled;
use crate::table::{Goal, Row};
use crate::wordnet::WordNet;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Dense,
    Checked,
    Snapshot,
    /// Words alone, checked.
    Words,
}

const WAYS: [Way; 4] = [Way::Dense, Way::Checked, Way::Snapshot, Way::Words];

pub fn all(size: &Size, filled: &Filled, wordnet: &WordNet) -> Result<Vec<Row>, Box<dyn Error>> {
    let notes = &filled.notes;
    let words = notes.word_index().open()?;
    let records = words.len();
    filled.settle();
    eprintln!("timing searches of {records} records");
    let mut ways = WAYS;
    let mut times: Vec<(Way, f64)> = Vec::new();
    for (index, text) in wordnet.examples().take(size.searches + 10).enumerate() {
        for way in ways {
            let started = Instant::now();
            run(notes, &words, way, text)?;
            // The first ones warm up.
            if index >= 10 {
                times.push((way, started.elapsed().as_secs_f64()));
            }
        }
        ways.rotate_left(1);
    }
    let of = |way| {
        let times = times.iter().filter(|(other, _)| *other == way);
        times.map(|(_, seconds)| *seconds).collect::<Vec<f64>>()
    };
    let dense = median(of(Way::Dense));
    let row = |name: &str, what: &str, way, goal| {
        let seconds = median(of(way));
        Row {
            name: format!("{name}/{records}"),
            what: format!("{what}, {records} records, p50"),
            value: seconds * 1_000.0,
            unit: "ms",
            ratio: Some(seconds / dense),
            goal,
        }
    };
    let checked = if records > 50_000 { 8.0 } else { 3.0 };
    Ok(vec![
        row("dense", "query by vector, 10 results", Way::Dense, None),
        row(
            "checked",
            "hybrid search, checked",
            Way::Checked,
            Some(Goal::RatioAtMost(checked)),
        ),
        row(
            "snapshot",
            "hybrid search, snapshot",
            Way::Snapshot,
            Some(Goal::RatioAtMost(1.6)),
        ),
        row("words", "search by words alone, checked", Way::Words, None),
    ])
}

fn run(notes: &Collection, words: &WordIndex, way: Way, text: &str) -> Result<(), Box<dyn Error>> {
    if way == Way::Dense {
        let hits = notes.query(text).n_results(10).run()?;
        assert_eq!(hits.len(), 10);
        return Ok(());
    }
    let search = match way {
        Way::Words => Search::new().rank(Knn::words(text)),
        _ => Search::new().rank(Rrf::hybrid(text)),
    };
    let freshness = match way {
        Way::Snapshot => Freshness::Snapshot,
        _ => Freshness::Checked,
    };
    let select = [Key::document(), Key::metadata(), Key::score()];
    let search = notes.search(search.limit(10).select(select)).words(words);
    let hits = search.freshness(freshness).run()?;
    assert!(hits.len() == 10 || way == Way::Words);
    Ok(())
}
