//! [`EmbeddingError`], and the indices of texts in errors.

use crate::error::{Error, InvalidInput, RefusedText};

/// The error of an embedding function: any error, including this crate's [`Error`].
///
/// Errors of this crate keep their meaning: a collection and a batch job retry those that are
/// [retryable](Error::is_retryable), and keep the vectors of an [`Error::PartlyEmbedded`].
pub type EmbeddingError = Box<dyn std::error::Error + Send + Sync>;

/// Validates that an error about `texts` texts names only these, and that an [`Error::PartlyEmbedded`] lists
/// each of them exactly once. Returns other errors as they are.
///
/// A function that embeds in parts may have returned the error of a part, whose indices mean other texts.
/// Then returns the source of that error if the call can be retried, and otherwise a description of the
/// mistake.
pub(super) fn validate_indices(error: EmbeddingError, texts: usize) -> EmbeddingError {
    let error = match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(other) => return other,
    };
    if let Error::Invalid {
        reason: InvalidInput::Text { index, .. },
        ..
    } = &error
    {
        if *index >= texts {
            return format!("its error names none of the {texts} texts: {error:#}").into();
        }
    }
    let Error::PartlyEmbedded {
        done,
        vectors,
        refused,
        pending,
        ..
    } = &error
    else {
        return error.into();
    };
    let refused = refused.iter().map(|refused| refused.index);
    let listed = done.iter().chain(pending).copied().chain(refused);
    let mut listed: Vec<usize> = listed.collect();
    listed.sort_unstable();
    if listed.into_iter().eq(0..texts) && done.len() == vectors.len() {
        return error.into();
    }
    let mistake = format!(
        "its Error::PartlyEmbedded does not list each of the {texts} texts exactly once: {error:#}"
    );
    match error {
        // A later attempt may succeed, whichever texts it was about.
        Error::PartlyEmbedded { source, .. } if source.is_retryable() => source,
        _ => mistake.into(),
    }
}

/// Replaces the indices of texts in an error by indices of records: text `index` belongs to record
/// `records[index]`.
pub(crate) fn by_record(error: Error, records: &[usize]) -> Error {
    let record = |text: usize| records.get(text).copied().unwrap_or(text);
    let all = |texts: Vec<usize>| texts.into_iter().map(record).collect();
    match error {
        Error::Embedding {
            call,
            function,
            source,
        } => Error::Embedding {
            call,
            function,
            source: match source.downcast::<Error>() {
                Ok(error) => Box::new(by_record(*error, records)),
                Err(other) => other,
            },
        },
        Error::Invalid {
            call,
            reason: InvalidInput::Text { index, why },
        } => call.invalid(InvalidInput::Text {
            index: record(index),
            why,
        }),
        Error::PartlyEmbedded {
            call,
            done,
            vectors,
            refused,
            pending,
            source,
        } => Error::PartlyEmbedded {
            call,
            done: all(done),
            vectors,
            refused: (refused.into_iter())
                .map(|refused| RefusedText {
                    index: record(refused.index),
                    ..refused
                })
                .collect(),
            pending: all(pending),
            source: Box::new(by_record(*source, records)),
        },
        other => other,
    }
}
