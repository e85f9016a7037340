//! Concurrent and nested calls of one `Gemini`.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::gemini::{Google, KEY, Period, Rules, V001, fault, over_quota};
use crate::support::{LIMITS, assert_vector_of, chroma, client, fast};
use chroma_blocking::{Error, Gemini, Record, RetryPolicy, embed::GeminiBuilder};

fn builder(google: &Google) -> GeminiBuilder {
    let gemini = Gemini::builder().api_key(KEY).base_url(google.url());
    gemini.dimension(128).batch_size(5).retry(fast())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("text {i}.")).collect()
}

/// Fails if `work` has not ended after a minute.
fn assert_ends(work: impl FnOnce() + Send + 'static) {
    let (sender, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        work();
        let _ = sender.send(());
    });
    let waited = ended.recv_timeout(Duration::from_secs(60));
    assert_ne!(waited, Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    thread.join().unwrap();
}

#[test]
fn a_progress_callback_may_embed() {
    for concurrency in [1, 2, 4] {
        assert_ends(move || {
            let google = Google::start();
            let gemini = builder(&google).concurrency(concurrency).build().unwrap();
            let mut reports = 0;
            let call = gemini.embed(texts(100)).on_progress(|_| {
                reports += 1;
                gemini.clone().embed_query("q").unwrap();
            });
            assert_eq!(call.run().unwrap().len(), 100);
            assert_eq!(reports, 20);
        });
    }
}

#[test]
fn a_progress_callback_may_wait_for_another_call() {
    assert_ends(|| {
        let google = Google::start();
        let gemini = builder(&google).concurrency(2).build().unwrap();
        let lock = Mutex::new(());
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    let _guard = lock.lock().unwrap();
                    gemini.embed_query("q").unwrap();
                }
            });
            let call = gemini.embed(texts(100)).on_progress(|_| {
                drop(lock.lock().unwrap());
            });
            assert_eq!(call.run().unwrap().len(), 100);
        });
    });
}

#[test]
fn a_pause_longer_than_the_deadline_fails_at_once_in_all_calls() {
    let pause = Duration::from_secs(50);
    let google = Google::after([over_quota(Period::Minute, 100, V001, pause)]);
    let gemini = builder(&google).build().unwrap();
    let started = Instant::now();
    for _ in 0..2 {
        let call = gemini.embed(["a"]).deadline(Duration::from_secs(40));
        let error = call.run().unwrap_err();
        assert!(matches!(error, Error::RateLimited { .. }), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(google.requests().len(), 1, "the second call sends nothing");
}

#[test]
fn a_pause_applies_to_all_calls() {
    let pause = Duration::from_secs(2);
    let google = Google::after([over_quota(Period::Minute, 100, V001, pause)]);
    let gemini = builder(&google).build().unwrap();
    let call = gemini.embed(["a"]).deadline(Duration::from_millis(1900));
    let error = call.run().unwrap_err();
    assert!(matches!(error, Error::RateLimited { .. }), "{error}");
    let found = gemini.clone().embed_query("b").unwrap();
    assert_eq!(found.len(), 128);
    let seen = google.seen();
    assert!(seen[1].request.at >= seen[0].answered + pause);
}

#[test]
fn the_error_of_a_write_has_the_indices_of_the_records() {
    let google = Google::with(Rules {
        poison: Some("poison"),
        ..Rules::default()
    });
    let chroma = chroma(LIMITS, |request| panic!("written: {}", request.path));
    let notes = client(&chroma).collection("abc");
    let gemini = builder(&google).retry(RetryPolicy::none()).batch_size(1);
    let notes = notes.embedding_function(gemini.concurrency(1).build().unwrap());
    let error = notes.get().unwrap().upsert([
        Record::new("0").embedding(vec![0.5; 128]),
        Record::new("1").document("fine"),
        Record::new("2").embedding(vec![0.5; 128]),
        Record::new("3").document("poison"),
    ]);
    let Err(Error::Embedding { source, .. }) = error else {
        panic!("{error:?}");
    };
    let Ok(Error::PartlyEmbedded {
        done,
        vectors,
        refused,
        pending,
        ..
    }) = source.downcast().map(|error| *error)
    else {
        panic!("another error");
    };
    assert_eq!((done, pending), (vec![1], vec![]));
    assert_vector_of(vectors.row(0).unwrap(), "fine");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].index, 3);
}

#[test]
fn errors_hide_the_key_in_every_part_of_an_answer() {
    let long = format!("{}{KEY}", "x".repeat(190));
    for answer in [
        fault(500, KEY, "no", serde_json::json!([])),
        fault(400, "NO", &long, serde_json::json!([])),
        support::stand_in::Answer::new(403, long.clone()),
    ] {
        let google = Google::after([answer]);
        let gemini = builder(&google).retry(RetryPolicy::none()).build().unwrap();
        let error = gemini.embed(["a"]).run().unwrap_err();
        let words = format!("{error} {error:?}");
        assert!(!words.contains(&KEY[..8]), "{words}");
    }
}
