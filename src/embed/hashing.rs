//! [`Hashing`]: vectors from words and letters, without a model, a key or a network.

#[cfg(feature = "gemini")]
use std::sync::OnceLock;

#[cfg(feature = "gemini")]
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use super::error::EmbeddingError;
use super::function::EmbeddingFunction;
use crate::error::{Call, InvalidInput, Result};
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// An offline embedding function: hashes words, and letter n-grams within them, into vectors of 768 floats
/// and unit length.
///
/// It is *lexical, not semantic*: texts are near each other if they share words or parts of words ("galaxy"
/// and "galaxies"). It does not know meanings ("car" and "automobile" are unrelated). Use it for first steps,
/// for tests, and for search by wording. To search by meaning, use a model such as `Gemini` (feature
/// `gemini`).
///
/// The same text has the same vector on every platform and in every version of this crate. The method needs
/// only sums, products and square roots, which IEEE 754 defines to the last bit, in a fixed order.
///
/// The method is feature hashing: K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning"
/// (2009).
///
/// With the feature `gemini`, calls of 256 or more texts use all cores, through a `rayon` thread pool.
///
/// ```
/// use chroma_blocking::Hashing;
///
/// let texts = ["a spiral galaxy", "spiral galaxies", "bread dough"];
/// let vectors = Hashing::default().embed(texts);
/// let similarity = |a: usize, b: usize| -> f32 {
///     let pairs = vectors.row(a).unwrap().iter().zip(vectors.row(b).unwrap());
///     pairs.map(|(a, b)| a * b).sum()
/// };
/// assert!(similarity(0, 1) > 0.5);
/// assert!(similarity(0, 2) < 0.2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashing {
    dimension: usize,
}

/// The name of the function in a collection's configuration.
pub(super) const NAME: &str = "chroma_blocking_hashing";
/// The lengths of the letter n-grams.
const GRAMS: std::ops::RangeInclusive<usize> = 3..=5;
/// The length of the vector of all n-grams of a word, compared with that of the word itself, which is 1.
const GRAMS_WEIGHT: f32 = 1.0;
/// Words of fewer letters weigh less. In many languages most of them are words such as "the" and "of".
const FULL_WEIGHT_LETTERS: usize = 6;
/// The largest dimension.
const MAX_DIMENSION: usize = 65_536;
/// Calls with fewer texts stay on the caller's thread. With two idle cores, 128 texts of 100 bytes take 2 ms
/// either way, and 256 texts take 4 ms instead of 8 ms.
#[cfg(feature = "gemini")]
const MIN_PARALLEL_TEXTS: usize = 256;

/// Returns the threads for a call of this many texts; `None` if it stays on the caller's thread. All calls
/// share them. `rayon`'s global pool would panic where the system cannot start threads.
#[cfg(feature = "gemini")]
fn pool_for(texts: usize) -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    if texts < MIN_PARALLEL_TEXTS {
        return None;
    }
    POOL.get_or_init(|| ThreadPoolBuilder::new().build().ok())
        .as_ref()
}

impl Default for Hashing {
    /// Vectors of 768 floats.
    fn default() -> Hashing {
        Hashing { dimension: 768 }
    }
}

impl Hashing {
    /// Returns a function with another dimension than 768. With a smaller dimension, more words share an
    /// index.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the dimension is not from 1 to 65,536.
    pub fn with_dimension(dimension: usize) -> Result<Hashing> {
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            let why = format!("it must be from 1 to {MAX_DIMENSION}");
            let reason = InvalidInput::setting("dimension", dimension.to_string(), why);
            return Err(Call::new("hashing", None).invalid(reason));
        }
        Ok(Hashing { dimension })
    }

    /// Embeds texts: one vector for each, in the order of the texts. Documents and queries have the same
    /// vectors.
    ///
    /// ```
    /// use chroma_blocking::Hashing;
    ///
    /// let vectors = Hashing::default().embed(["a galaxy", "bread"]);
    /// assert_eq!((vectors.len(), vectors.dimension()), (2, 768));
    /// ```
    pub fn embed<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Embeddings {
        let texts: Vec<T> = texts.into_iter().collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.embed_all(&texts)
    }

    /// Embeds the text of a query. The vector is the same as that of a document with this text.
    pub fn embed_query(&self, query: &str) -> Vec<f32> {
        self.embed([query]).into_flat()
    }

    /// Makes the function that a collection's configuration describes.
    ///
    /// # Errors
    /// The reason, if the configuration is not valid.
    pub(super) fn from_config(config: &serde_json::Value) -> Result<Hashing, String> {
        let dimension = &config["dimension"];
        let Some(floats) = dimension.as_u64().and_then(|floats| floats.try_into().ok()) else {
            let shown = if dimension.is_number() {
                dimension.to_string()
            } else {
                "not a number".to_owned()
            };
            return Err(format!("its dimension is {shown}"));
        };
        Hashing::with_dimension(floats).map_err(|error| error.to_string())
    }

    fn embed_all(&self, texts: &[&str]) -> Embeddings {
        let mut floats = vec![0.0; texts.len() * self.dimension];
        #[cfg(feature = "gemini")]
        if let Some(pool) = pool_for(texts.len()) {
            pool.install(|| {
                texts
                    .par_iter()
                    .zip(floats.par_chunks_exact_mut(self.dimension))
                    .for_each(|(text, vector)| self.embed_into(text, vector));
            });
            return Embeddings::of_whole_rows(floats, self.dimension);
        }
        for (text, vector) in texts.iter().zip(floats.chunks_exact_mut(self.dimension)) {
            self.embed_into(text, vector);
        }
        Embeddings::of_whole_rows(floats, self.dimension)
    }

    /// Writes the vector of a text into `vector`, which is all zeros.
    fn embed_into(&self, text: &str, vector: &mut [f32]) {
        let mut features = Vec::new();
        let lower = text.to_lowercase();
        for word in lower.split(|c: char| !c.is_alphanumeric()) {
            collect_features(word, &mut features);
        }
        // Sorted, so that the sums do not depend on the order of the words, and equal features are adjacent.
        features.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for same in features.chunk_by(|a, b| a.0 == b.0) {
            let (hash, weight) = same[0];
            // The tenth occurrence of a word says less than the first one.
            let weight = weight * (same.len() as f32).sqrt();
            let place = (hash >> 1) % self.dimension as u64;
            vector[place as usize] += if hash & 1 == 0 { weight } else { -weight };
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            for x in vector {
                *x /= length;
            }
        } else {
            // A text without a word still needs a direction. All such texts share this one.
            vector[0] = 1.0;
        }
    }
}

