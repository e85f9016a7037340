//! The recall of hybrid search: an example sentence of a synset is to find the synset.

use std::error::Error;
use std::sync::Arc;

use chroma_blocking::embed::Onnx;
use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::search::{Knn, Rank, Rrf};
use chroma_blocking::{EmbeddingFunction, Search};

use crate::Size;
use crate::model;
use crate::server::Filled;
use crate::table::{Goal, Row};
use crate::wordnet::WordNet;

pub fn all(size: &Size, wordnet: &WordNet) -> Result<Vec<Row>, Box<dyn Error>> {
    let [records, queries] = size.quality;
    let folder = model::folder().ok_or("the model cannot be built; see above")?;
    let function: Arc<dyn EmbeddingFunction> = Arc::new(Onnx::mini_lm_from(&folder)?);
    let synsets = &wordnet.synsets[..records];
    let filled = Filled::with_function(synsets, function)?;
    let words = filled.notes.word_index().open()?;
    let questions = synsets
        .iter()
        .filter_map(|synset| Some((synset.examples.first()?.as_str(), synset.id.as_str())));
    let questions: Vec<(&str, &str)> = questions.take(queries).collect();
    eprintln!("asking {} questions", questions.len());
    let found = ask(&filled, &words, &questions)?;
    Ok(rows(&found, questions.len()))
}

/// Whether the first ten hits of each question have the synset, by vectors, by words, and by both.
type Found = [Vec<bool>; 3];

fn ask(
    filled: &Filled,
    words: &WordIndex,
    questions: &[(&str, &str)],
) -> Result<Found, Box<dyn Error>> {
    let mut found = Found::default();
    for (text, id) in questions {
        let ranks: [Rank; 3] = [
            Knn::text(*text).into(),
            Knn::words(*text).into(),
            Rrf::hybrid(*text).into(),
        ];
        let searches = ranks.map(|rank| Search::new().rank(rank).limit(10));
        let run = filled.notes.search_many(searches).words(words);
        let results = run.freshness(Freshness::Snapshot).run()?;
        for (way, hits) in found.iter_mut().zip(results) {
            way.push(hits.ids().any(|found| found == *id));
        }
    }
    Ok(found)
}

fn rows(found: &Found, count: usize) -> Vec<Row> {
    let recall = |way: &Vec<bool>| mean(way.iter().map(|hit| f64::from(*hit)));
    let [dense, by_words, hybrid] = found.each_ref().map(recall);
    let better = if dense > by_words {
        &found[0]
    } else {
        &found[1]
    };
    let pairs = found[2].iter().zip(better);
    let gains = pairs.map(|(hybrid, other)| f64::from(*hybrid) - f64::from(*other));
    let gains: Vec<f64> = gains.collect();
    let gain = mean(gains.iter().copied());
    let variance = mean(gains.iter().map(|value| (value - gain).powi(2)));
    let error = (variance / gains.len() as f64).sqrt();
    let row = |name: &str, what: String, value, ratio, goal| Row {
        name: format!("recall/{name}"),
        what,
        value,
        unit: "",
        ratio,
        goal,
    };
    let of = |name: &str, way: &str, value| {
        let what = format!("recall@10 {way}, {count} questions");
        row(name, what, value, None, None)
    };
    vec![
        of("dense", "by vectors", dense),
        of("words", "by words", by_words),
        of("hybrid", "of hybrid search", hybrid),
        row(
            "gain",
            format!(
                "gain of hybrid search over the better side (ratio); its standard error is {error:.3}"
            ),
            error,
            Some(gain),
            Some(Goal::Ratio(0.03)),
        ),
    ]
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
