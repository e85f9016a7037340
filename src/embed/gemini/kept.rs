//! [`Kept`]: what an embedder's cache has of a call's texts, and what the call adds to it.

use super::gathered::Gathered;
use super::request::Item;
use super::{Inner, NAME, TaskType, cache_key};
use crate::embed::cache::{PIECE, Shelf, key};
use crate::logs;

/// The cache, where there is one, and the texts that it is asked for.
pub(super) struct Kept<'a> {
    shelf: Option<Shelf<'a>>,
    /// All that the vectors depend on beside title and text.
    about: String,
    items: &'a [Item<'a>],
}

impl<'a> Kept<'a> {
    pub(super) fn new(gemini: &'a Inner, task: Option<TaskType>, items: &'a [Item<'a>]) -> Self {
        Kept {
            shelf: gemini.cache.as_deref().map(|cache| Shelf {
                cache,
                function: NAME,
                dimension: Some(gemini.dimension),
            }),
            about: cache_key(&gemini.model, gemini.style, gemini.dimension, task),
            items,
        }
    }

    /// Puts what the cache has where it belongs; which of these texts it has not.
    pub(super) fn take(&self, texts: Vec<usize>, to: &mut Gathered) -> Vec<usize> {
        let Some(shelf) = &self.shelf else {
            return texts;
        };
        let mut missing = Vec::new();
        for piece in texts.chunks(PIECE) {
            let keys = self.keys(piece);
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            for (index, row) in piece.iter().zip(shelf.find(&keys)) {
                match row {
                    Some(row) => to.put(*index, &row),
                    None => missing.push(*index),
                }
            }
        }
        log::debug!(
            target: logs::EMBED, texts = texts.len(), missing = missing.len();
            "{NAME}: {} of {} texts are to be embedded, the others are in the cache",
            missing.len(),
            texts.len()
        );
        missing
    }

    /// Keeps the vectors of these texts.
    pub(super) fn keep<'r>(&self, texts: &[usize], rows: impl Iterator<Item = &'r [f32]>) {
        if let Some(shelf) = &self.shelf {
            let keys = self.keys(texts);
            shelf.keep(keys.iter().map(Vec::as_slice).zip(rows));
        }
    }

    fn keys(&self, texts: &[usize]) -> Vec<Vec<u8>> {
        let key = |index: &usize| {
            let Item { text, title } = self.items[*index];
            key(&self.about, title, text)
        };
        texts.iter().map(key).collect()
    }
}
