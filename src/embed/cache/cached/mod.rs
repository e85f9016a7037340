//! [`Cached`]: an embedding function that embeds only texts that are not in a cache.

use std::collections::HashMap;

use super::checked::{CheckedCache, PIECE};
use super::embedding_cache::EmbeddingCache;
use super::key::key;
use super::renumber::Renumber;
use crate::embed::context::{EmbeddingContext, Purpose};
use crate::embed::error::{EmbeddingError, validate_indices};
use crate::embed::function::EmbeddingFunction;
use crate::error::{Call, Error};
use crate::logs;
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// An embedding function with a cache: no text is embedded, and paid for, twice.
///
/// Only texts that are not in the cache go to the function, each of them once, in their order, and at most
/// 2,000 in one call. Their vectors are stored before the next texts are embedded. (`GeminiBuilder::cache`
/// stores them after each request, and supports titles.)
///
/// The key of a vector consists of [`EmbeddingFunction::cache_key`] (for `Gemini`: the model, the dimension
/// and the task) and the text, so several functions can share a cache. Collections treat it as the inner
/// function: a collection stores the inner function's configuration, and opens without a cache unless the
/// caller passes one.
///
/// A cache that fails is not an error: the failure is logged at `warn`, and the vectors are returned. If two
/// threads need the same new text at the same time, both embed it. A
/// [cancelled](EmbeddingContext::is_cancelled) call ends with [`Error::Cancelled`]; the vectors so far are in
/// the cache.
///
/// ```
/// use chroma_blocking::embed::{Cached, MemoryCache};
/// use chroma_blocking::{EmbeddingFunction, Hashing};
///
/// let cache = MemoryCache::new(64 << 20); // 64 MiB
/// let function = Cached::new(Hashing::default(), cache);
/// let first = function.embed_documents(&["a galaxy", "bread"])?;
/// let again = function.embed_documents(&["bread"])?; // from the cache
/// assert_eq!(again.row(0), first.row(1));
/// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cached<F, C> {
    function: F,
    cache: C,
}

impl<F: EmbeddingFunction, C: EmbeddingCache> Cached<F, C> {
    /// Returns a function that looks into `cache` before it calls `function`.
    pub fn new(function: F, cache: C) -> Cached<F, C> {
        Cached { function, cache }
    }

    fn embed(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let distinct = Distinct::new(texts);
        let function_key = self.function.cache_key(context.purpose());
        let key = |text: &&str| key(&function_key, None, text);
        let keys: Vec<Vec<u8>> = distinct.texts.iter().map(key).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let mut found = self.checked_cache().get(&keys);
        let missing: Vec<usize> = (0..keys.len()).filter(|&i| found[i].is_none()).collect();
        let mut done = texts.len() - distinct.count(&missing);
        context.add_cache_hits(done as u64);
        if done > 0 {
            context.progress(done, texts.len());
        }
        log::debug!(
            target: logs::EMBED, texts = texts.len(), missing = missing.len();
            "{}: embedding {} of {} texts; the others are duplicates or in the cache",
            self.name(),
            missing.len(),
            texts.len()
        );
        let cached_dimension = found.iter().flatten().next().map(Vec::len);
        for piece in missing.chunks(PIECE) {
            if context.is_cancelled() {
                let call = Box::new(Call::new("embed", Some(self.name())));
                return Err(Error::Cancelled { call }.into());
            }
            let new: Vec<&str> = piece.iter().map(|&index| distinct.texts[index]).collect();
            let keys: Vec<&[u8]> = piece.iter().map(|&index| keys[index]).collect();
            let done_of_all = |of_piece: usize| {
                let of_piece = of_piece.min(piece.len());
                done + distinct.count(&piece[..of_piece])
            };
            let vectors = context.part_by(done_of_all, texts.len(), |part| {
                self.embed_and_store(&new, &keys, part)
            });
            let vectors = vectors.map_err(|error| {
                let renumber = Renumber {
                    index_of: &distinct.index_of,
                    embedded: piece,
                    found: &found,
                };
                renumber.error(error)
            })?;
            check_dimension(cached_dimension, vectors.dimension())?;
            done += distinct.count(piece);
            context.progress(done, texts.len());
            for (&index, row) in piece.iter().zip(vectors.rows()) {
                found[index] = Some(row.to_vec());
            }
        }
        let row = |index: &usize| found[*index].as_deref().unwrap_or_default();
        Ok(Embeddings::from_rows(distinct.index_of.iter().map(row))?)
    }

