//! The known models: the style of their requests, and their limits.

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

/// Returns a model's name without the prefix `models/`, which Google's SDK also accepts.
pub(super) fn short_name(name: &str) -> &str {
    name.strip_prefix("models/").unwrap_or(name)
}

/// Returns the day on which Google shut a model down, by its page of deprecations.
pub(super) fn shut_down(model: &str) -> Option<&'static str> {
    match model {
        "embedding-001" | "embedding-gecko-001" => Some("2025-10-30"),
        "text-embedding-004" => Some("2026-01-14"),
        _ => None,
    }
}
