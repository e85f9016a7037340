//! [`Normalizer`]: BERT's normalization of a text.

use std::sync::LazyLock;

use serde::Deserialize;
use unicode_categories::UnicodeCategories;
use unicode_normalization::UnicodeNormalization;

/// BERT's normalization, with the names of `tokenizer.json`.
#[derive(Deserialize)]
pub(super) struct Normalizer {
    pub(super) clean_text: bool,
    pub(super) handle_chinese_chars: bool,
    /// The same as `lowercase` if not set.
    pub(super) strip_accents: Option<bool>,
    pub(super) lowercase: bool,
}

impl Normalizer {
    pub(super) fn normalize(&self, text: &str) -> String {
        // Of most texts, only the case can change.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let mut same = text.to_owned();
            if self.lowercase {
                same.make_ascii_lowercase();
            }
            return same;
        }
        let cleaned = text
            .chars()
            .filter_map(|c| if self.clean_text { clean(c) } else { Some(c) });
        let spaced = cleaned.flat_map(|c| {
            let space = self.is_chinese(c).then_some(' ');
            [space, Some(c), space].into_iter().flatten()
        });
        let mut normalized = String::with_capacity(text.len());
        let push = |c: char| {
            if self.lowercase {
                normalized.extend(c.to_lowercase());
            } else {
                normalized.push(c);
            }
        };
        if self.strip_accents.unwrap_or(self.lowercase) {
            spaced
                .nfd()
                .filter(|c| Class::of(*c) != Class::Accent)
                .for_each(push);
        } else {
            spaced.for_each(push);
        }
        normalized
    }

    /// Whether no word goes on after a character. The text after it can be normalized separately.
    pub(super) fn ends_word(&self, c: char) -> bool {
        matches!(c, ' ' | '\n') || c.is_ascii_punctuation() || self.is_chinese(c)
    }

    /// Whether a character is a word: it is in the blocks of Chinese characters that BERT knows.
    fn is_chinese(&self, c: char) -> bool {
        self.handle_chinese_chars
            && matches!(
                c,
                '\u{3400}'..='\u{4DBF}'
                    | '\u{4E00}'..='\u{9FFF}'
                    | '\u{F900}'..='\u{FAFF}'
                    | '\u{20000}'..='\u{2A6DF}'
                    | '\u{2A700}'..='\u{2B73F}'
                    | '\u{2B740}'..='\u{2B81F}'
                    | '\u{2B920}'..='\u{2CEAF}'
                    | '\u{2F800}'..='\u{2FA1F}'
            )
    }
}

fn clean(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\u{fffd}' => None,
        _ if Class::of(c) == Class::Control => None,
        _ if c.is_whitespace() => Some(' '),
        _ => Some(c),
    }
}

pub(super) fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || !c.is_ascii() && Class::of(c) == Class::Punctuation
}

/// The class of a character, if BERT treats it in a special way.
#[derive(PartialEq, Clone, Copy)]
enum Class {
    Control,
    Accent,
    Punctuation,
    None,
}

impl Class {
    fn of(c: char) -> Class {
        // A search takes longer than all else that is done for a character.
        static FOUND: LazyLock<Vec<Class>> = LazyLock::new(|| {
            let characters = (0..=0xFFFF).map(char::from_u32);
            characters
                .map(|c| c.map_or(Class::None, Class::find))
                .collect()
        });
        let found = FOUND.get(c as usize).copied();
        found.unwrap_or_else(|| Class::find(c))
    }

    fn find(c: char) -> Class {
        if c.is_other() {
            Class::Control
        } else if c.is_mark_nonspacing() {
            Class::Accent
        } else if c.is_punctuation() {
            Class::Punctuation
        } else {
            Class::None
        }
    }
}
