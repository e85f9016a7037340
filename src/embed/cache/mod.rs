//! [`Cached`]: an embedding function that asks another one only for what a cache does not have.

#[cfg(feature = "disk-cache")]
mod disk;
mod memory;
mod partly;
mod shelf;

use std::collections::HashMap;
use std::sync::Arc;

#[cfg(feature = "disk-cache")]
pub use disk::DiskCache;
pub use memory::MemoryCache;
use partly::Partly;
pub(super) use shelf::{PIECE, Shelf, key};

use super::{EmbeddingContext, EmbeddingError, EmbeddingFunction, Purpose, believed};
use crate::error::{Call, Error};
use crate::logs;
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// Keeps vectors, each under a key, for [`Cached`]: [`MemoryCache`], `DiskCache` (feature `disk-cache`), or one of
/// your own. An `Arc` of a cache is a cache, so that several functions can share it.
///
/// A key is bytes that say all that a vector depends on; the text is among them, so it may be long, and to hash it is
/// up to the cache. A cache may forget anything at any time, and must never take one key for another.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use chroma_blocking::{EmbeddingFunction, Hashing};
/// use chroma_blocking::embed::{Cached, EmbeddingCache, EmbeddingError};
///
/// /// Never forgets.
/// #[derive(Default)]
/// struct Everything(Mutex<HashMap<Vec<u8>, Vec<f32>>>);
///
/// impl EmbeddingCache for Everything {
///     fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
///         let kept = self.0.lock().unwrap();
///         Ok(keys.iter().map(|key| kept.get(*key).cloned()).collect())
///     }
///
///     fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
///         let entries = entries.iter().map(|(key, vector)| (key.to_vec(), vector.to_vec()));
///         self.0.lock().unwrap().extend(entries);
///         Ok(())
///     }
/// }
///
/// let function = Cached::new(Hashing::default(), Everything::default());
/// assert_eq!(function.embed_queries(&["a", "b", "a"])?.len(), 3);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub trait EmbeddingCache: Send + Sync {
    /// What is kept under each key, in the order of the keys; `None` where there is nothing.
    ///
    /// # Errors
    /// Whatever makes the cache unusable. It is logged, and all of the texts are embedded.
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError>;

    /// Keeps vectors under their keys.
    ///
    /// # Errors
    /// Whatever kept it from doing so. It is logged; the vectors go to whoever asked for them all the same.
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

/// An embedding function with a cache in front of it: nothing is embedded, and paid for, twice.
///
/// Only the texts that the cache does not have go to the function, each of them once, in their order, and at most 2,000 in
/// one call: these are kept before the next ones are embedded. ([`GeminiBuilder::cache`](crate::embed::GeminiBuilder::cache) keeps
/// them request by request, and knows titles.)
/// A vector is found again by what the function says of itself ([`EmbeddingFunction::cache_key`]: for Gemini the model,
/// the dimension and the task) and the text, so functions may share a cache. To a collection it is the inner function:
/// the collection remembers that one, and opens without a cache where none is given.
///
/// A cache that fails costs only its use: that is logged at `warn`, and the vectors are returned. Two threads that ask
/// for the same new text at the same time both embed it.
///
/// ```
/// use chroma_blocking::{EmbeddingFunction, Hashing};
/// use chroma_blocking::embed::{Cached, MemoryCache};
///
/// let function = Cached::new(Hashing::default(), MemoryCache::new(64 << 20)); // 64 MiB
/// let first = function.embed_documents(&["a galaxy", "bread"])?;
/// let again = function.embed_documents(&["bread"])?; // asks nobody
/// assert_eq!(again.row(0), first.row(1));
/// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cached<F, C> {
    function: F,
    cache: C,
}

impl<F: EmbeddingFunction, C: EmbeddingCache> Cached<F, C> {
    /// Puts the cache in front of the function.
    pub fn new(function: F, cache: C) -> Cached<F, C> {
        Cached { function, cache }
    }

