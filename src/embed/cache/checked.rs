//! [`CheckedCache`]: a cache as an embedding function uses it.

use super::embedding_cache::EmbeddingCache;
use crate::logs;
use crate::model::embeddings;
use crate::printable::OneLine;

/// The number of texts that are looked up at a time. [`Cached`](crate::embed::Cached) also embeds that many
/// before it stores them, so a program that is killed loses at most these.
pub(in crate::embed) const PIECE: usize = 2_000;

/// A cache, and the function that it is for. It stores and returns only valid vectors. Its failures are
/// logged, and the texts are embedded as without a cache.
pub(in crate::embed) struct CheckedCache<'a> {
    pub(in crate::embed) cache: &'a dyn EmbeddingCache,
    /// The name of the function, for the log.
    pub(in crate::embed) function: &'a str,
    pub(in crate::embed) dimension: Option<usize>,
}

impl CheckedCache<'_> {
    /// Returns the vectors that the cache has, without invalid ones.
    pub(in crate::embed) fn get(&self, keys: &[&[u8]]) -> Vec<Option<Vec<f32>>> {
        let mut found = self.get_unchecked(keys);
        let mut expected = self.dimension;
        for vector in &mut found {
            vector.take_if(|vector| embeddings::check(vector, expected, String::new).is_err());
            expected = expected.or(vector.as_ref().map(Vec::len));
        }
        found
    }

    fn get_unchecked(&self, keys: &[&[u8]]) -> Vec<Option<Vec<f32>>> {
        match self.cache.get_many(keys) {
            Ok(found) if found.len() == keys.len() => return found,
            Ok(found) => log::warn!(
                target: logs::EMBED,
                "the cache of the embedding function {} is not used, because get_many returned {} entries for \
                 {} keys; it must return one for each key",
                OneLine(self.function),
                found.len(),
                keys.len()
            ),
            Err(error) => log::warn!(
                target: logs::EMBED,
                "the cache of the embedding function {} cannot be read, so all texts are embedded: {}",
                OneLine(self.function),
                OneLine(format_args!("{error:#}"))
            ),
        }
        vec![None; keys.len()]
    }

    /// Stores vectors, without invalid ones: the cache would return them forever.
    pub(in crate::embed) fn put<'k, 'v>(
        &self,
        entries: impl Iterator<Item = (&'k [u8], &'v [f32])>,
    ) {
        let entries: Vec<_> = entries
            .filter(|(_, vector)| embeddings::check(vector, self.dimension, String::new).is_ok())
            .collect();
        if let Err(error) = self.cache.put_many(&entries) {
            log::warn!(
                target: logs::EMBED,
                "the cache of the embedding function {} could not store {} vectors; their texts will be embedded again \
                 when they are needed: {}",
                OneLine(self.function),
                entries.len(),
                OneLine(format_args!("{error:#}"))
            );
        }
    }
}
