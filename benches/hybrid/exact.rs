//! Compares the ten best documents with those of a brute-force evaluation.

use std::error::Error;

use chroma_blocking::Search;
use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use chroma_blocking::hybrid::Freshness;
use chroma_blocking::record::SparseVector;
use chroma_blocking::search::Knn;

use crate::Size;
use crate::server::Filled;
use crate::table::{Goal, Row};
use crate::wordnet::{Synset, WordNet};

pub fn all(size: &Size, filled: &Filled, wordnet: &WordNet) -> Result<Row, Box<dyn Error>> {
    let words = filled.notes.word_index().open()?;
    let records = words.len();
    let synsets = &wordnet.synsets[..records];
    let texts: Vec<&str> = synsets.iter().map(|synset| synset.text.as_str()).collect();
    let vectors = Bm25::default()
        .embed_documents(&texts)
        .map_err(|error| error.to_string())?;
    let mut equal = 0;
    let mut compared = 0;
    for text in wordnet.examples().take(size.exact) {
        let search = Search::new().rank(Knn::words(text).limit(10));
        let run = filled.notes.search(search).words(&words);
        let hits = run.freshness(Freshness::Snapshot).run()?;
        let found: Vec<&str> = hits.ids().collect();
        let query = Bm25::default().embed_queries(&[text]);
        let query = query.map_err(|error| error.to_string())?.remove(0);
        compared += 1;
        equal += usize::from(found == best(&query, &vectors, synsets));
    }
    eprintln!("{equal} of {compared} queries have the same ten documents in the same order");
    Ok(Row {
        name: format!("exact/{records}"),
        what: format!(
            "of {compared} queries, those with another top 10 than a brute-force evaluation"
        ),
        value: (compared - equal) as f64,
        unit: "",
        ratio: None,
        goal: Some(Goal::AtMost(0.0)),
    })
}

/// Returns the ids of the ten best synsets, by comparing all of them.
fn best<'a>(query: &SparseVector, vectors: &[SparseVector], synsets: &'a [Synset]) -> Vec<&'a str> {
    let value = |vector: &SparseVector, term| {
        let at = vector.indices.binary_search(&term).ok()?;
        Some(vector.values[at])
    };
    let all = vectors.len() as f32;
    let weight = |(term, weight): (&u32, &f32)| {
        let have = vectors
            .iter()
            .filter(|vector| value(vector, *term).is_some());
        let have = have.count() as f32;
        (*term, weight * ((all - have + 0.5) / (have + 0.5)).ln_1p())
    };
    let weights: Vec<(u32, f32)> = query
        .indices
        .iter()
        .zip(&query.values)
        .map(weight)
        .collect();
    let mut scored: Vec<(usize, f32)> = Vec::new();
    for (index, vector) in vectors.iter().enumerate() {
        let products = weights
            .iter()
            .filter_map(|(term, weight)| Some(weight * value(vector, *term)?));
        if let Some(score) = products.reduce(|sum, product| sum + product) {
            scored.push((index, 1.0 - score));
        }
    }
    scored.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    scored.truncate(10);
    scored
        .into_iter()
        .map(|(index, _)| synsets[index].id.as_str())
        .collect()
}
