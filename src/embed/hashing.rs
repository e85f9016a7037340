//! [`Hashing`]: vectors from words and letters, without a model, a key or a network.

use super::{EmbeddingError, EmbeddingFunction};
use crate::error::{Call, InvalidInput, Result};
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// An offline embedding function: words, and runs of letters within them, hashed with a sign into 768 floats of unit
/// length.
///
/// It is *lexical, not semantic*: texts are near when they share words or parts of words ("galaxy" and "galaxies"),
/// and it knows nothing of meaning ("car" and "automobile" are strangers). Good for trying things out, for tests, and
/// for search by wording; use a model such as [`Gemini`](crate::Gemini) to search by meaning.
///
/// The same text has the same vector on every platform and in every version of this crate: it needs only sums,
/// products and square roots, which IEEE 754 defines to the last bit, in a fixed order.
///
/// The method is feature hashing: K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009).
///
/// ```
/// use chroma_blocking::{EmbeddingFunction, Hashing};
///
/// let vectors = Hashing::default().embed_documents(&["a spiral galaxy", "spiral galaxies", "bread dough"])?;
/// let near = |a: usize, b: usize| -> f32 {
///     vectors.row(a).unwrap().iter().zip(vectors.row(b).unwrap()).map(|(a, b)| a * b).sum()
/// };
/// assert!(near(0, 1) > 0.5);
/// assert!(near(0, 2) < 0.2);
/// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashing {
    dimension: usize,
}

/// Runs of letters of these lengths are features of their own.
const GRAMS: std::ops::RangeInclusive<usize> = 3..=5;
/// The length of a word's runs of letters together as a vector, beside the word itself, which weighs 1.
const GRAMS_WEIGHT: f32 = 1.0;
/// Words of fewer letters weigh less: they are mostly "the", "of" and their kin, in many languages.
const FULL_WEIGHT_LETTERS: usize = 6;

impl Default for Hashing {
    fn default() -> Hashing {
        Hashing { dimension: 768 }
    }
}

impl Hashing {
    /// With another dimension than 768: fewer floats mix up more words.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] when it is not from 1 to 65,536.
    pub fn with_dimension(dimension: usize) -> Result<Hashing> {
        if !(1..=65_536).contains(&dimension) {
            let reason = InvalidInput::Setting {
                name: "dimension",
                value: dimension.to_string(),
                why: "it must be from 1 to 65536".to_owned(),
            };
            return Err(Call::new("hashing", None).invalid(reason));
        }
        Ok(Hashing { dimension })
    }

    /// As a collection remembers it.
    pub(super) fn remembered(config: &serde_json::Value) -> Result<Hashing, String> {
        let dimension = &config["dimension"];
        let Some(floats) = dimension.as_u64().and_then(|floats| floats.try_into().ok()) else {
            return Err(format!("its dimension is {dimension}"));
        };
        Hashing::with_dimension(floats).map_err(|error| error.to_string())
    }

    fn embed(&self, text: &str, vector: &mut [f32]) {
        let mut features = Vec::new();
        let lower = text.to_lowercase();
        for word in lower.split(|c: char| !c.is_alphanumeric()) {
            collect(word, &mut features);
        }
        // Sorted, so that the sums do not depend on the order of the words, and equal features stand together.
        features.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for same in features.chunk_by(|a, b| a.0 == b.0) {
            let (hash, weight) = same[0];
            // The tenth occurrence says less than the first one.
            let weight = weight * (same.len() as f32).sqrt();
            let place = (hash >> 1) % self.dimension as u64;
            vector[place as usize] += if hash & 1 == 0 { weight } else { -weight };
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x /= length);
        } else {
            // A text without a word still needs a direction: one place of its own.
            vector[0] = 1.0;
        }
    }
}

/// The features of a word, with their weights: the word, and its runs of letters with the word's ends marked.
fn collect(word: &str, features: &mut Vec<(u64, f32)>) {
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
    let runs = || GRAMS.flat_map(|n| ends.windows(n + 1).map(move |w| w[0]..w[n]));
    let each = GRAMS_WEIGHT * weight / (runs().count().max(1) as f32).sqrt();
    features.extend(runs().map(|run| (hash(b'g', &marked[run]), each)));
}

/// FNV-1a (Fowler, Noll, Vo) with the finalizer of MurmurHash3, which spreads it to all bits.
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
        "chroma_blocking_hashing"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        let mut floats = vec![0.0; documents.len() * self.dimension];
        for (text, vector) in documents
            .iter()
            .zip(floats.chunks_exact_mut(self.dimension))
        {
            self.embed(text, vector);
        }
        Ok(Embeddings::new(floats, self.dimension)?)
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
        Hashing::default()
            .embed_documents(&[text])
            .unwrap()
            .into_flat()
    }

    fn near(a: &str, b: &str) -> f32 {
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
    fn wording_counts_and_case_and_order_do_not() {
        assert_eq!(embed("Spiral Galaxy"), embed("galaxy, spiral!"));
        assert!(near("telescope", "telescopes") > 0.3);
        assert!(near("telescope", "bread dough").abs() < 0.15);
        assert!(near("the telescope of Galileo", "Galileo's telescope") > 0.7);
    }

    /// These bits are a promise: vectors that users have stored must stay comparable with new ones.
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
        assert_eq!(small.embed_documents(&["a", "b"]).unwrap().dimension(), 16);
        for bad in [0, 65_537, usize::MAX] {
            assert!(Hashing::with_dimension(bad).is_err());
        }
    }
}
