//! [`Normalizer`]: BERT's normalization of a text.

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
    /// Returns the normalized characters of a text. Reads no more of it than is asked for.
    pub(super) fn normalized<'a>(
        &'a self,
        text: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        let cleaned = text.filter_map(|c| if self.clean_text { cleaned(c) } else { Some(c) });
        let spaced = cleaned.flat_map(|c| {
            let space = (self.handle_chinese_chars && is_chinese(c)).then_some(' ');
            [space, Some(c), space].into_iter().flatten()
        });
        let stripped: Box<dyn Iterator<Item = char>> =
            if self.strip_accents.unwrap_or(self.lowercase) {
                Box::new(spaced.nfd().filter(|c| !is_accent(*c)))
            } else {
                Box::new(spaced)
            };
        stripped.flat_map(|c| {
            let lower = self.lowercase.then(|| c.to_lowercase());
            let same = (!self.lowercase).then_some(c);
            lower.into_iter().flatten().chain(same)
        })
    }
}

fn cleaned(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\u{fffd}' => None,
        // Most characters need no search in the tables.
        ' '..='~' => Some(c),
        _ if c.is_alphanumeric() => Some(c),
        _ if c.is_other() => None,
        _ if c.is_whitespace() => Some(' '),
        _ => Some(c),
    }
}

/// Whether a character is in the blocks of Chinese characters that BERT knows.
fn is_chinese(c: char) -> bool {
    matches!(
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

fn is_accent(c: char) -> bool {
    !c.is_ascii() && c.is_mark_nonspacing()
}
