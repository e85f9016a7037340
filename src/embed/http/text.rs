//! [`Text`]: a text to embed, and estimates of its tokens.

use crate::model::json_len::json_len;

/// A text to embed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::embed) struct Text<'a> {
    pub(in crate::embed) text: &'a str,
    /// The title of a document, for the models that read one.
    pub(in crate::embed) title: Option<&'a str>,
}

/// A token is about four bytes of English text.
pub(in crate::embed) const BYTES_PER_TOKEN: usize = 4;

impl Text<'_> {
    /// Estimates the tokens of text and title.
    pub(super) fn tokens(&self) -> usize {
        let tokens = |text: &str| text.len().div_ceil(BYTES_PER_TOKEN);
        tokens(self.text) + self.title.map_or(0, tokens)
    }

    /// Returns the most bytes that text and title take in JSON.
    pub(super) fn json_len(&self) -> usize {
        json_len(self.text) + self.title.map_or(0, json_len)
    }
}

/// Describes what is wrong with a text that certainly has more than `max_tokens` tokens: it has more words
/// than that, and each word is at least one token.
pub(super) fn too_long(text: &str, max_tokens: usize) -> Option<String> {
    // `max_tokens + 1` words need at least one byte each, and a space between them.
    if text.len() < 2 * max_tokens + 1 {
        return None;
    }
    let words = text.split_whitespace().count();
    (words > max_tokens)
        .then(|| format!("has {words} words, and the model reads {max_tokens} tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_too_long_if_it_has_more_words_than_tokens_allowed() {
        assert_eq!(too_long("a b c", 3), None);
        assert_eq!(
            too_long("a b\nc d", 3).unwrap(),
            "has 4 words, and the model reads 3 tokens"
        );
        assert_eq!(too_long(&"long".repeat(1000), 3), None, "one word");
        assert_eq!(too_long("   a b     c   ", 3), None);
        let tokens = |text, title| Text { text, title }.tokens();
        assert_eq!((tokens("", None), tokens("abcde", Some("a"))), (0, 3));
    }
}
