//! [`EmbeddingCache`]: the trait of caches.

use std::sync::Arc;

use crate::embed::error::EmbeddingError;

/// A cache of vectors for [`Cached`](crate::embed::Cached) and `GeminiBuilder::cache`:
/// [`MemoryCache`](crate::embed::MemoryCache), `DiskCache` (feature `disk-cache`), or your own.
///
/// A key contains everything that its vector depends on, including the text. So it may be long; a cache may
/// hash it. A cache may forget anything at any time, and must never confuse two keys. An `Arc` of a cache is
/// a cache, so that several functions can share one.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use chroma_blocking::embed::{Cached, EmbeddingCache, EmbeddingError};
/// use chroma_blocking::{EmbeddingFunction, Hashing};
///
/// /// A cache that never forgets.
/// #[derive(Default)]
/// struct Everything(Mutex<HashMap<Vec<u8>, Vec<f32>>>);
///
/// impl EmbeddingCache for Everything {
///     fn get_many(
///         &self,
///         keys: &[&[u8]],
///     ) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
///         let vectors = self.0.lock().unwrap();
///         Ok(keys.iter().map(|key| vectors.get(*key).cloned()).collect())
///     }
///
///     fn put_many(
///         &self,
///         entries: &[(&[u8], &[f32])],
///     ) -> Result<(), EmbeddingError> {
///         let mut vectors = self.0.lock().unwrap();
///         for (key, vector) in entries {
///             vectors.insert(key.to_vec(), vector.to_vec());
///         }
///         Ok(())
///     }
/// }
///
/// let function = Cached::new(Hashing::default(), Everything::default());
/// assert_eq!(function.embed_queries(&["a", "b", "a"])?.len(), 3);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub trait EmbeddingCache: Send + Sync {
    /// Returns the vector of each key, in the order of the keys. `None` for a key without a vector.
    ///
    /// # Errors
    /// Any error that makes the cache unusable. The caller logs it and embeds all texts.
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError>;

    /// Stores vectors under their keys.
    ///
    /// # Errors
    /// Any error that prevents this. The caller logs it and returns the vectors anyway.
    fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError>;
}

impl<C: EmbeddingCache + ?Sized> EmbeddingCache for Arc<C> {
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        (**self).get_many(keys)
    }

    fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
        (**self).put_many(entries)
    }
}
