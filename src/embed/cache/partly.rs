//! [`Partly`]: what a call that failed halfway says of the caller's texts.

use std::collections::HashMap;

use crate::embed::EmbeddingError;
use crate::error::{Error, InvalidInput, RefusedText};
use crate::model::embeddings::Embeddings;

/// Turns the error of a call for the missing texts into one about all that the caller gave.
pub(super) struct Partly<'a> {
    /// For each of the caller's texts, which of the distinct ones it is.
    pub(super) place_of: &'a [usize],
    /// Which of the distinct ones the function was asked for.
    pub(super) missing: &'a [usize],
    /// Vectors of the distinct ones that the cache had.
    pub(super) found: &'a [Option<Vec<f32>>],
}

impl Partly<'_> {
    pub(super) fn of_all(&self, error: EmbeddingError) -> EmbeddingError {
        match error.downcast::<Error>() {
            Ok(error) => self.renumbered(*error).into(),
            Err(other) => other,
        }
    }

    fn renumbered(&self, error: Error) -> Error {
        match error {
            Error::Invalid {
                call,
                reason: InvalidInput::Text { index, why },
            } => {
                let place = self.missing.get(index);
                let first = self.place_of.iter().position(|of| Some(of) == place);
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
                let mut rows: Vec<Option<&[f32]>> =
                    self.found.iter().map(|row| row.as_deref()).collect();
                for (index, row) in done.iter().zip(vectors.rows()) {
                    if let Some(place) = self.missing.get(*index) {
                        rows[*place] = Some(row);
                    }
                }
                let mut why = HashMap::new();
                for RefusedText { index, message } in &refused {
                    why.extend(self.missing.get(*index).map(|place| (place, message)));
                }
                let (mut done, mut refused, mut pending) = (Vec::new(), Vec::new(), Vec::new());
                for (index, place) in self.place_of.iter().enumerate() {
                    match (rows[*place], why.get(place)) {
                        (Some(_), _) => done.push(index),
                        (None, Some(message)) => refused.push(RefusedText {
                            index,
                            message: (*message).clone(),
                        }),
                        (None, None) => pending.push(index),
                    }
                }
                let all = done.iter().filter_map(|index| rows[self.place_of[*index]]);
                match Embeddings::from_rows(all) {
                    Ok(vectors) => Error::PartlyEmbedded {
                        call,
                        done,
                        vectors: Box::new(vectors),
                        refused,
                        pending,
                        source: Box::new(self.renumbered(*source)),
                    },
                    Err(wrong) => wrong.into(),
                }
            }
            other => other,
        }
    }
}
