//! The known models: the style of their requests, their limits, and an estimate of tokens.

/// How a request tells the model what its vectors are for ([`TaskType`](crate::embed::TaskType)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelStyle {
    /// In the field `taskType`, like `gemini-embedding-001`. Its vectors have unit length at 3072 floats. The
    /// client scales shorter ones to unit length.
    TaskField,
    /// By words before the text, like `gemini-embedding-2`. Its vectors have unit length.
    TaskInText,
}

impl ModelStyle {
    /// Whether the model returns vectors of unit length.
    pub(super) fn answers_unit_length(self, dimension: usize) -> bool {
        self == ModelStyle::TaskInText || dimension == 3072
    }
}

/// A model that this version knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) style: ModelStyle,
    /// The model ignores the rest of a longer text.
    pub(super) max_tokens: usize,
}

/// Returns what is known about a model.
pub(super) fn known(model: &str) -> Option<Known> {
    let (style, max_tokens) = match model {
        "gemini-embedding-001" => (ModelStyle::TaskField, 2048),
        "gemini-embedding-2" => (ModelStyle::TaskInText, 8192),
        _ => return None,
    };
    Some(Known { style, max_tokens })
}

/// A token is about four bytes of English text.
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// Estimates the tokens of a text.
pub(super) fn tokens(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
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
        assert_eq!((tokens(""), tokens("abcde")), (0, 2));
    }
}