    /// Embeds texts and stores their vectors, including those of a call that fails halfway.
    fn embed_and_store(
        &self,
        texts: &[&str],
        keys: &[&[u8]],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        match self.function.embed_with(texts, context) {
            Ok(vectors) if vectors.len() == texts.len() => {
                let entries = keys.iter().copied().zip(vectors.rows());
                self.checked_cache().put(entries);
                Ok(vectors)
            }
            Ok(vectors) => {
                Err(format!("{} vectors for {} texts", vectors.len(), texts.len()).into())
            }
            Err(error) => {
                let error = validate_indices(error, texts.len());
                if let Some(Error::PartlyEmbedded { done, vectors, .. }) = error.downcast_ref() {
                    let rows = done.iter().zip(vectors.rows());
                    let entries = rows.filter_map(|(&index, row)| Some((*keys.get(index)?, row)));
                    self.checked_cache().put(entries);
                }
                Err(error)
            }
        }
    }

    fn checked_cache(&self) -> CheckedCache<'_> {
        CheckedCache {
            cache: &self.cache,
            function: self.name(),
            dimension: self.dimension(),
        }
    }
}

/// The distinct texts of a call.
struct Distinct<'a> {
    texts: Vec<&'a str>,
    /// For each text of the call: the index of the distinct text.
    index_of: Vec<usize>,
    /// For each distinct text: how often the call has it.
    times: Vec<usize>,
}

impl<'a> Distinct<'a> {
    fn new(texts: &[&'a str]) -> Distinct<'a> {
        let mut distinct = Distinct {
            texts: Vec::with_capacity(texts.len()),
            index_of: Vec::with_capacity(texts.len()),
            times: Vec::with_capacity(texts.len()),
        };
        let mut indices = HashMap::with_capacity(texts.len());
        for &text in texts {
            let index = *indices.entry(text).or_insert_with(|| {
                distinct.texts.push(text);
                distinct.times.push(0);
                distinct.texts.len() - 1
            });
            distinct.index_of.push(index);
            distinct.times[index] += 1;
        }
        distinct
    }

    /// The number of the call's texts that are equal to one of these distinct texts.
    fn count(&self, indices: &[usize]) -> usize {
        indices.iter().map(|&index| self.times[index]).sum()
    }
}

fn check_dimension(cached: Option<usize>, new: usize) -> Result<(), EmbeddingError> {
    match cached {
        Some(cached) if cached != new => Err(format!(
            "it returned vectors of {new} floats, but the cache holds its vectors of {cached} floats; if the \
             model has changed, change its cache_key"
        )
        .into()),
        _ => Ok(()),
    }
}

impl<F: EmbeddingFunction, C: EmbeddingCache> EmbeddingFunction for Cached<F, C> {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed(documents, &mut EmbeddingContext::new(Purpose::Documents))
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed(queries, &mut EmbeddingContext::new(Purpose::Queries))
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        self.embed(texts, context)
    }

    fn dimension(&self) -> Option<usize> {
        self.function.dimension()
    }

    fn default_space(&self) -> Space {
        self.function.default_space()
    }

    fn config(&self) -> Option<serde_json::Value> {
        self.function.config()
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        self.function.cache_key(purpose)
    }
}

#[cfg(test)]
mod tests;
