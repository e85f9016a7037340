//! [`Bm25`]: sparse vectors of the words of a text, offline.

mod murmur;
mod words;

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::murmur::murmur3;
use self::words::{is_stop_word, is_word};
use super::error::EmbeddingError;
use super::settings;
use super::sparse::SparseEmbeddingFunction;
use crate::error::{Call, InvalidInput, Result};
use crate::model::metadata::SparseVector;

/// The name of the function in a schema, which Chroma's other clients use as well.
pub(super) const NAME: &str = "chroma_bm25";

/// Sparse vectors of the words of a text, for search by words: Chroma's function `chroma_bm25`, offline.
///
/// Words are reduced to their English stems, and English stop words are ignored. The index of a stem is its
/// hash. Its value rises with the number of times that it occurs (the term frequency of Okapi BM25). If the
/// index has the setting `bm25`, the server gives rare words more weight.
///
/// # Other clients
/// The vectors equal those of Chroma's Python client with snowballstemmer before version 3. A document that
/// one client wrote is not found by another client's search for words whose vectors differ:
/// - Python with a newer snowballstemmer has other stems for a few words, such as `added`, `university` and
///   `interval`.
/// - The JavaScript client hashes words beyond ASCII differently.
/// - The official Rust crate leaves out words of more than 40 bytes, instead of 40 characters. It does not
///   end words at marks, as in Hindi, Thai or Arabic.
///
/// # In a schema
/// With the source of the texts, writes fill in the vectors, and searches by text embed the query:
///
/// ```
/// use chroma_blocking::embed::Bm25;
/// use chroma_blocking::schema::{Schema, SparseVectorIndexConfig};
///
/// let words = SparseVectorIndexConfig::new()
///     .embedding_function(Bm25::default())
///     .source_key("#document")
///     .bm25(true);
/// let schema = Schema::new().create_sparse_vector_index("words", words);
/// # assert!(schema.sparse_vector_index("words").is_some());
/// ```
///
/// Without a collection:
///
/// ```
/// use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
///
/// let vectors = Bm25::default()
///     .embed_documents(&["cat cats CAT cat's catlike"])?;
/// assert_eq!(vectors[0].indices, [756728732, 1751422759]);
/// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bm25(Settings);

/// The settings that a schema stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    k: f64,
    b: f64,
    avg_doc_length: f64,
    token_max_length: usize,
    include_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopwords: Option<Vec<String>>,
}

/// The defaults of Chroma's clients.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            k: 1.2,
            b: 0.75,
            avg_doc_length: 256.0,
            token_max_length: 40,
            include_tokens: false,
            stopwords: None,
        }
    }
}

impl Bm25 {
    /// Sets how much repetitions of a word add to its value, 0 or more. Default: 1.2.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the number is negative, infinite or NaN.
    pub fn k(mut self, k: f64) -> Result<Bm25> {
        self.0.k = k;
        self.checked()
    }

    /// Sets how much the length of a text lowers its values, from 0 to 1. Default: 0.75.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the number is not from 0 to 1.
    pub fn b(mut self, b: f64) -> Result<Bm25> {
        self.0.b = b;
        self.checked()
    }

    /// Sets the usual number of words in a text, without stop words. Default: 256.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the number is not above 0, or infinite.
    pub fn avg_doc_length(mut self, words: f64) -> Result<Bm25> {
        self.0.avg_doc_length = words;
        self.checked()
    }

    /// Sets the length of the longest word, in characters. Longer words are ignored. Default: 40.
    #[must_use]
    pub fn token_max_length(mut self, characters: usize) -> Bm25 {
        self.0.token_max_length = characters;
        self
    }

