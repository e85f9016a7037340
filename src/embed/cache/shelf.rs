//! [`Shelf`]: a cache as an embedding function uses it: nothing wrong goes in or comes out, and a failure costs only its use.

use super::EmbeddingCache;
use crate::logs;
use crate::model::embeddings;

/// Texts that are looked up at a time, and, in [`Cached`](super::Cached), embedded before they are kept: what a program that
/// is killed may have to pay for again.
pub(in crate::embed) const PIECE: usize = 2_000;

/// A cache and the function that it is for.
pub(in crate::embed) struct Shelf<'a> {
    pub(in crate::embed) cache: &'a dyn EmbeddingCache,
    /// For the log.
    pub(in crate::embed) function: &'a str,
    pub(in crate::embed) dimension: Option<usize>,
}

impl Shelf<'_> {
    /// What the cache has; nothing that the function could not have made.
    pub(in crate::embed) fn find(&self, keys: &[&[u8]]) -> Vec<Option<Vec<f32>>> {
        let mut found = match self.cache.get_many(keys) {
            Ok(found) if found.len() == keys.len() => found,
            Ok(found) => {
                log::warn!(
                    target: logs::EMBED,
                    "the cache of the embedding function {} is not used: {} answers for {} keys",
                    self.function,
                    found.len(),
                    keys.len()
                );
                vec![None; keys.len()]
            }
            Err(error) => {
                log::warn!(
                    target: logs::EMBED,
                    "the cache of the embedding function {} cannot be read, so all is embedded: {error:#}",
                    self.function
                );
                vec![None; keys.len()]
            }
        };
        let mut expected = self.dimension;
        for vector in &mut found {
            vector.take_if(|vector| embeddings::check(vector, expected, String::new).is_err());
            expected = expected.or(vector.as_ref().map(Vec::len));
        }
        found
    }

    /// Puts into the cache what is a vector; a wrong one would come back for ever.
    pub(in crate::embed) fn keep<'k, 'v>(
        &self,
        entries: impl Iterator<Item = (&'k [u8], &'v [f32])>,
    ) {
        let entries: Vec<_> = entries
            .filter(|(_, vector)| embeddings::check(vector, self.dimension, String::new).is_ok())
            .collect();
        if let Err(error) = self.cache.put_many(&entries) {
            log::warn!(
                target: logs::EMBED,
                "the cache of the embedding function {} could not keep {} vectors, which will be embedded again when \
                 they are needed again: {error:#}",
                self.function,
                entries.len()
            );
        }
    }
}

/// The bytes that a vector is kept under. What is of any length stands behind its length, so that no two different
/// inputs have the same bytes. Files hold hashes of these: to change them is to empty every cache.
pub(in crate::embed) fn key(about: &str, title: Option<&str>, text: &str) -> Vec<u8> {
    let parts = [Some(about), title, Some(text)];
    let length: usize = parts.iter().flatten().map(|part| part.len()).sum();
    let mut key = Vec::with_capacity(length + 8 * parts.len());
    for part in parts {
        // No text is that long.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        key.extend_from_slice(&length.to_le_bytes());
        key.extend_from_slice(part.unwrap_or_default().as_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_inputs_have_different_keys() {
        let inputs = [
            ("f", None, "ab"),
            ("f", Some(""), "ab"),
            ("f", Some("a"), "b"),
            ("f", Some("ab"), ""),
            ("fa", None, "b"),
            ("", None, "fab"),
        ];
        let mut keys = inputs
            .map(|(about, title, text)| key(about, title, text))
            .to_vec();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), inputs.len());
    }
}
