//! Tests of [`Cached`] with functions and caches that count, fail and lie.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::embed::cache::MemoryCache;
use crate::embed::hashing::Hashing;
use crate::error::{InvalidInput, RefusedText};
use crate::model::progress::Progress;

type Answer = fn(&[&str]) -> Result<Embeddings, EmbeddingError>;
type Found = Result<Vec<Option<Vec<f32>>>, EmbeddingError>;

/// Returns a text's length and first byte, and records the calls.
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
fn only_new_texts_are_embedded_once_and_in_order() {
    let cached = in_memory();
    cached.check(&[], &[]);
    cached.check(&["b", "aa"], &["b aa"]);
    cached.check(&["ccc", "aa", "d", "ccc", "b", "d", "ccc"], &["ccc d"]);
    cached.check(&["d", "d", "ccc"], &[]);
    cached.check(&["", "", ""], &[""]);
}

#[test]
fn progress_and_hits_count_repeated_texts() {
    let cached = in_memory();
    let reported = |texts: &[&str]| {
        let mut reports = Vec::new();
        let mut report = |p: &Progress| reports.push((p.done as usize, p.total.unwrap() as usize));
        let mut context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
        cached.embed_with(texts, &mut context).unwrap();
        let hits = context.used.cache_hits;
        (reports, hits)
    };
    assert_eq!(reported(&["x", "x", "x", "y"]), (vec![(4, 4)], 0));
    assert_eq!(reported(&["z", "x", "x", "z"]), (vec![(2, 4), (4, 4)], 2));
    let many: Vec<String> = (0..2 * PIECE)
        .map(|i| (i % (PIECE + 1)).to_string())
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let twice = PIECE - 1;
    let pieces = vec![(PIECE + twice, 2 * PIECE), (2 * PIECE, 2 * PIECE)];
    assert_eq!(reported(&many), (pieces, 0));
}

#[test]
fn queries_and_documents_have_different_keys() {
    let cached = in_memory();
    cached.check(&["a"], &["a"]);
    cached.embed_queries(&["a"]).unwrap();
    cached.embed_queries(&["a"]).unwrap();
    assert_eq!(cached.asked(), ["a"]);
}

#[test]
fn functions_can_share_a_cache() {
    let cache = Arc::new(MemoryCache::new(1 << 20));
    for dimension in [8, 16, 8] {
        let hashing = Hashing::with_dimension(dimension).unwrap();
        let cached = Cached::new(hashing.clone(), cache.clone());
        let direct = hashing.embed_documents(&["a word"]).unwrap();
        assert_eq!(cached.embed_documents(&["a word"]).unwrap(), direct);
    }
}

#[test]
fn collections_see_the_inner_function() {
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
    // Pointers forward a key that is not the default.
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

/// A cache that returns what a closure returns, and cannot store.
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
fn a_failing_cache_is_not_an_error() {
    bad(|_| Err("no such disk".into())).check(&["a", "b"], &["a b"]);
    bad(|_| Ok(vec![])).check(&["a", "b"], &["a b"]);
    let no_vectors = bad(|_| Ok(vec![Some(vec![]), Some(vec![f32::NAN, 1.0]), None]));
    no_vectors.check(&["a", "b", "c"], &["a b c"]);
    assert_eq!(no_vectors.cache.put.lock().unwrap().len(), 3);
}

#[test]
fn vectors_of_different_dimensions_are_never_mixed() {
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
fn invalid_vectors_are_not_stored() {
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
fn vectors_of_a_failed_call_are_stored_and_its_indices_are_the_callers() {
    let call = || Box::new(crate::error::Call::new("embed", None));
    let first: Answer = |texts| {
        if let ["a"] = texts {
            Ok(Embeddings::from_rows([vector("a")])?)
        } else {
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
    assert_eq!(cached.asked(), [""; 0], "both are stored");
}

#[test]
fn an_error_with_wrong_indices_stores_nothing() {
    let part: Answer = |texts| {
        let call = Box::new(crate::error::Call::new("embed", None));
        let Some(second) = texts.get(1) else {
            return Ok(Embeddings::from_rows([vector(texts[0])])?);
        };
        // The vector of the second text, listed as that of the first one.
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
fn a_large_call_is_stored_piece_by_piece() {
    let texts: Vec<String> = (0..=(2 * PIECE)).map(|i| format!("{i}")).collect();
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
    assert!(cached.asked().is_empty(), "both pieces are stored");
    assert_eq!(found.row(3_999).unwrap(), vector("3999"));
}

#[test]
fn a_cancelled_call_stops_after_the_current_piece() {
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
    assert!(cached.asked().is_empty(), "the first piece is stored");
}
