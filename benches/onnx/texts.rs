//! The texts that are embedded.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::random::Random;

/// Words of the model's vocabulary, so that each is one token.
pub struct Words {
    words: Vec<String>,
    random: Random,
}

impl Words {
    pub fn of(model: &Path) -> Result<Words, Box<dyn Error>> {
        let vocabulary = fs::read_to_string(model.join("vocab.txt"))?;
        let words = vocabulary.lines().skip(2_000).take(10_000);
        let is_word = |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase());
        Ok(Words {
            words: words.filter(is_word).map(str::to_owned).collect(),
            random: Random(1),
        })
    }

    /// Returns texts that all have `length` words.
    pub fn texts(&mut self, count: usize, length: usize) -> Vec<String> {
        (0..count).map(|_| self.text(length)).collect()
    }

    /// Returns texts of 4 to 400 words. There are as many of 4 to 40 words as of 40 to 400.
    pub fn mixed(&mut self, count: usize) -> Vec<String> {
        let length = |at: usize| (4.0 * 100_f64.powf(at as f64 / (count - 1) as f64)) as usize;
        let mut texts: Vec<String> = (0..count).map(|at| self.text(length(at))).collect();
        for at in (1..count).rev() {
            texts.swap(at, self.random.below(at + 1));
        }
        texts
    }

    fn text(&mut self, length: usize) -> String {
        let words: Vec<String> = (0..length)
            .map(|_| self.random.choose(&self.words))
            .collect();
        words.join(" ")
    }
}

/// Returns 100 varied texts of a file that `tests/onnx/tokens.py` printed.
pub fn of_tokens(file: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    for line in fs::read_to_string(file)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        texts.extend(line["text"].as_str().map(str::to_owned));
        // A line that is not a text follows those of the first tokenizer.
        if line["repeat"].is_string() {
            break;
        }
    }
    let step = (texts.len() / 100).max(1);
    Ok(texts.into_iter().step_by(step).take(100).collect())
}

/// Returns the texts whose vectors are recorded for the tests.
pub fn recorded() -> Result<Vec<String>, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Recorded {
        text: String,
    }
    let recorded = include_str!("../../tests/data/minilm/vectors.json");
    let recorded: Vec<Recorded> = serde_json::from_str(recorded)?;
    Ok(recorded.into_iter().map(|one| one.text).collect())
}
