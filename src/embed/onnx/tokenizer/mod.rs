//! [`Tokenizer`]: the numbers of a text's tokens, as BERT's tokenizer in the library `tokenizers` makes them.

mod files;
mod normalizer;
#[cfg(all(feature = "functions", any(test, fuzzing)))]
mod parsers;
#[cfg(test)]
mod tests;
mod trie;

use std::collections::HashMap;
use std::path::Path;

use files::{
    Contents, SentenceConfig, TokenizerConfig, ends, from_json, from_vocabulary, id_of, read,
    read_config, sane_length,
};
use normalizer::{Normalizer, is_punctuation};
#[cfg(all(feature = "functions", any(test, fuzzing)))]
pub(in crate::embed) use parsers::PARSERS;
use trie::Trie;

use crate::printable::short;

/// The least length of the parts in which a text is read, in bytes.
const PART: usize = 100;

/// Splits texts into the tokens of a model.
pub(super) struct Tokenizer {
    /// Whether a text is put into lower case before all else.
    lowercases: bool,
    /// Tokens such as `[SEP]`, which are sought in the text as it is.
    added: Trie,
    normalizer: Normalizer,
    /// Tokens that are sought in the normalized text.
    added_normalized: Trie,
    vocabulary: Trie,
    /// The node of the tokens that continue a word.
    continuing: usize,
    /// The most characters of a word. A longer word is unknown.
    longest_word: usize,
    unknown: i32,
    /// The ids before and after the tokens of a text.
    ends: [i32; 2],
    max_tokens: Option<usize>,
    max_id: i32,
}

/// The ids of a text's tokens so far.
struct Ids {
    ids: Vec<i32>,
    most: usize,
}

