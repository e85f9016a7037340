//! The recall of hybrid search: an example sentence of a synset is to find the synset.

use std::error::Error;
use std::sync::Arc;

use chroma_blocking::embed::Onnx;
use chroma_blocking::hybrid::Freshness;
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
    // Whether the first ten hits have the synset, for each way.
    let mut found: [Vec<bool>; 3] = Default::default();
    for (text, id) in &questions {
        let ranks: [Rank; 3] = [
            Knn::text(*text).into(),
            Knn::words(*text).into(),
            Rrf::hybrid(*text).into(),
        ];
        let searches = ranks.map(|rank| Search::new().rank(rank).limit(10));
        let run = filled.notes.search_many(searches).words(&words);
        let results = run.freshness(Freshness::Snapshot).run()?;
        for (way, hits) in found.iter_mut().zip(results) {
            way.push(hits.ids().any(|found| found == *id));
        }
    }
    let [dense, by_words, hybrid] = found
        .each_ref()
        .map(|way| mean(way.iter().map(|hit| f64::from(*hit))));
    let better = if dense > by_words {
        &found[0]
    } else {
        &found[1]
    };
    let pairs = found[2].iter().zip(better);
    let gains: Vec<f64> = pairs
        .map(|(hybrid, other)| f64::from(*hybrid) - f64::from(*other))
        .collect();
    let gain = mean(gains.iter().copied());
    let variance = mean(gains.iter().map(|value| (value - gain).powi(2)));
    let error = (variance / gains.len() as f64).sqrt();
    let count = questions.len();
    let row = |name: &str, what: String, value, ratio, goal| Row {
        name: format!("recall/{name}"),
        what,
        value,
        unit: "",
        ratio,
        goal,
    };
    Ok(vec![
        row(
            "dense",
            format!("recall@10 by vector, {count} questions"),
            dense,
            None,
            None,
        ),
        row(
            "words",
            format!("recall@10 by words, {count} questions"),
            by_words,
            None,
            None,
        ),
        row(
            "hybrid",
            format!("recall@10 of hybrid search, {count} questions"),
            hybrid,
            None,
            None,
        ),
        row(
            "gain",
            format!("gain of hybrid search over the better side; the standard error is {error:.3}"),
            error,
            Some(gain),
            Some(Goal::Ratio(0.03)),
        ),
    ])
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
