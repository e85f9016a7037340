//! [`MemoryCache`]: a cache in memory, limited in bytes.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::embedding_cache::EmbeddingCache;
use super::lru::Lru;
use crate::embed::error::EmbeddingError;

/// Keeps vectors in memory, and forgets the least recently used ones when its limit is reached.
///
/// The limit is in bytes and covers vectors, keys (which contain the texts) and all bookkeeping. A vector of
/// 768 floats takes 3.5 kB in addition to its text. A vector that is larger than the limit is not stored.
pub struct MemoryCache {
    max_bytes: usize,
    vectors: Mutex<Lru>,
}

impl MemoryCache {
    /// Returns an empty cache that takes at most `max_bytes` bytes.
    pub fn new(max_bytes: usize) -> MemoryCache {
        MemoryCache {
            max_bytes,
            vectors: Mutex::default(),
        }
    }

    fn vectors(&self) -> MutexGuard<'_, Lru> {
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddingCache for MemoryCache {
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let mut vectors = self.vectors();
        let copy = |key: &&[u8]| vectors.get(key).map(<[f32]>::to_vec);
        Ok(keys.iter().map(copy).collect())
    }

    fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
        let mut vectors = self.vectors();
        for (key, vector) in entries {
            vectors.put(key, vector, self.max_bytes);
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vectors = self.vectors();
        f.debug_struct("MemoryCache")
            .field("max_bytes", &self.max_bytes)
            .field("bytes", &vectors.bytes())
            .field("vectors", &vectors.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::cache::lru::{OVERHEAD, size};
    use crate::random::Random;

    fn kept(cache: &MemoryCache, key: &str) -> bool {
        cache.get_many(&[key.as_bytes()]).unwrap()[0].is_some()
    }

    fn put(cache: &MemoryCache, key: &str, vector: &[f32]) {
        cache.put_many(&[(key.as_bytes(), vector)]).unwrap();
    }

    #[test]
    fn the_least_recently_used_vector_is_removed_first() {
        let cache = MemoryCache::new(3 * size(b"a", &[0.0; 4]));
        for key in ["a", "b", "c"] {
            put(&cache, key, &[1.0; 4]);
        }
        assert!(kept(&cache, "a"));
        put(&cache, "d", &[1.0; 4]);
        assert!(!kept(&cache, "b"));
        assert!(kept(&cache, "a") && kept(&cache, "c") && kept(&cache, "d"));
    }

    #[test]
    fn a_vector_above_the_limit_is_not_stored_and_removes_nothing() {
        let cache = MemoryCache::new(2 * OVERHEAD);
        put(&cache, "a", &[1.0; 2]);
        put(&cache, "b", &[1.0; 4000]);
        assert!(kept(&cache, "a") && !kept(&cache, "b"));
        put(&MemoryCache::new(0), "a", &[1.0]);
    }

    /// Compared with the simplest LRU: a list.
    #[test]
    fn random_calls_behave_like_a_list() {
        let mut random = Random(1);
        let mut below = |end: usize| random.place(end);
        for entries in [1, 2, 3, 10, 200] {
            let max_bytes = entries * (OVERHEAD + 20);
            let cache = MemoryCache::new(max_bytes);
            let mut list: Vec<(String, Vec<f32>)> = Vec::new();
            for _ in 0..5_000 {
                let key = below(3 * entries).to_string();
                let known = list.iter().position(|(k, _)| *k == key);
                if below(2) == 0 {
                    let got = cache.get_many(&[key.as_bytes()]).unwrap().remove(0);
                    assert_eq!(got, known.map(|at| list[at].1.clone()));
                    if let Some(at) = known {
                        let entry = list.remove(at);
                        list.push(entry);
                    }
                } else {
                    let vector = vec![below(100) as f32; 1 + below(4)];
                    put(&cache, &key, &vector);
                    if let Some(at) = known {
                        list.remove(at);
                    }
                    list.push((key, vector));
                    let bytes = |list: &[(String, Vec<f32>)]| -> usize {
                        list.iter()
                            .map(|(key, vector)| size(key.as_bytes(), vector))
                            .sum()
                    };
                    while bytes(&list) > max_bytes {
                        list.remove(0);
                    }
                    assert_eq!(cache.vectors().bytes(), bytes(&list));
                }
            }
        }
    }
}