impl Ids {
    fn are_enough(&self) -> bool {
        self.ids.len() >= self.most
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a folder, or else `vocab.txt` with `tokenizer_config.json`.
    ///
    /// # Errors
    /// Says which file cannot be read or has what is not supported, and why.
    pub(super) fn open(folder: &Path) -> Result<Tokenizer, String> {
        let config: TokenizerConfig = read_config(folder, "tokenizer_config.json")?;
        let sentences: SentenceConfig = read_config(folder, "sentence_bert_config.json")?;
        // The order of sentence-transformers. `truncation` of tokenizer.json comes last, as there: that of
        // all-MiniLM-L6-v2 is 128, where sentence-transformers cuts at 256.
        let lengths = [sentences.max_seq_length, config.model_max_length];
        let max_tokens = lengths.into_iter().find_map(sane_length);
        let (name, contents) = if let Some(file) = read(folder, "tokenizer.json")? {
            ("tokenizer.json", from_json(&file))
        } else if let Some(file) = read(folder, "vocab.txt")? {
            ("vocab.txt", from_vocabulary(&file, &config))
        } else {
            return Err("it has neither tokenizer.json nor vocab.txt".to_owned());
        };
        let tokenizer = contents.and_then(Tokenizer::of);
        let mut tokenizer = tokenizer.map_err(|why| format!("its file {name}: {why}"))?;
        tokenizer.lowercases = sentences.do_lower_case;
        tokenizer.max_tokens = max_tokens.or(tokenizer.max_tokens);
        Ok(tokenizer)
    }

    fn of(contents: Contents) -> Result<Tokenizer, String> {
        let ends = ends(&contents.post_processor)?;
        let (normalizer, model) = (contents.normalizer, contents.model);
        let (mut added, mut added_normalized) = (Trie::new(), Trie::new());
        let mut ids: Vec<i32> = model.vocab.values().copied().chain(ends).collect();
        // `tokenizers` counts from the number of tokens, not from the largest id.
        let mut new_id = model.vocab.len() as i32;
        let mut seen = HashMap::new();
        for token in &contents.added_tokens {
            let id = model.vocab.get(&token.content).copied().unwrap_or_else(|| {
                new_id += 1;
                new_id - 1
            });
            ids.push(id);
            let (text, tokens) = if token.normalized {
                (normalizer.normalize(&token.content), &mut added_normalized)
            } else {
                (token.content.clone(), &mut added)
            };
            let other = seen.insert(&token.content, token.normalized);
            if token.single_word
                || text.is_empty()
                || other.is_some_and(|normalized| normalized != token.normalized)
                || tokens.insert(&text, id).is_some_and(|other| other != id)
            {
                return Err(format!(
                    "its added token {:?} is not supported: \"single_word\" is true, or nothing is left of it when it \
                     is normalized, or it equals another one then",
                    short(&token.content)
                ));
            }
        }
        if let Some(id) = ids.iter().find(|id| **id < 0) {
            return Err(format!("its vocabulary has the id {id}, which is below 0"));
        }
        let mut vocabulary = Trie::new();
        for (token, id) in &model.vocab {
            vocabulary.insert(token, *id);
        }
        Ok(Tokenizer {
            lowercases: false,
            added,
            normalizer,
            added_normalized,
            continuing: vocabulary.node(&model.continuing_subword_prefix),
            vocabulary,
            longest_word: model.max_input_chars_per_word,
            unknown: id_of(&model.unk_token, &model.vocab)?,
            ends,
            max_tokens: sane_length(contents.truncation.map(|cut| cut.max_length)),
            max_id: ids.into_iter().max().unwrap_or(0),
        })
    }

    /// Returns the ids of a text's tokens, with those of `[CLS]` and `[SEP]`: at most `max` of them, which must
    /// be 2 or more. Reads no more of the text than that takes.
    pub(super) fn encode(&self, text: &str, max: usize) -> Vec<i32> {
        let lower = self.lowercases.then(|| text.to_lowercase());
        let [first, last] = self.ends;
        let mut ids = Ids {
            ids: vec![first],
            most: max.saturating_sub(1).max(1),
        };
        self.push(lower.as_deref().unwrap_or(text), false, &mut ids);
        ids.ids.truncate(ids.most);
        ids.ids.push(last);
        ids.ids
    }

    /// Returns the most tokens of a text, if the files tell it: `max_seq_length` of `sentence_bert_config.json`,
    /// or else `model_max_length` of `tokenizer_config.json`, or else `truncation` of `tokenizer.json`.
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    /// Returns the largest id that [`encode`](Tokenizer::encode) may return.
    pub(super) fn max_id(&self) -> i32 {
        self.max_id
    }

    /// Adds the added tokens of a text, and the tokens of what is between them.
    fn push(&self, text: &str, is_normalized: bool, ids: &mut Ids) {
        let added = if is_normalized {
            &self.added_normalized
        } else {
            &self.added
        };
        // An added token that is sought in the normalized text may have several words.
        let by_parts = is_normalized || self.added_normalized.is_empty();
        let (mut start, mut at) = (0, 0);
        while at < text.len() && !ids.are_enough() {
            if let Some((length, id)) = added.longest(Trie::ROOT, &text[at..]) {
                self.push_between(&text[start..at], is_normalized, ids);
                ids.ids.push(id);
                at += length;
                start = at;
            } else if let Some(c) = text[at..].chars().next() {
                at += c.len_utf8();
                if by_parts && at - start >= PART && self.normalizer.ends_word(c) {
                    self.push_between(&text[start..at], is_normalized, ids);
                    start = at;
                }
            }
        }
        self.push_between(&text[start..at], is_normalized, ids);
    }

    fn push_between(&self, text: &str, is_normalized: bool, ids: &mut Ids) {
        if is_normalized {
            self.push_words(text, ids);
        } else if self.added_normalized.is_empty() {
            self.push_words(&self.normalizer.normalize(text), ids);
        } else {
            self.push(&self.normalizer.normalize(text), true, ids);
        }
    }

    /// Adds the tokens of a normalized text's words. A punctuation mark is a word.
    fn push_words(&self, text: &str, ids: &mut Ids) {
        let mut start = 0;
        for (at, c) in text.char_indices() {
            let is_word = is_punctuation(c);
            if is_word || c.is_whitespace() {
                let end = at + c.len_utf8();
                self.push_word(&text[start..at], &mut ids.ids);
                if is_word {
                    self.push_word(&text[at..end], &mut ids.ids);
                }
                if ids.are_enough() {
                    return;
                }
                start = end;
            }
        }
        self.push_word(&text[start..], &mut ids.ids);
    }

    /// Adds the longest token that a word begins with, then the longest that the rest begins with, and so on. If a
    /// part has no token, the whole word is unknown.
    fn push_word(&self, word: &str, ids: &mut Vec<i32>) {
        let before = ids.len();
        let is_long = word.chars().nth(self.longest_word).is_some();
        let (mut rest, mut node) = (word, Trie::ROOT);
        while !rest.is_empty() {
            let found = self.vocabulary.longest(node, rest);
            let Some((length, id)) = found.filter(|_| !is_long) else {
                ids.truncate(before);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[length..];
            node = self.continuing;
        }
    }
}