    /// Sets the words that are ignored, in upper or lower case. Default: 179 English words.
    #[must_use]
    pub fn stopwords(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Bm25 {
        self.0.stopwords = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Reads what a schema stores.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn from_config(config: &Value) -> std::result::Result<Bm25, String> {
        let settings: Settings = settings::read(config)?;
        settings.check().map_err(|reason| reason.to_string())?;
        Ok(Bm25(settings))
    }

    fn checked(self) -> Result<Bm25> {
        let checked = self.0.check();
        checked.map_err(|reason| Call::new("bm25", None).invalid(reason))?;
        Ok(self)
    }

    /// Returns a splitter of texts, for many texts on one thread.
    pub(crate) fn tokenizer(&self) -> Tokenizer {
        let stopwords = self.0.stopwords.as_ref();
        Tokenizer {
            stopwords: stopwords
                .map(|words| words.iter().map(|word| word.to_lowercase()).collect()),
            max_length: self.0.token_max_length,
            stemmer: Stemmer::create(Algorithm::English),
        }
    }

    /// Returns the value of a term that occurs `count` times in a text of `length` words.
    pub(crate) fn value(&self, count: u32, length: u32) -> f64 {
        let Settings {
            k,
            b,
            avg_doc_length,
            ..
        } = self.0;
        let count = f64::from(count);
        // In the order of Python's operations, so that the last bit is the same.
        let length = b * f64::from(length) / avg_doc_length;
        count * (k + 1.0) / (count + k * (1.0 - b + length))
    }

    /// Returns the numbers of the stems of a text, and their values.
    fn weights(&self, terms: &Terms) -> Vec<(u32, f64)> {
        let value = |(term, count): &(u32, u32)| (*term, self.value(*count, terms.length));
        terms.counts.iter().map(value).collect()
    }
}

/// The terms of a text: stems, each with its number.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The number of each stem, and how often it occurs. In the order of the numbers.
    pub(crate) counts: Vec<(u32, u32)>,
    /// The number of words, without those that are ignored.
    pub(crate) length: u32,
}

impl Settings {
    /// Refuses numbers that make negative values, or none.
    fn check(&self) -> std::result::Result<(), InvalidInput> {
        let bad = |name, value: f64, why| Err(InvalidInput::setting(name, value.to_string(), why));
        if !(self.k.is_finite() && self.k >= 0.0) {
            return bad("k", self.k, "it must be 0 or more");
        }
        if !(0.0..=1.0).contains(&self.b) {
            return bad("b", self.b, "it must be from 0 to 1");
        }
        if !(self.avg_doc_length.is_finite() && self.avg_doc_length > 0.0) {
            return bad(
                "avg_doc_length",
                self.avg_doc_length,
                "it must be greater than zero",
            );
        }
        Ok(())
    }
}

/// Cuts texts into the stems of words.
pub(crate) struct Tokenizer {
    /// `None`: the 179 English ones.
    stopwords: Option<HashSet<String>>,
    max_length: usize,
    stemmer: Stemmer,
}

impl Tokenizer {
    /// Returns the terms of a text.
    pub(crate) fn terms(&self, text: &str) -> Terms {
        let tokens = self.tokens(text);
        // As a signed number without its sign, as in Python.
        let term = |token: &String| (murmur3(token.as_bytes()) as i32).unsigned_abs();
        let mut terms: Vec<u32> = tokens.iter().map(term).collect();
        terms.sort_unstable();
        let counts = terms.chunk_by(|a, b| a == b);
        Terms {
            counts: counts.map(|same| (same[0], same.len() as u32)).collect(),
            length: tokens.len() as u32,
        }
    }

    /// Returns the stems of the words of a text, in order, without those that are ignored.
    fn tokens(&self, text: &str) -> Vec<String> {
        let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
        words
            .map(str::to_lowercase)
            .filter(|word| !self.is_stop_word(word))
            .filter(|word| word.chars().count() <= self.max_length)
            .map(|word| self.stemmer.stem(&word).into_owned())
            .filter(|stem| !stem.is_empty())
            .collect()
    }

    fn is_stop_word(&self, word: &str) -> bool {
        match &self.stopwords {
            Some(words) => words.contains(word),
            None => is_stop_word(word),
        }
    }
}

impl SparseEmbeddingFunction for Bm25 {
    fn name(&self) -> &str {
        NAME
    }

    fn embed_documents(
        &self,
        documents: &[&str],
    ) -> std::result::Result<Vec<SparseVector>, EmbeddingError> {
        let tokenizer = self.tokenizer();
        let vector = |text: &&str| {
            let weights = self.weights(&tokenizer.terms(text));
            let (indices, values): (Vec<u32>, Vec<f64>) = weights.into_iter().unzip();
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            SparseVector::new(indices, values)
        };
        Ok(documents.iter().map(vector).collect())
    }

