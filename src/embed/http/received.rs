//! [`Received`]: the vectors of a response, and checks of them.

use std::sync::OnceLock;

use super::build::MAX_DIMENSION;
use crate::wire::cursor::Cursor;
use crate::wire::read::unread;

/// The most floats for which space is reserved in advance: 16 MiB.
const MOST_RESERVED: usize = 4 << 20;

/// The vectors of one response, in the order of the request's texts.
pub(in crate::embed) struct Received<'a> {
    /// The indices of the texts in the call, to name them in errors.
    texts: &'a [usize],
    /// The floats of each vector. The first response tells it if nothing else does.
    dimension: &'a OnceLock<usize>,
    floats: Vec<f32>,
    lengths: Vec<usize>,
    /// The place of each vector, where the response tells it.
    places: Vec<usize>,
}

impl<'a> Received<'a> {
    pub(in crate::embed) fn new(texts: &'a [usize], dimension: &'a OnceLock<usize>) -> Self {
        let floats = dimension.get().map_or(0, |floats| floats * texts.len());
        // The dimension may be a stored setting, and the response shorter.
        let floats = floats.min(MOST_RESERVED);
        Received {
            texts,
            dimension,
            floats: Vec::with_capacity(floats),
            lengths: Vec::with_capacity(texts.len()),
            places: Vec::new(),
        }
    }

    /// Reads a list of vectors. `vector` appends the floats of one entry, and returns its place among the
    /// request's texts if the response tells it.
    pub(in crate::embed) fn list(
        &mut self,
        at: &mut Cursor<'_>,
        mut vector: impl FnMut(&mut Cursor<'_>, &mut Vec<f32>) -> Result<Option<usize>, String>,
    ) -> Result<(), String> {
        if !self.lengths.is_empty() {
            return Err("a second list of vectors".to_owned());
        }
        at.list(|at| {
            let before = self.floats.len();
            let place = vector(at, &mut self.floats)?;
            self.lengths.push(self.floats.len() - before);
            self.places.extend(place);
            Ok(())
        })?;
        Ok(())
    }

    /// Iterates over the index and the floats of each vector.
    pub(in crate::embed) fn rows_mut(&mut self) -> impl Iterator<Item = (usize, &mut [f32])> {
        let dimension = self.dimension.get().copied().unwrap_or(1).max(1);
        let rows = self.floats.chunks_exact_mut(dimension);
        self.texts.iter().copied().zip(rows)
    }

    /// Checks that there is a vector for each text, all of the same length, and puts them into the order of
    /// the texts.
    ///
    /// # Errors
    /// Describes what is wrong with `response`.
    pub(in crate::embed) fn finish(&mut self, response: &[u8]) -> Result<(), String> {
        if self.lengths.len() != self.texts.len() {
            let (found, texts) = (self.lengths.len(), self.texts.len());
            return Err(match found {
                0 => unread(response, "no vectors"),
                _ => format!("{found} vectors for {texts} texts"),
            });
        }
        let first = self.lengths.first().copied().unwrap_or_default();
        let expected = self.dimension.get().copied().unwrap_or(first);
        if expected > MAX_DIMENSION {
            return Err(format!(
                "vectors of {expected} floats, more than any model has"
            ));
        }
        for (text, found) in self.texts.iter().zip(&self.lengths) {
            if *found != expected || expected == 0 {
                return Err(format!(
                    "the vector of text {text} has {found} floats, not {expected}"
                ));
            }
        }
        self.sort()?;
        self.agree_on(self.dimension)
    }

    /// Sets the dimension if it is unknown. Another response may have set it in the meantime.
    ///
    /// # Errors
    /// Says so if the vectors have another dimension.
    pub(super) fn agree_on(&self, dimension: &OnceLock<usize>) -> Result<(), String> {
        let Some(found) = self.lengths.first() else {
            return Ok(());
        };
        let expected = dimension.get_or_init(|| *found);
        if found != expected {
            return Err(format!("vectors of {found} floats, not {expected}"));
        }
        Ok(())
    }

    /// Puts the vectors into the order of the texts.
    fn sort(&mut self) -> Result<(), String> {
        let count = self.texts.len();
        if self.places.is_empty() || self.places.iter().copied().eq(0..count) {
            return Ok(());
        }
        let mut seen = vec![false; count];
        for place in &self.places {
            match seen.get_mut(*place) {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    return Err(format!(
                        "the index {place} among the vectors of {count} texts"
                    ));
                }
            }
        }
        if self.places.len() != count {
            return Err("some vectors have an index, and some have none".to_owned());
        }
        let dimension = self.floats.len() / count;
        let mut sorted = vec![0.0; self.floats.len()];
        for (row, place) in self.floats.chunks_exact(dimension).zip(&self.places) {
            sorted[place * dimension..][..dimension].copy_from_slice(row);
        }
        self.floats = sorted;
        Ok(())
    }

    /// Returns the floats of all vectors, one vector after the other.
    pub(in crate::embed) fn into_floats(self) -> Vec<f32> {
        self.floats
    }
}
