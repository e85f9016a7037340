//! [`AddedTokens`]: tokens such as `[SEP]`, which are sought in a text before it is split into words.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::words::Ids;
use crate::printable::short;

/// A token as `tokenizer.json` describes it.
#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: i64,
    pub(super) content: String,
    pub(super) single_word: bool,
    /// Whether it is sought in the normalized text.
    pub(super) normalized: bool,
    // `lstrip` and `rstrip` change no ids: they only make spaces part of the token.
}

/// Returns the tokens with the ids that `tokenizers` gives them.
///
/// # Errors
/// Says which token has another id or is not supported.
pub(super) fn with_ids(
    tokens: Vec<AddedToken>,
    vocabulary: &HashMap<String, i32>,
) -> Result<Vec<(AddedToken, i32)>, String> {
    // `tokenizers` counts from the number of tokens, not from the largest id.
    let mut next = vocabulary.len() as i32;
    let tokens = tokens.into_iter().filter(|token| !token.content.is_empty());
    let with_id = |token: AddedToken| {
        let content = short(&token.content);
        if token.single_word {
            return Err(format!(
                "its added token {content:?} has \"single_word\": true, which is not supported"
            ));
        }
        let id = vocabulary.get(&token.content).copied().unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        if token.id != i64::from(id) {
            return Err(format!(
                "its added token {content:?} has the id {}, where its vocabulary has {id}",
                token.id
            ));
        }
        Ok((token, id))
    };
    tokens.map(with_id).collect()
}

/// Tokens by their first character, the longest first.
pub(super) struct AddedTokens(BTreeMap<char, Vec<(String, i32)>>);

impl AddedTokens {
    /// # Errors
    /// Says which token is empty or there twice.
    pub(super) fn of(tokens: impl Iterator<Item = (String, i32)>) -> Result<AddedTokens, String> {
        let mut of_first: BTreeMap<char, Vec<(String, i32)>> = BTreeMap::new();
        for (token, id) in tokens {
            let Some(first) = token.chars().next() else {
                return Err(format!(
                    "nothing is left of its added token {id} when it is normalized"
                ));
            };
            let same = of_first.entry(first).or_default();
            if same.iter().any(|(other, _)| *other == token) {
                return Err(format!(
                    "its added token {:?} is there twice",
                    short(&token)
                ));
            }
            same.push((token, id));
        }
        for tokens in of_first.values_mut() {
            tokens.sort_by_key(|(token, _)| std::cmp::Reverse(token.len()));
        }
        Ok(AddedTokens(of_first))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the ids of all these tokens in a text. Passes what is between them to `between`. Ends when there are
    /// enough ids.
    pub(super) fn split(
        &self,
        text: &str,
        ids: &mut Ids,
        mut between: impl FnMut(&mut dyn Iterator<Item = char>, &mut Ids),
    ) {
        let mut rest = text;
        loop {
            let mut found = None;
            let mut until_found = rest.char_indices().map_while(|(at, first)| {
                found = self.at(first, &rest[at..]).map(|(token, id)| {
                    let end = at + token.len();
                    (end, *id)
                });
                found.is_none().then_some(first)
            });
            between(&mut until_found.by_ref().fuse(), ids);
            let Some((end, id)) = found else { return };
            ids.push(id);
            if ids.is_full() {
                return;
            }
            rest = &rest[end..];
        }
    }

    /// Returns the longest token that a text begins with.
    fn at(&self, first: char, text: &str) -> Option<&(String, i32)> {
        let mut tokens = self.0.get(&first)?.iter();
        tokens.find(|(token, _)| text.starts_with(&**token))
    }
}
