//! [`Parts`]: what the files of a tokenizer say.

use std::collections::HashMap;

use super::added::AddedToken;
use super::normalizer::Normalizer;

/// What the files of a tokenizer say.
pub(super) struct Parts {
    pub(super) normalizer: Normalizer,
    pub(super) added: Vec<AddedToken>,
    pub(super) vocabulary: HashMap<String, i32>,
    pub(super) unknown: String,
    /// What a token begins with that continues a word.
    pub(super) prefix: String,
    /// Longer words are unknown.
    pub(super) longest_word: usize,
    /// The ids before and after the tokens of a text.
    pub(super) ends: [i32; 2],
    pub(super) max_tokens: Option<f64>,
}
