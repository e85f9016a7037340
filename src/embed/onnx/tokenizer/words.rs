//! [`WordPiece`]: the tokens of words.

use std::collections::HashMap;

use unicode_categories::UnicodeCategories;

use crate::printable::short;

/// The ids of a text's tokens so far.
pub(super) struct Ids {
    ids: Vec<i32>,
    most: usize,
}

impl Ids {
    pub(super) fn up_to(most: usize) -> Ids {
        Ids {
            ids: Vec::new(),
            most,
        }
    }

    pub(super) fn push(&mut self, id: i32) {
        if !self.is_full() {
            self.ids.push(id);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.ids.len() >= self.most
    }

    pub(super) fn into_vec(self) -> Vec<i32> {
        self.ids
    }
}

/// A vocabulary of words and parts of words.
pub(super) struct WordPiece {
    /// The tokens that a word may begin with.
    starts: HashMap<String, i32>,
    /// The tokens that may follow in a word, without the prefix that marks them.
    rests: HashMap<String, i32>,
    /// The length of the longest token, in bytes.
    longest_token: usize,
    /// The most characters of a word.
    longest_word: usize,
    unknown: i32,
}

impl WordPiece {
    /// # Errors
    /// Says that the vocabulary lacks the token for unknown words.
    pub(super) fn of(
        vocabulary: HashMap<String, i32>,
        unknown: &str,
        prefix: &str,
        longest_word: usize,
    ) -> Result<WordPiece, String> {
        let Some(id) = vocabulary.get(unknown).copied() else {
            return Err(lacks(unknown));
        };
        let rests = vocabulary.iter().filter_map(|(token, id)| {
            let rest = token.strip_prefix(prefix)?;
            Some((rest.to_owned(), *id))
        });
        Ok(WordPiece {
            rests: rests.collect(),
            longest_token: vocabulary.keys().map(String::len).max().unwrap_or(0),
            starts: vocabulary,
            longest_word,
            unknown: id,
        })
    }

    /// Adds the tokens of a text's words. Ends when there are enough.
    pub(super) fn push(&self, text: impl Iterator<Item = char>, ids: &mut Ids) {
        let mut word = Word::default();
        for c in text {
            if c.is_whitespace() {
                self.end(&mut word, ids);
            } else if is_punctuation(c) {
                self.end(&mut word, ids);
                word.push(c, self.longest_word);
                self.end(&mut word, ids);
            } else {
                word.push(c, self.longest_word);
                continue;
            }
            if ids.is_full() {
                return;
            }
        }
        self.end(&mut word, ids);
    }

    fn end(&self, word: &mut Word, ids: &mut Ids) {
        if word.characters > 0 {
            if word.characters > self.longest_word || self.pieces(&word.text, ids).is_none() {
                ids.push(self.unknown);
            }
            word.text.clear();
            word.characters = 0;
        }
    }

    /// Adds the longest token that a word begins with, then the longest that the rest begins with, and so on.
    /// If a part has no token, adds nothing and returns `None`.
    fn pieces(&self, word: &str, ids: &mut Ids) -> Option<()> {
        let before = ids.ids.len();
        let mut rest = word;
        while !rest.is_empty() {
            let tokens = if rest.len() == word.len() {
                &self.starts
            } else {
                &self.rests
            };
            let mut length = rest.len().min(self.longest_token);
            while !rest.is_char_boundary(length) {
                length -= 1;
            }
            loop {
                let part = &rest[..length];
                let Some(last) = part.chars().next_back() else {
                    ids.ids.truncate(before);
                    return None;
                };
                if let Some(id) = tokens.get(part) {
                    // More than enough, since a later part may be unknown.
                    ids.ids.push(*id);
                    break;
                }
                length -= last.len_utf8();
            }
            rest = &rest[length..];
        }
        ids.ids.truncate(ids.most);
        Some(())
    }
}

/// The word that is being read.
#[derive(Default)]
struct Word {
    text: String,
    characters: usize,
}

impl Word {
    /// Adds a character. Of a word with more than `longest`, only their number is kept.
    fn push(&mut self, c: char, longest: usize) {
        self.characters += 1;
        if self.characters <= longest {
            self.text.push(c);
        }
    }
}

/// Returns the error for a vocabulary without a token that it needs.
pub(super) fn lacks(token: &str) -> String {
    format!("its vocabulary lacks the token {:?}", short(token))
}

fn is_punctuation(c: char) -> bool {
    // Letters and digits need no search in the tables of punctuation.
    if c.is_ascii() {
        c.is_ascii_punctuation()
    } else {
        !c.is_alphanumeric() && c.is_punctuation()
    }
}
