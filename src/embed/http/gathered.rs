//! [`Gathered`]: collects vectors, which arrive in any order, into the matrix of a call.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::text::Text;
use crate::error::{Error, RefusedText, Result};
use crate::model::embeddings::Embeddings;

/// A matrix with a row for each text of a call, filled as vectors arrive.
pub(super) struct Gathered {
    floats: Vec<f32>,
    /// `None` until the first vector, if nothing else tells it.
    dimension: Option<usize>,
    is_done: Vec<bool>,
    count: usize,
    /// For a text: the later texts that are equal to it.
    duplicates: HashMap<usize, Vec<usize>>,
    refused: Vec<RefusedText>,
}

impl Gathered {
    pub(super) fn new(texts: usize, dimension: Option<usize>) -> Gathered {
        Gathered {
            floats: Vec::new(),
            dimension,
            is_done: vec![false; texts],
            count: 0,
            duplicates: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// Removes texts that are equal to an earlier one. These get the same vector as that one.
    pub(super) fn remove_duplicates(
        &mut self,
        items: &[Text<'_>],
        mut texts: Vec<usize>,
    ) -> Vec<usize> {
        let mut first = HashMap::with_capacity(texts.len());
        texts.retain(|index| match first.entry(items[*index]) {
            Entry::Vacant(new) => {
                new.insert(*index);
                true
            }
            Entry::Occupied(earlier) => {
                let duplicates = self.duplicates.entry(*earlier.get()).or_default();
                duplicates.push(*index);
                false
            }
        });
        texts
    }

    /// Sets the vector of a text and its duplicates.
    pub(super) fn put(&mut self, index: usize, row: &[f32]) {
        let dimension = *self.dimension.get_or_insert(row.len());
        if self.floats.is_empty() {
            // Zeroed memory costs nothing until it is used.
            self.floats = vec![0.0; self.is_done.len() * dimension];
        }
        let duplicates = self.duplicates.get(&index).into_iter().flatten();
        for index in [index].iter().chain(duplicates) {
            let start = index * dimension;
            self.floats[start..start + dimension].copy_from_slice(row);
            self.is_done[*index] = true;
            self.count += 1;
        }
    }

    /// Records why a text and its duplicates cannot be embedded.
    pub(super) fn refuse(&mut self, index: usize, message: &str) {
        let duplicates = self.duplicates.get(&index).into_iter().flatten();
        for index in [index].iter().chain(duplicates) {
            self.refused.push(RefusedText {
                index: *index,
                message: message.to_owned(),
            });
        }
    }

    /// The floats of a vector, if anything tells them yet.
    pub(super) fn dimension(&self) -> Option<usize> {
        self.dimension
    }

    /// The number of texts that have vectors.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns all vectors, or the error with the vectors so far.
    pub(super) fn finish(mut self, error: Option<Error>) -> Result<Embeddings> {
        let dimension = self.dimension.unwrap_or(0);
        let Some(error) = error else {
            return Ok(Embeddings::new(self.floats, dimension)?);
        };
        if self.count == 0 && self.refused.is_empty() {
            return Err(error);
        }
        self.refused.sort_unstable_by_key(|refused| refused.index);
        let is_refused = |index: &usize| {
            let refused = |refused: &RefusedText| refused.index;
            self.refused.binary_search_by_key(index, refused).is_ok()
        };
        let (done, left): (Vec<usize>, Vec<usize>) =
            (0..self.is_done.len()).partition(|index| self.is_done[*index]);
        let pending = left
            .into_iter()
            .filter(|index| !is_refused(index))
            .collect();
        for (row, index) in done.iter().enumerate() {
            let start = index * dimension;
            let whole = start..start + dimension;
            self.floats.copy_within(whole, row * dimension);
        }
        self.floats.truncate(done.len() * dimension);
        Err(Error::PartlyEmbedded {
            call: Box::new(error.call().cloned().unwrap_or_default()),
            vectors: Box::new(Embeddings::new(self.floats, dimension)?),
            done,
            refused: self.refused,
            pending,
            source: Box::new(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Call;

    fn items<'a>(texts: &[&'a str]) -> Vec<Text<'a>> {
        texts
            .iter()
            .map(|text| Text { text, title: None })
            .collect()
    }

    fn cancelled() -> Error {
        Error::Cancelled {
            call: Box::new(Call::new("embed", Some("m"))),
        }
    }

    #[test]
    fn equal_texts_are_embedded_once() {
        let mut items = items(&["a", "b", "a", "a", "b"]);
        items[4].title = Some("T");
        let mut gathered = Gathered::new(5, Some(2));
        assert_eq!(
            gathered.remove_duplicates(&items, (0..5).collect()),
            [0, 1, 4]
        );
        gathered.put(4, &[5.0, 6.0]);
        gathered.put(0, &[1.0, 2.0]);
        assert_eq!(gathered.count(), 4);
        gathered.put(1, &[3.0, 4.0]);
        let all = gathered.finish(None).unwrap();
        assert_eq!(
            all.as_flat(),
            [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 1.0, 2.0, 5.0, 6.0]
        );
    }

    #[test]
    fn an_error_carries_the_vectors_that_there_are() {
        let mut gathered = Gathered::new(6, Some(1));
        let items = items(&["a", "b", "c", "b", "d", "e"]);
        gathered.remove_duplicates(&items, (0..6).collect());
        gathered.put(5, &[5.0]);
        gathered.put(2, &[2.0]);
        gathered.refuse(1, "no");
        let Err(Error::PartlyEmbedded {
            done,
            vectors,
            refused,
            pending,
            source,
            ..
        }) = gathered.finish(Some(cancelled()))
        else {
            unreachable!("it was cancelled");
        };
        assert_eq!((done, vectors.as_flat()), (vec![2, 5], &[2.0, 5.0][..]));
        let refused: Vec<_> = refused.iter().map(|r| (r.index, &*r.message)).collect();
        assert_eq!(refused, [(1, "no"), (3, "no")]);
        assert_eq!(pending, [0, 4]);
        assert!(matches!(*source, Error::Cancelled { .. }));
    }

    #[test]
    fn an_error_without_vectors_is_returned_as_it_is() {
        let error = Gathered::new(3, Some(1))
            .finish(Some(cancelled()))
            .unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }));
    }
}
