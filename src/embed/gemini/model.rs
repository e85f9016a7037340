//! What is known about Gemini's models.

/// How a model is told what its vectors are for ([`TaskType`](crate::embed::TaskType)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelStyle {
    /// In the field `taskType`, as `gemini-embedding-001` is. Its vectors have unit length at 3072 floats; shorter ones
    /// are given it here.
    TaskField,
    /// By words before the text, as `gemini-embedding-2` is. Its vectors have unit length.
    TaskInText,
}

impl ModelStyle {
    /// Whether vectors come with unit length.
    pub(super) fn answers_unit_length(self, dimension: usize) -> bool {
        self == ModelStyle::TaskInText || dimension == 3072
    }
}

/// A model that this version knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) style: ModelStyle,
    /// The rest of a longer text is lost.
    pub(super) max_tokens: usize,
}

pub(super) fn known(model: &str) -> Option<Known> {
    let (style, max_tokens) = match model {
        "gemini-embedding-001" => (ModelStyle::TaskField, 2048),
        "gemini-embedding-2" => (ModelStyle::TaskInText, 8192),
        _ => return None,
    };
    Some(Known { style, max_tokens })
}

/// Tokens of a text, about: a token is four bytes of English.
pub(super) fn tokens(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
}

/// See [`tokens`].
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// What is wrong with a text that surely has more tokens than `most`: it has more words, and each is a token at least.
pub(super) fn too_long(text: &str, most: usize) -> Option<String> {
    // So many words need as many bytes, and the gaps between them.
    if text.len() < 2 * most + 1 {
        return None;
    }
    let words = text.split_whitespace().count();
    (words > most).then(|| format!("has {words} words, and the model reads {most} tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_is_what_surely_is() {
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
