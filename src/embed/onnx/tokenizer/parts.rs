//! [`Parts`]: the contents of a tokenizer's files.

use std::collections::HashMap;

use super::added::AddedToken;
use super::normalizer::Normalizer;

/// The contents of a tokenizer's files, in either format.
pub(super) struct Parts {
    pub(super) normalizer: Normalizer,
    pub(super) added: Vec<AddedToken>,
    pub(super) vocabulary: HashMap<String, i32>,
    pub(super) unknown: String,
    /// The mark of a token that continues a word, such as `##`.
    pub(super) prefix: String,
    /// The most characters of a word. A longer word is unknown.
    pub(super) longest_word: usize,
    /// The ids before and after the tokens of a text.
    pub(super) ends: [i32; 2],
    pub(super) max_tokens: Option<f64>,
}