/// Adds the features of a word and their weights: the word, and its letter n-grams. The ends of the word are
/// marked.
fn collect_features(word: &str, features: &mut Vec<(u64, f32)>) {
    let letters = word.chars().count();
    if letters == 0 {
        return;
    }
    let share = letters.min(FULL_WEIGHT_LETTERS) as f32 / FULL_WEIGHT_LETTERS as f32;
    let weight = share * share;
    features.push((hash(b'w', word), weight));

    let marked = format!("<{word}>");
    let ends: Vec<usize> = marked
        .char_indices()
        .map(|(at, _)| at)
        .chain([marked.len()])
        .collect();
    let n_grams = || GRAMS.flat_map(|n| ends.windows(n + 1).map(move |w| w[0]..w[n]));
    let each = GRAMS_WEIGHT * weight / (n_grams().count().max(1) as f32).sqrt();
    features.extend(n_grams().map(|n_gram| (hash(b'g', &marked[n_gram]), each)));
}

/// Returns the FNV-1a hash (Fowler, Noll, Vo), mixed by the finalizer of `MurmurHash3` so that all bits depend
/// on the text.
fn hash(kind: u8, text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(kind).chain(text.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl EmbeddingFunction for Hashing {
    fn name(&self) -> &str {
        NAME
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(self.embed_all(documents))
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.dimension)
    }

    fn default_space(&self) -> Space {
        Space::Cosine
    }

    fn config(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({ "dimension": self.dimension }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed(text: &str) -> Vec<f32> {
        Hashing::default().embed_query(text)
    }

    fn similarity(a: &str, b: &str) -> f32 {
        embed(a).iter().zip(embed(b)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn every_text_has_unit_length() {
        let long = "word ".repeat(100_000);
        for text in [
            "",
            " .,;",
            "a",
            "Dvořák wrote it",
            "日本語のテキスト",
            "\u{0}\u{301}",
            &long,
        ] {
            let vector = embed(text);
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-4, "{text:.20}: {length}");
        }
    }

    #[test]
    fn wording_matters_case_and_order_do_not() {
        assert_eq!(embed("Spiral Galaxy"), embed("galaxy, spiral!"));
        assert!(similarity("telescope", "telescopes") > 0.3);
        assert!(similarity("telescope", "bread dough").abs() < 0.15);
        assert!(similarity("the telescope of Galileo", "Galileo's telescope") > 0.7);
    }

    /// Stored vectors must stay comparable with new ones, so these bits must never change.
    #[test]
    fn vectors_never_change() {
        let vector = embed("Rust has no garbage collector");
        let sum = vector
            .iter()
            .flat_map(|x| x.to_bits().to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        assert_eq!(sum, 14_974_156_207_922_751_551);
    }

    #[test]
    fn the_dimension_can_be_chosen() {
        let small = Hashing::with_dimension(16).unwrap();
        assert_eq!(small.embed(["a", "b"]).dimension(), 16);
        for bad in [0, 65_537, usize::MAX] {
            assert!(Hashing::with_dimension(bad).is_err());
        }
    }

    #[test]
    fn many_texts_at_once_give_the_same_vectors_in_order() {
        let texts: Vec<String> = (0..1000).map(|i| format!("text {i} of many")).collect();
        let vectors = Hashing::default().embed(&texts);
        assert_eq!(vectors.len(), texts.len());
        for (text, vector) in texts.iter().zip(vectors.rows()) {
            assert_eq!(vector, embed(text), "{text}");
        }
    }
}
