//! Reads `vocab.txt`.

use std::collections::HashMap;

use super::added::AddedToken;
use super::config::TokenizerConfig;
use super::parts::Parts;
use super::words::lacks;

pub(super) const NAME: &str = "vocab.txt";

/// The most characters of a word in BERT.
const LONGEST_WORD: usize = 100;

/// Reads `vocab.txt`: a token on each line.
///
/// # Errors
/// Says that it is not UTF-8, or which token is missing.
pub(super) fn parts(text: &[u8], config: &TokenizerConfig) -> Result<Parts, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let mut vocabulary = HashMap::new();
    for (id, token) in (0..).zip(text.lines()) {
        vocabulary.insert(token.trim_end().to_owned(), id);
    }
    let [cls, sep, unknown, pad, mask] = config.special_tokens();
    let end = |token| vocabulary.get(token).copied().ok_or_else(|| lacks(token));
    let ends = [end(cls)?, end(sep)?];
    let special = [cls, sep, unknown, pad, mask].into_iter();
    let added = special.filter_map(|token| {
        Some(AddedToken {
            id: i64::from(*vocabulary.get(token)?),
            content: token.to_owned(),
            single_word: false,
            normalized: false,
        })
    });
    Ok(Parts {
        normalizer: config.normalizer(),
        added: added.collect(),
        ends,
        unknown: unknown.to_owned(),
        vocabulary,
        prefix: "##".to_owned(),
        longest_word: LONGEST_WORD,
        max_tokens: None,
    })
}
