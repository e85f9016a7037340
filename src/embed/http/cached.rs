//! [`CachedTexts`]: the texts of a call, and the function's cache.

use super::engine::Engine;
use super::format::Format;
use super::gathered::Gathered;
use super::text::Text;
use crate::embed::cache::{CheckedCache, PIECE, key};
use crate::logs;

/// The texts of a call, and the function's cache if it has one.
pub(super) struct CachedTexts<'a> {
    cache: Option<CheckedCache<'a>>,
    /// Everything that the vectors depend on, except title and text.
    function_key: String,
    function: &'static str,
    texts: &'a [Text<'a>],
}

impl<'a> CachedTexts<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        format: &dyn Format,
        texts: &'a [Text<'a>],
    ) -> CachedTexts<'a> {
        CachedTexts {
            cache: engine.calls.cache.as_deref().map(|cache| CheckedCache {
                cache,
                function: engine.name,
                dimension: engine.dimension.get().copied(),
            }),
            function_key: format.cache_key(),
            function: engine.name,
            texts,
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
                let fits = |row: &Vec<f32>| match gathered.dimension() {
                    Some(dimension) => row.len() == dimension,
                    None => !row.is_empty(),
                };
                match row.filter(fits) {
                    Some(row) => gathered.put(*index, &row),
                    None => missing.push(*index),
                }
            }
        }
        log::debug!(
            target: logs::EMBED, texts = texts.len(), missing = missing.len();
            "{}: embedding {} of {} texts; the others are in the cache",
            self.function,
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
            let Text { text, title } = self.texts[*index];
            key(&self.function_key, title, text)
        };
        texts.iter().map(key).collect()
    }
}
