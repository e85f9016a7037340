//! [`Gathered`]: vectors as they come in, in whatever order, put where they belong.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::request::Item;
use crate::error::{Error, RefusedText, Result};
use crate::model::embeddings::Embeddings;

/// A matrix with a row for each text, filled bit by bit.
pub(super) struct Gathered {
    floats: Vec<f32>,
    dimension: usize,
    done: Vec<bool>,
    count: usize,
    /// Texts that are the same as an earlier one, by that one.
    same: HashMap<usize, Vec<usize>>,
    refused: Vec<RefusedText>,
}

impl Gathered {
    pub(super) fn new(texts: usize, dimension: usize) -> Gathered {
        Gathered {
            // The system hands out cleared memory bit by bit, as it is used.
            floats: vec![0.0; texts * dimension],
            dimension,
            done: vec![false; texts],
            count: 0,
            same: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// Which of the texts are to be embedded, when equal ones need to be only once.
    pub(super) fn distinct(&mut self, items: &[Item<'_>], of: Vec<usize>) -> Vec<usize> {
        let mut first = HashMap::with_capacity(of.len());
        let mut distinct = of;
        distinct.retain(|index| match first.entry(items[*index]) {
            Entry::Vacant(new) => {
                new.insert(*index);
                true
            }
            Entry::Occupied(earlier) => {
                let same = self.same.entry(*earlier.get()).or_default();
                same.push(*index);
                false
            }
        });
        distinct
    }

    /// The vector of a text, and of all that are the same.
    pub(super) fn put(&mut self, index: usize, row: &[f32]) {
        let same = self.same.get(&index).into_iter().flatten();
        for index in [index].iter().chain(same) {
            let start = index * self.dimension;
            self.floats[start..start + self.dimension].copy_from_slice(row);
            self.done[*index] = true;
            self.count += 1;
        }
    }

    /// Why a text, and all that are the same, cannot be embedded.
    pub(super) fn refuse(&mut self, index: usize, message: &str) {
        let same = self.same.get(&index).into_iter().flatten();
        for index in [index].iter().chain(same) {
            self.refused.push(RefusedText {
                index: *index,
                message: message.to_owned(),
            });
        }
    }

    /// How many texts have vectors.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// All vectors, or, where there is an error, those that there are.
    pub(super) fn finish(mut self, error: Option<Error>) -> Result<Embeddings> {
        let Some(error) = error else {
            return Ok(Embeddings::new(self.floats, self.dimension)?);
        };
        if self.count == 0 && self.refused.is_empty() {
            return Err(error);
        }
        self.refused.sort_unstable_by_key(|refused| refused.index);
        let refused = |index| {
            let refused = |refused: &RefusedText| refused.index;
            self.refused.binary_search_by_key(&index, refused).is_ok()
        };
        let (done, left): (Vec<usize>, Vec<usize>) =
            (0..self.done.len()).partition(|index| self.done[*index]);
        let pending = left.into_iter().filter(|index| !refused(*index)).collect();
        for (row, index) in done.iter().enumerate() {
            let start = index * self.dimension;
            let whole = start..start + self.dimension;
            self.floats.copy_within(whole, row * self.dimension);
        }
        self.floats.truncate(done.len() * self.dimension);
        Err(Error::PartlyEmbedded {
            call: Box::new(error.call().cloned().unwrap_or_default()),
            vectors: Box::new(Embeddings::new(self.floats, self.dimension)?),
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

    fn items<'a>(texts: &[&'a str]) -> Vec<Item<'a>> {
        texts
            .iter()
            .map(|text| Item { text, title: None })
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
        let mut gathered = Gathered::new(5, 2);
        assert_eq!(gathered.distinct(&items, (0..5).collect()), [0, 1, 4]);
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
    fn an_error_brings_what_there_is() {
        let mut gathered = Gathered::new(6, 1);
        let items = items(&["a", "b", "c", "b", "d", "e"]);
        gathered.distinct(&items, (0..6).collect());
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
    fn an_error_that_brings_nothing_comes_as_it_is() {
        let error = Gathered::new(3, 1).finish(Some(cancelled())).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }));
    }
}