    fn config(&self) -> Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing;

    fn golden() -> Option<Value> {
        let own = || Some(fuzzing::data()?.join("functions/bm25.json"));
        let path = std::env::var_os("GOLDEN_BM25").map_or_else(own, |path| Some(path.into()))?;
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn check(bm25: &Bm25, example: &Value) {
        let text = example["text"].as_str().unwrap();
        let tokens = bm25.tokenizer().tokens(text);
        if let Some(expected) = example["tokens"].as_array() {
            let expected: Vec<_> = expected.iter().map(|t| t.as_str().unwrap()).collect();
            assert_eq!(tokens, expected, "{text}");
        }
        let weights = bm25.weights(&bm25.tokenizer().terms(text));
        let (indices, values): (Vec<u32>, Vec<f64>) = weights.into_iter().unzip();
        assert_eq!(serde_json::json!(indices), example["indices"], "{text}");
        let expected = example["values"].as_array().unwrap().iter();
        let expected: Vec<f64> = expected.map(|value| value.as_f64().unwrap()).collect();
        assert_eq!(values, expected, "{text}");
    }

    /// Made by Chroma's Python client 1.5.9. `GOLDEN_BM25` names another file of the same form, which may
    /// have only `examples`. `tests/functions/bm25.rs` compares the vectors.
    #[test]
    fn golden_numbers_equal_those_of_the_python_client_to_the_last_bit() {
        let Some(golden) = golden() else { return };
        let lists = ["examples", "with_options"].map(|name| golden[name].as_array());
        let all: Vec<&Value> = lists.into_iter().flatten().flatten().collect();
        for example in &all {
            check(
                &Bm25::from_config(&example["stored_config"]).unwrap(),
                example,
            );
        }
        println!("compared {0} of {0} texts, to the last bit", all.len());
    }

    #[test]
    fn golden_stop_words_and_hashes_equal_those_of_the_python_client() {
        let Some(golden) = golden() else { return };
        for word in golden["stopwords"].as_array().into_iter().flatten() {
            assert!(is_stop_word(word.as_str().unwrap()), "{word}");
        }
        for (text, hash) in golden["hashes"].as_object().into_iter().flatten() {
            let found = murmur3(text.as_bytes()) as i32;
            assert_eq!(hash["murmur3_32_signed"], found, "{text}");
        }
    }

    /// `b * n / avg` and `b * (n / avg)` differ in the last bit here.
    #[test]
    fn golden_values_do_not_depend_on_the_order_of_operations() {
        let bm25 = Bm25::default().k(1.7).unwrap();
        let bm25 = bm25.b(0.75).unwrap().avg_doc_length(3.3).unwrap();
        check(
            &bm25,
            &serde_json::json!({
                "text": "rust rust crates cargo memory",
                "indices": [326552902, 606766026, 782361826, 1903244910],
                "values": [1.2394366197183098, 0.8043331076506433, 0.8043331076506433, 0.8043331076506433],
            }),
        );
    }

    #[test]
    fn settings_that_make_no_vectors_are_refused() {
        for (k, b, words, named) in [
            (f64::NAN, 0.5, 9.0, "k is \"NaN\""),
            (f64::INFINITY, 0.5, 9.0, "k is \"inf\""),
            (-0.1, 0.5, 9.0, "k is \"-0.1\""),
            (0.0, 1.5, 9.0, "b is \"1.5\""),
            (0.0, f64::NAN, 9.0, "b is \"NaN\""),
            (0.0, 0.0, 0.0, "avg_doc_length is \"0\""),
            (0.0, 1.0, f64::NAN, "avg_doc_length is \"NaN\""),
        ] {
            let bm25 = Bm25::default().k(k).and_then(|bm25| bm25.b(b));
            let error = bm25.and_then(|bm25| bm25.avg_doc_length(words));
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(&format!("bm25: {named}: ")), "{error}");
        }
        let stored = serde_json::json!({ "b": 1.5 });
        let error = Bm25::from_config(&stored).unwrap_err();
        assert!(error.starts_with("b is \"1.5\""), "{error}");
    }
}