    /// What the cache does not have, from the function.
    fn embed(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let mut distinct = Vec::with_capacity(texts.len());
        let mut places = HashMap::with_capacity(texts.len());
        let place_of: Vec<usize> = texts
            .iter()
            .map(|&text| {
                *places.entry(text).or_insert_with(|| {
                    distinct.push(text);
                    distinct.len() - 1
                })
            })
            .collect();
        let mut times = vec![0; distinct.len()];
        for &place in &place_of {
            times[place] += 1;
        }
        let about = self.function.cache_key(context.purpose());
        let keys: Vec<Vec<u8>> = distinct
            .iter()
            .map(|text| key(&about, None, text))
            .collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let mut found = self.shelf().find(&keys);
        let missing: Vec<usize> = (0..keys.len()).filter(|&i| found[i].is_none()).collect();
        // Each text counts, also one that is there twice.
        let count = |places: &[usize]| places.iter().map(|&place| times[place]).sum::<usize>();
        let mut known = texts.len() - count(&missing);
        context.add_cache_hits(known as u64);
        if known > 0 {
            context.progress(known, texts.len());
        }
        log::debug!(
            target: logs::EMBED, texts = texts.len(), missing = missing.len();
            "{}: {} of {} texts are to be embedded, the others are repeated or in the cache",
            self.name(),
            missing.len(),
            texts.len()
        );
        let kept_dimension = found.iter().flatten().next().map(Vec::len);
        for missing in missing.chunks(PIECE) {
            if context.is_cancelled() {
                let call = Box::new(Call::new("embed", Some(self.name())));
                return Err(Error::Cancelled { call }.into());
            }
            let new: Vec<&str> = missing.iter().map(|&place| distinct[place]).collect();
            let keys: Vec<&[u8]> = missing.iter().map(|&place| keys[place]).collect();
            let of_all = |done: usize| known + count(&missing[..done.min(missing.len())]);
            let made = context.part_by(of_all, texts.len(), |part| self.make(&new, &keys, part));
            let made = made.map_err(|error| {
                let partly = Partly {
                    place_of: &place_of,
                    missing,
                    found: &found,
                };
                partly.of_all(error)
            })?;
            let now = made.dimension();
            if let Some(kept) = kept_dimension.filter(|kept| *kept != now) {
                return Err(format!(
                    "it gives vectors of {now} floats, and the cache has some of {kept} floats that it gave before; if it \
                     is another model now, its cache_key must say so"
                )
                .into());
            }
            known += count(missing);
            context.progress(known, texts.len());
            for (&place, row) in missing.iter().zip(made.rows()) {
                found[place] = Some(row.to_vec());
            }
        }
        let row = |place: &usize| found[*place].as_deref().unwrap_or_default();
        Ok(Embeddings::from_rows(place_of.iter().map(row))?)
    }

