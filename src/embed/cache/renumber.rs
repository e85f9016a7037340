//! [`Renumber`]: the error of a call for some texts, as an error about all texts of the caller.

use std::collections::HashMap;

use crate::embed::error::EmbeddingError;
use crate::error::{Error, InvalidInput, RefusedText};
use crate::model::embeddings::Embeddings;

/// Turns the error of a call for the texts that were not in the cache into one about all of the caller's
/// texts.
pub(super) struct Renumber<'a> {
    /// For each of the caller's texts: the index of the distinct text.
    pub(super) index_of: &'a [usize],
    /// The indices of the distinct texts of the failed call.
    pub(super) embedded: &'a [usize],
    /// The vectors of the distinct texts so far.
    pub(super) found: &'a [Option<Vec<f32>>],
}

impl Renumber<'_> {
    pub(super) fn error(&self, error: EmbeddingError) -> EmbeddingError {
        match error.downcast::<Error>() {
            Ok(error) => self.own_error(*error).into(),
            Err(other) => other,
        }
    }

    fn own_error(&self, error: Error) -> Error {
        match error {
            Error::Invalid {
                call,
                reason: InvalidInput::Text { index, why },
            } => {
                let distinct = self.embedded.get(index);
                let first = self.index_of.iter().position(|of| Some(of) == distinct);
                let index = first.unwrap_or(index);
                call.invalid(InvalidInput::Text { index, why })
            }
            Error::PartlyEmbedded {
                call,
                done,
                vectors,
                refused,
                source,
                ..
            } => {
                let rows = self.rows(&done, &vectors);
                let texts = self.sort(&rows, &refused);
                let done_rows = texts.done.iter();
                let done_rows = done_rows.filter_map(|text| rows[self.index_of[*text]]);
                match Embeddings::from_rows(done_rows) {
                    Ok(vectors) => Error::PartlyEmbedded {
                        call,
                        done: texts.done,
                        vectors: Box::new(vectors),
                        refused: texts.refused,
                        pending: texts.pending,
                        source: Box::new(self.own_error(*source)),
                    },
                    Err(reason) => reason.into(),
                }
            }
            other => other,
        }
    }

    /// The vectors of the distinct texts: those that were there before, and those of the failed call.
    fn rows<'r>(&'r self, done: &[usize], vectors: &'r Embeddings) -> Vec<Option<&'r [f32]>> {
        let mut rows: Vec<Option<&[f32]>> = self.found.iter().map(Option::as_deref).collect();
        for (index, row) in done.iter().zip(vectors.rows()) {
            if let Some(distinct) = self.embedded.get(*index) {
                rows[*distinct] = Some(row);
            }
        }
        rows
    }

    /// Sorts the caller's texts by what happened to them.
    fn sort(&self, rows: &[Option<&[f32]>], refused: &[RefusedText]) -> Sorted {
        let mut messages = HashMap::new();
        for RefusedText { index, message } in refused {
            messages.extend(
                self.embedded
                    .get(*index)
                    .map(|distinct| (distinct, message)),
            );
        }
        let mut sorted = Sorted::default();
        for (index, distinct) in self.index_of.iter().enumerate() {
            match (rows[*distinct], messages.get(distinct)) {
                (Some(_), _) => sorted.done.push(index),
                (None, Some(message)) => sorted.refused.push(RefusedText {
                    index,
                    message: (*message).clone(),
                }),
                (None, None) => sorted.pending.push(index),
            }
        }
        sorted
    }
}

/// The caller's texts, by what happened to them.
#[derive(Default)]
struct Sorted {
    done: Vec<usize>,
    refused: Vec<RefusedText>,
    pending: Vec<usize>,
}
