//! [`CachedTexts`]: the texts of a call, and the embedder's cache.

use super::embedder::{Embedder, NAME, cache_key};
use super::gathered::Gathered;
use super::request::Item;
use super::task::TaskType;
use crate::embed::cache::{CheckedCache, PIECE, key};
use crate::logs;

/// The texts of a call, and the embedder's cache if it has one.
pub(super) struct CachedTexts<'a> {
    cache: Option<CheckedCache<'a>>,
    /// Everything that the vectors depend on, except title and text.
    function_key: String,
    items: &'a [Item<'a>],
}

impl<'a> CachedTexts<'a> {
    pub(super) fn new(
        embedder: &'a Embedder,
        task: Option<TaskType>,
        items: &'a [Item<'a>],
    ) -> CachedTexts<'a> {
        CachedTexts {
            cache: embedder.cache.as_deref().map(|cache| CheckedCache {
                cache,
                function: NAME,
                dimension: Some(embedder.dimension),
            }),
            function_key: cache_key(embedder.parameters(task)),
            items,
        }
    }

    /// Moves the vectors that the cache has to `gathered`. Returns the other texts.
    pub(super) fn take(&self, texts: Vec<usize>, gathered: &mut Gathered) -> Vec<usize> {
        let Some(cache) = &self.cache else {
            return texts;
        };
        let mut missing = Vec::new();
        for piece in texts.chunks(PIECE) {
            let keys = self.keys(piece);
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            for (index, row) in piece.iter().zip(cache.get(&keys)) {
                match row {
                    Some(row) => gathered.put(*index, &row),
                    None => missing.push(*index),
                }
            }
        }
        log::debug!(
            target: logs::EMBED, texts = texts.len(), missing = missing.len();
            "{NAME}: embedding {} of {} texts; the others are in the cache",
            missing.len(),
            texts.len()
        );
        missing
    }

    /// Stores the vectors of these texts.
    pub(super) fn put<'r>(&self, texts: &[usize], rows: impl Iterator<Item = &'r [f32]>) {
        if let Some(cache) = &self.cache {
            let keys = self.keys(texts);
            cache.put(keys.iter().map(Vec::as_slice).zip(rows));
        }
    }

    fn keys(&self, texts: &[usize]) -> Vec<Vec<u8>> {
        let key = |index: &usize| {
            let Item { text, title } = self.items[*index];
            key(&self.function_key, title, text)
        };
        texts.iter().map(key).collect()
    }
}
