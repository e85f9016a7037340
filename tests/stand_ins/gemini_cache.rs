//! The cache of `Gemini`: it stores each request, by title and text, and its errors do not fail a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::gemini::{Google, KEY};
use crate::support::{assert_vectors_of, fast};
use chroma_blocking::{
    EmbeddingFunction, Error, Gemini, Progress,
    embed::{Cached, EmbeddingCache, EmbeddingError, GeminiBuilder, MemoryCache, TaskType},
};

fn builder(google: &Google) -> GeminiBuilder {
    let gemini = Gemini::builder().api_key(KEY).base_url(google.url());
    gemini.dimension(128).batch_size(10).retry(fast())
}

fn memory() -> Arc<MemoryCache> {
    Arc::new(MemoryCache::new(16 << 20))
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("text {i}.")).collect()
}

#[test]
fn cached_texts_are_not_sent_again() {
    let google = Google::start();
    let gemini = builder(&google).cache(memory()).build().unwrap();
    let texts = texts(95);
    let first = gemini.embed(&texts).run().unwrap();
    assert_vectors_of(&first, &texts, 128);
    assert_eq!(google.paid().len(), 95);
    let mut reports = Vec::new();
    let report = |p: &Progress| reports.push((p.done, p.total));
    let again = gemini.embed(&texts).on_progress(report).run().unwrap();
    assert_eq!((again, reports), (first, vec![(95, Some(95))]));
    assert_eq!(google.paid().len(), 95);
    gemini.embed_query(&texts[0]).unwrap();
    assert_eq!(google.paid().len(), 96, "queries have other vectors");
    let other = gemini.embed(&texts[..2]).task(TaskType::Clustering);
    other.run().unwrap();
    assert_eq!(google.paid().len(), 98, "other tasks have other vectors");
}

#[test]
fn different_titles_have_different_entries() {
    let google = Google::start();
    let gemini = builder(&google).cache(memory()).build().unwrap();
    let texts = ["same", "same", "same"];
    for sent in [3, 3] {
        let titles = [Some("A"), Some("B"), None];
        gemini.embed(texts).titles(&titles).run().unwrap();
        assert_eq!(google.paid().len(), sent);
    }
    gemini.embed(["same"]).titles(&[Some("C")]).run().unwrap();
    assert_eq!(google.paid().len(), 4);
    // `None` is the same as no title.
    gemini.embed(["same"]).run().unwrap();
    assert_eq!(google.paid().len(), 4);
}

#[test]
fn vectors_of_a_cancelled_call_are_cached() {
    let google = Google::start();
    let cache = memory();
    let texts = texts(100);
    let flag = Arc::new(AtomicBool::new(false));
    let gemini = builder(&google).cache(cache.clone()).build().unwrap();
    let error = gemini
        .embed(&texts)
        .cancel(flag.clone())
        .on_progress(|progress| flag.store(progress.done >= 40, Ordering::Relaxed))
        .run()
        .unwrap_err();
    let Error::PartlyEmbedded { done, .. } = error else {
        panic!("{error}");
    };
    let paid = google.paid().len();
    assert!(paid < 100 && paid == done.len(), "{paid}");
    drop(gemini);
    let gemini = builder(&google).cache(cache).build().unwrap();
    assert_vectors_of(&gemini.embed(&texts).run().unwrap(), &texts, 128);
    assert_eq!(google.paid().len(), 100, "no text is sent twice");
}

#[test]
fn the_builder_and_cached_share_entries() {
    let google = Google::start();
    let cache = memory();
    let outside = Cached::new(builder(&google).build().unwrap(), cache.clone());
    let first = outside.embed_documents(&["a", "b"]).unwrap();
    let inside = builder(&google).cache(cache).build().unwrap();
    assert_eq!(inside.embed(["a", "b"]).run().unwrap(), first);
    assert_eq!(google.paid().len(), 2);
}

type Found = Result<Vec<Option<Vec<f32>>>, EmbeddingError>;

/// A cache that returns fixed vectors, and cannot store any.
struct Bad(fn(usize) -> Found);

impl EmbeddingCache for Bad {
    fn get_many(&self, keys: &[&[u8]]) -> Found {
        (self.0)(keys.len())
    }

    fn put_many(&self, _: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
        Err("disk full".into())
    }
}

#[test]
fn a_broken_cache_does_not_fail_the_call() {
    let google = Google::start();
    let texts = texts(25);
    for answer in [
        |_| Err("no such disk".into()),
        |_| Ok(Vec::new()),
        |keys| Ok(vec![Some(vec![f32::NAN; 128]); keys]),
        |keys| Ok(vec![Some(vec![1.0; 3]); keys]),
    ] {
        let before = google.paid().len();
        let gemini = builder(&google).cache(Bad(answer)).build().unwrap();
        assert_vectors_of(&gemini.embed(&texts).run().unwrap(), &texts, 128);
        assert_eq!(google.paid().len() - before, 25);
    }
}