    /// Embeds, and keeps what comes back, also of a call that came to half of it.
    fn make(
        &self,
        texts: &[&str],
        keys: &[&[u8]],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        match self.function.embed_with(texts, context) {
            Ok(made) if made.len() == texts.len() => {
                let entries = keys.iter().copied().zip(made.rows());
                self.shelf().keep(entries);
                Ok(made)
            }
            Ok(made) => Err(format!("{} vectors for {} texts", made.len(), texts.len()).into()),
            Err(error) => {
                let error = believed(error, texts.len());
                if let Some(Error::PartlyEmbedded { done, vectors, .. }) = error.downcast_ref() {
                    let rows = done.iter().zip(vectors.rows());
                    let entries = rows.filter_map(|(&index, row)| Some((*keys.get(index)?, row)));
                    self.shelf().keep(entries);
                }
                Err(error)
            }
        }
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf {
            cache: &self.cache,
            function: self.name(),
            dimension: self.dimension(),
        }
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
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::embed::Hashing;
    use crate::error::{InvalidInput, RefusedText};
    use crate::model::progress::Progress;

    type Answer = fn(&[&str]) -> Result<Embeddings, EmbeddingError>;
    type Found = Result<Vec<Option<Vec<f32>>>, EmbeddingError>;

    /// Gives a text's length and first byte, and writes down what it was asked.
    #[derive(Default)]
    struct Counting {
        asked: Mutex<Vec<String>>,
        answer: Option<Answer>,
    }

    fn vector(text: &str) -> [f32; 2] {
        [
            text.len() as f32,
            f32::from(text.bytes().next().unwrap_or(0)),
        ]
    }

    impl EmbeddingFunction for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
            self.asked.lock().unwrap().push(documents.join(" "));
            match self.answer {
                Some(answer) => answer(documents),
                None => Ok(Embeddings::from_rows(
                    documents.iter().map(|text| vector(text)),
                )?),
            }
        }
    }

    impl<C: EmbeddingCache> Cached<Counting, C> {
        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut self.function.asked.lock().unwrap())
        }

        fn check(&self, texts: &[&str], asked: &[&str]) {
            let got = self.embed_documents(texts).unwrap();
            assert_eq!(
                got,
                Embeddings::from_rows(texts.iter().map(|text| vector(text))).unwrap()
            );
            assert_eq!(self.asked(), asked);
        }
    }

    fn in_memory() -> Cached<Counting, MemoryCache> {
        Cached::new(Counting::default(), MemoryCache::new(1 << 20))
    }

    #[test]
    fn only_what_is_new_is_asked_for_once_and_the_order_is_kept() {
        let cached = in_memory();
        cached.check(&[], &[]);
        cached.check(&["b", "aa"], &["b aa"]);
        cached.check(&["ccc", "aa", "d", "ccc", "b", "d", "ccc"], &["ccc d"]);
        cached.check(&["d", "d", "ccc"], &[]);
        cached.check(&["", "", ""], &[""]);
    }

    #[test]
    fn every_text_counts_also_one_that_is_there_twice() {
        let cached = in_memory();
        let told = |texts: &[&str]| {
            let mut told = Vec::new();
            let mut report = |p: &Progress| told.push((p.done as usize, p.total.unwrap() as usize));
            let mut context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
            cached.embed_with(texts, &mut context).unwrap();
            let hits = context.used.cache_hits;
            (told, hits)
        };
        assert_eq!(told(&["x", "x", "x", "y"]), (vec![(4, 4)], 0));
        assert_eq!(told(&["z", "x", "x", "z"]), (vec![(2, 4), (4, 4)], 2));
        let many: Vec<String> = (0..2 * PIECE)
            .map(|i| (i % (PIECE + 1)).to_string())
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let twice = PIECE - 1;
        let pieces = vec![(PIECE + twice, 2 * PIECE), (2 * PIECE, 2 * PIECE)];
        assert_eq!(told(&many), (pieces, 0));
    }

    #[test]
    fn a_query_is_not_a_document() {
        let cached = in_memory();
        cached.check(&["a"], &["a"]);
        cached.embed_queries(&["a"]).unwrap();
        cached.embed_queries(&["a"]).unwrap();
        assert_eq!(cached.asked(), ["a"]);
    }

    #[test]
    fn functions_share_a_cache_and_not_their_vectors() {
        let cache = Arc::new(MemoryCache::new(1 << 20));
        for dimension in [8, 16, 8] {
            let hashing = Hashing::with_dimension(dimension).unwrap();
            let cached = Cached::new(hashing.clone(), cache.clone());
            let direct = hashing.embed_documents(&["a word"]).unwrap();
            assert_eq!(cached.embed_documents(&["a word"]).unwrap(), direct);
        }
    }

    #[test]
    fn to_a_collection_it_is_the_inner_function() {
        let cached = Cached::new(Hashing::default(), MemoryCache::new(0));
        let boxed: Box<dyn EmbeddingFunction> = Box::new(Arc::new(cached));
        let inner = Hashing::default();
        assert_eq!(boxed.name(), inner.name());
        assert_eq!(boxed.config(), inner.config());
        assert_eq!(boxed.dimension(), inner.dimension());
        assert_eq!(boxed.default_space(), inner.default_space());
        for purpose in [Purpose::Documents, Purpose::Queries] {
            assert_eq!(boxed.cache_key(purpose), inner.cache_key(purpose));
        }
        // Through pointers, too, where the default would make another one.
        struct Own;
        impl EmbeddingFunction for Own {
            fn name(&self) -> &str {
                "own"
            }
            fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
                Err("not asked".into())
            }
            fn cache_key(&self, purpose: Purpose) -> String {
                format!("{purpose:?}")
            }
        }
        let own: Arc<dyn EmbeddingFunction> = Arc::new(Cached::new(Own, MemoryCache::new(0)));
        assert_eq!(own.cache_key(Purpose::Queries), "Queries");
    }

    /// Answers and fails as it is told.
    struct Bad {
        get: fn(usize) -> Found,
        put: Mutex<Vec<Vec<f32>>>,
    }

    impl EmbeddingCache for Bad {
        fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
            (self.get)(keys.len())
        }

        fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
            let vectors = entries.iter().map(|(_, vector)| vector.to_vec());
            self.put.lock().unwrap().extend(vectors);
            Err("disk full".into())
        }
    }

    fn bad(get: fn(usize) -> Found) -> Cached<Counting, Bad> {
        let put = Mutex::default();
        Cached::new(Counting::default(), Bad { get, put })
    }

    #[test]
    fn a_cache_that_fails_costs_only_its_use() {
        bad(|_| Err("no such disk".into())).check(&["a", "b"], &["a b"]);
        bad(|_| Ok(vec![])).check(&["a", "b"], &["a b"]);
        let no_vectors = bad(|_| Ok(vec![Some(vec![]), Some(vec![f32::NAN, 1.0]), None]));
        no_vectors.check(&["a", "b", "c"], &["a b c"]);
        assert_eq!(no_vectors.cache.put.lock().unwrap().len(), 3);
    }

    #[test]
    fn vectors_of_another_length_are_never_mixed() {
        let stale = bad(|_| Ok(vec![Some(vec![1.0; 3]), None]));
        let error = stale.embed_documents(&["a", "b"]).unwrap_err().to_string();
        assert!(
            error.contains("2 floats") && error.contains("3 floats"),
            "{error}"
        );
        let mixed = bad(|_| Ok(vec![Some(vector("a").to_vec()), Some(vec![1.0; 3])]));
        mixed.check(&["a", "b"], &["b"]);
    }

    #[test]
    fn what_is_wrong_is_not_kept() {
        let answers: [Answer; 3] = [
            |_| Err("no".into()),
            |texts| Ok(Embeddings::new(vec![1.0; 2 * texts.len() - 2], 2)?),
            |texts| Ok(Embeddings::new(vec![f32::NAN; 2 * texts.len()], 2)?),
        ];
        for answer in answers {
            let mut cached = in_memory();
            cached.function.answer = Some(answer);
            let _ = cached.embed_documents(&["a", "b"]);
            assert_eq!(cached.asked(), ["a b"]);
            cached.function.answer = None;
            cached.check(&["a", "b"], &["a b"]);
        }
    }

    #[test]
    fn what_a_failed_call_has_made_is_kept_and_told_by_the_callers_count() {
        let call = || Box::new(crate::error::Call::new("embed", None));
        let first: Answer = |texts| match texts {
            ["a"] => Ok(Embeddings::from_rows([vector("a")])?),
            _ => {
                let call = Box::new(crate::error::Call::new("embed", None));
                let refusal = InvalidInput::Text {
                    index: 1,
                    why: "is empty".to_owned(),
                };
                Err(Error::PartlyEmbedded {
                    call: call.clone(),
                    done: vec![2],
                    vectors: Box::new(Embeddings::from_rows([vector(texts[2])])?),
                    refused: vec![RefusedText {
                        index: 1,
                        message: "no".to_owned(),
                    }],
                    pending: vec![0],
                    source: Box::new(call.invalid(refusal)),
                }
                .into())
            }
        };
        let function = Counting {
            answer: Some(first),
            ..Counting::default()
        };
        let cached = Cached::new(function, MemoryCache::new(1 << 20));
        cached.embed_documents(&["a"]).unwrap();
        let texts = ["b", "a", "b", "cc", "ddd", "cc"];
        let error = cached.embed_documents(&texts).unwrap_err();
        let Ok(Error::PartlyEmbedded {
            done,
            vectors,
            refused,
            pending,
            source,
            ..
        }) = error.downcast::<Error>().map(|error| *error)
        else {
            unreachable!("it is one of these");
        };
        assert_eq!((done, pending), (vec![1, 4], vec![0, 2]));
        assert_eq!(vectors.as_flat(), [vector("a"), vector("ddd")].concat());
        let refused: Vec<usize> = refused.iter().map(|refused| refused.index).collect();
        assert_eq!(refused, [3, 5]);
        assert_eq!(
            source.to_string(),
            call()
                .invalid(InvalidInput::Text {
                    index: 3,
                    why: "is empty".to_owned()
                })
                .to_string()
        );
        cached.asked();
        cached.embed_documents(&["ddd", "a"]).unwrap();
        assert_eq!(cached.asked(), [""; 0], "both are kept");
    }

    #[test]
    fn what_is_said_of_a_part_is_not_kept_as_if_it_were_of_all() {
        let part: Answer = |texts| {
            let call = Box::new(crate::error::Call::new("embed", None));
            let Some(second) = texts.get(1) else {
                return Ok(Embeddings::from_rows([vector(texts[0])])?);
            };
            // Of the second text, as if it were the first one, and the only one.
            Err(Error::PartlyEmbedded {
                call: call.clone(),
                done: vec![0],
                vectors: Box::new(Embeddings::from_rows([vector(second)])?),
                refused: vec![],
                pending: vec![],
                source: Box::new(Error::Cancelled { call }),
            }
            .into())
        };
        let function = Counting {
            answer: Some(part),
            ..Counting::default()
        };
        let cached = Cached::new(function, MemoryCache::new(1 << 20));
        let error = cached.embed_documents(&["a", "bb"]).unwrap_err();
        assert!(!error.is::<Error>(), "{error}");
        cached.asked();
        cached.check(&["a"], &["a"]);
    }

    #[test]
    fn a_large_call_is_kept_bit_by_bit() {
        let texts: Vec<String> = (0..2 * PIECE + 1).map(|i| format!("{i}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let answer: Answer = |texts| match texts[0] {
            "4000" => Err("no more".into()),
            _ => Ok(Embeddings::from_rows(
                texts.iter().map(|text| vector(text)),
            )?),
        };
        let function = Counting {
            answer: Some(answer),
            ..Counting::default()
        };
        let cached = Cached::new(function, MemoryCache::new(16 << 20));
        cached.embed_documents(&texts).unwrap_err();
        assert_eq!(cached.asked().len(), 3);
        let found = cached.embed_documents(&texts[..2 * PIECE]).unwrap();
        assert!(cached.asked().is_empty(), "all of it is kept");
        assert_eq!(found.row(3_999).unwrap(), vector("3999"));
    }

    #[test]
    fn a_cancelled_call_stops_after_the_piece_in_hand() {
        let texts: Vec<String> = (0..3 * PIECE).map(|i| i.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let cached = Cached::new(Counting::default(), MemoryCache::new(16 << 20));
        let flag = AtomicBool::new(false);
        let mut report = |_: &Progress| flag.store(true, Ordering::Relaxed);
        let mut context = EmbeddingContext::new(Purpose::Documents)
            .on_progress(&mut report)
            .cancel(&flag);
        let error = cached.embed_with(&texts, &mut context).unwrap_err();
        let error = error.downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::Cancelled { .. }), "{error}");
        assert_eq!(cached.asked().len(), 1);
        cached.embed_documents(&texts[..PIECE]).unwrap();
        assert!(cached.asked().is_empty(), "the first piece is kept");
    }
}
