//! Many texts through `Gemini` while Google fails, refuses, limits and stops. In all cases, each vector
//! belongs to its text.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::gemini::{Failures, Google, KEY, Period, Rules, V001, Wrong, over_quota};
use crate::support::stand_in::Answer;
use crate::support::{LIMITS, assert_vector_of, assert_vectors_of, chroma, client};
use chroma_blocking::{
    Embeddings, Error, Gemini, Record, Result, RetryPolicy,
    embed::{GeminiBuilder, RefusedTexts},
    error::RefusedText,
};

const DIMENSION: usize = 128;
const WORKERS: usize = 8;
const BATCH: usize = 10;

/// Many workers, small batches, short waits.
fn builder(google: &Google) -> GeminiBuilder {
    Gemini::builder()
        .api_key(KEY)
        .base_url(google.url())
        .dimension(DIMENSION)
        .concurrency(WORKERS)
        .batch_size(BATCH)
        .retry(patient())
}

fn patient() -> RetryPolicy {
    let policy = RetryPolicy::default().max_retries(6);
    policy.base_delay(Duration::from_millis(50))
}

fn gemini(google: &Google) -> Gemini {
    builder(google).build().unwrap()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("text {i}.")).collect()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The result of a call that was executed in part.
struct Partly {
    done: Vec<usize>,
    refused: Vec<RefusedText>,
    pending: Vec<usize>,
    source: Error,
}

/// Returns the parts of such an error. Checks that each text is in one of them, and that each vector belongs
/// to its text.
fn partly(result: Result<Embeddings>, texts: &[String]) -> Partly {
    let Err(Error::PartlyEmbedded {
        done,
        vectors,
        refused,
        pending,
        source,
        ..
    }) = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(vectors.len(), done.len());
    for (row, index) in vectors.rows().zip(&done) {
        assert_vector_of(row, &texts[*index]);
    }
    let refused_ones = refused.iter().map(|refused| refused.index);
    let mut all: Vec<usize> = done.iter().chain(&pending).copied().collect();
    all.extend(refused_ones);
    all.sort_unstable();
    assert_eq!(all, (0..texts.len()).collect::<Vec<_>>());
    Partly {
        done,
        refused,
        pending,
        source: *source,
    }
}

fn indices(refused: &[RefusedText]) -> Vec<usize> {
    refused.iter().map(|refused| refused.index).collect()
}

/// Returns the number of requests with this status. Status 0 is a connection that was reset.
fn answered(google: &Google, status: u16) -> usize {
    let seen = google.seen().into_iter();
    seen.filter(|seen| seen.status == Some(status)).count()
}

#[test]
fn one_failed_request_in_twenty_loses_nothing() {
    let texts = texts(2_000);
    let mut failed = HashSet::new();
    for seed in [1, 2, 3] {
        let google = Google::with(Rules {
            failures: Some(Failures { seed, percent: 5 }),
            ..Rules::default()
        });
        let found = gemini(&google).embed(&texts).run().unwrap();
        assert_vectors_of(&found, &texts, DIMENSION);
        // A request that was reset during its answer counts as answered with 200.
        let seen = google.seen();
        let refused = seen.len() - texts.len() / BATCH;
        assert!((3..=25).contains(&refused), "{refused}");
        failed.extend(seen.iter().filter_map(|seen| seen.status));
        assert!(answered(&google, 200) >= texts.len() / BATCH);
    }
    assert_eq!(failed, HashSet::from([0, 200, 500, 503, 504]));
}

#[test]
fn the_client_adapts_to_an_unknown_quota() {
    let minute = millis(500);
    let google = Google::with(Rules {
        per_minute: Some((100, minute)),
        latency: millis(20),
        ..Rules::default()
    });
    let texts = texts(600);
    let gemini = builder(&google).batch_size(100).build().unwrap();
    let started = Instant::now();
    let found = gemini.embed(&texts).run().unwrap();
    assert_vectors_of(&found, &texts, DIMENSION);
    assert!(started.elapsed() >= 5 * minute);
    // One batch succeeds in each period. Until the client knows the quota, other batches are refused.
    let refused = answered(&google, 429);
    assert!((1..=25).contains(&refused), "{refused}");
}

// The client sends 100 items per second. Google counts those of half a second, because requests may be late.
#[test]
fn clones_together_never_exceed_a_known_quota() {
    let google = Google::with(Rules {
        per_minute: Some((100, millis(500))),
        ..Rules::default()
    });
    let texts = texts(400);
    let gemini = builder(&google).batch_size(50);
    let gemini = gemini.requests_per_minute(6_000).build().unwrap();
    let started = Instant::now();
    thread::scope(|scope| {
        for half in texts.chunks(200) {
            let clone = gemini.clone();
            scope.spawn(move || {
                let found = clone.embed(half).run().unwrap();
                assert_vectors_of(&found, half, DIMENSION);
            });
        }
    });
    assert_eq!(answered(&google, 429), 0);
    assert!(started.elapsed() >= millis(2_500));
}

#[test]
fn a_rate_limit_pauses_all_workers() {
    let wait = millis(1_000);
    let google = Google::with(Rules {
        latency: millis(50),
        gather: WORKERS,
        scripted: [(19, over_quota(Period::Minute, 100, V001, wait))].into(),
        ..Rules::default()
    });
    let texts = texts(400);
    let found = gemini(&google).embed(&texts).run().unwrap();
    assert_vectors_of(&found, &texts, DIMENSION);
    assert_eq!(google.most_in_flight(), WORKERS);

    let seen = google.seen();
    let refused: Vec<_> = seen.iter().filter(|s| s.status == Some(429)).collect();
    assert_eq!(refused.len(), 1);
    // Other workers may have a permit already, and be about to send. Without the pause, there would be more
    // than 100 requests.
    let pause = refused[0].answered..refused[0].answered + wait;
    let during = seen.iter().filter(|s| pause.contains(&s.request.at));
    let during = during.count();
    assert!(during < WORKERS, "{during} requests during the pause");
    // Only the refused batch is sent again.
    assert_eq!(seen.len(), texts.len() / BATCH + 1);
}

#[test]
fn concurrency_adapts_to_a_busy_server() {
    let google = Google::with(Rules {
        latency: millis(20),
        gather: WORKERS,
        capacity: Some(2),
        ..Rules::default()
    });
    let texts = texts(600);
    let policy = patient().max_retries(10);
    let gemini = builder(&google).retry(policy).build().unwrap();
    let found = gemini.embed(&texts).run().unwrap();
    assert_vectors_of(&found, &texts, DIMENSION);
    // Six of the first eight requests are refused, and later some with which the client tests a higher limit.
    let refused = answered(&google, 503);
    assert!((6..=60).contains(&refused), "{refused}");
}

#[test]
fn retries_and_waits_are_in_the_metrics_of_client_and_function() {
    let asked_for = millis(300);
    let google = Google::after([over_quota(Period::Minute, 3, V001, asked_for)]);
    let gemini = gemini(&google);
    let chroma = chroma(LIMITS, |_| Answer::ok("{}"));
    let notes = client(&chroma).collection("abc");
    let notes = notes.embedding_function(gemini.clone()).get().unwrap();
    let record = |(i, text): (usize, String)| Record::new(format!("id{i}")).document(text);
    notes
        .upsert(
            texts(25)
                .into_iter()
                .enumerate()
                .map(record)
                .collect::<Vec<_>>(),
        )
        .unwrap();

    let metrics = notes.client().metrics();
    let embedded = &metrics.embeddings["google_gemini"];
    assert_eq!(
        (embedded.calls, embedded.texts, embedded.errors),
        (1, 25, 0)
    );
    assert_eq!((embedded.retries, embedded.cache_hits), (1, 0));
    let waited = embedded.limiter_wait;
    assert!(
        waited >= asked_for / 10 && waited <= embedded.latency.max,
        "{waited:?}"
    );

    // Without a collection, the function counts its calls.
    gemini.embed(texts(10)).run().unwrap();
    let requests = gemini.metrics();
    let by_itself = &requests.embeddings["google_gemini"];
    assert_eq!((by_itself.calls, by_itself.texts), (1, 10));
    let requests = &requests.operations["embed"];
    let limited = std::collections::BTreeMap::from([("rate_limited", 1)]);
    assert_eq!((requests.calls, requests.attempts), (5, 5));
    assert_eq!(requests.errors, limited);
    let sent: usize = google
        .requests()
        .iter()
        .map(|request| request.body.len())
        .sum();
    assert_eq!(requests.bytes_out, sent as u64);
}

#[test]
fn an_outage_of_two_seconds_loses_nothing() {
    let google = Google::with(Rules {
        latency: millis(50),
        ..Rules::default()
    });
    let texts = texts(400);
    let gemini = builder(&google).retry(patient().max_retries(10));
    let gemini = gemini.build().unwrap();
    let started = Instant::now();
    let mut was_closed = false;
    thread::scope(|scope| {
        let call = gemini.embed(&texts).on_progress(|progress| {
            if progress.done >= 100 && !was_closed {
                was_closed = true;
                let closed = google.close();
                scope.spawn(|| {
                    thread::sleep(millis(2_000));
                    closed.open();
                });
            }
        });
        assert_vectors_of(&call.run().unwrap(), &texts, DIMENSION);
    });
    assert!(started.elapsed() >= millis(2_000));
    assert!(google.requests().len() > texts.len() / BATCH);
}

/// Returns 300 texts. Google refuses some of them.
fn poisoned(indices: &[usize]) -> (Google, Vec<String>) {
    let google = Google::with(Rules {
        poison: Some("poison"),
        ..Rules::default()
    });
    let mut texts = texts(300);
    for index in indices {
        texts[*index] = format!("poison {index}");
    }
    (google, texts)
}

#[test]
fn the_error_names_a_refused_text() {
    let (google, texts) = poisoned(&[37]);
    let gemini = builder(&google).batch_size(100).build().unwrap();
    let found = partly(gemini.embed(&texts).run(), &texts);
    assert_eq!(indices(&found.refused), [37]);
    assert!(found.refused[0].message.contains("invalid argument"));
    assert_eq!(found.source.status(), Some(400));
    assert!(found.source.to_string().contains(V001), "{}", found.source);
}

#[test]
fn refused_texts_can_be_skipped() {
    for bad in [vec![37], vec![0, 99, 100, 101, 299]] {
        let (google, texts) = poisoned(&bad);
        let gemini = builder(&google).batch_size(100);
        let gemini = gemini.refused_texts(RefusedTexts::Skip).build().unwrap();
        let result = gemini.embed(&texts).run();
        let words = result.as_ref().unwrap_err().to_string();
        assert!(words.contains(&bad[0].to_string()), "{words}");
        let found = partly(result, &texts);
        assert_eq!(indices(&found.refused), bad);
        assert!(found.pending.is_empty());
        // Halving 100 texts seven times finds one.
        let most = 3 + bad.len() * 2 * 7;
        assert!(google.requests().len() <= most);
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved() {
    let google = Google::with(Rules {
        max_body: 2_000,
        ..Rules::default()
    });
    let texts = texts(300);
    let gemini = builder(&google).batch_size(100).build().unwrap();
    let found = gemini.embed(&texts).run().unwrap();
    assert_vectors_of(&found, &texts, DIMENSION);
    assert!(answered(&google, 400) > 0);
}

#[test]
fn an_exceeded_daily_quota_stops_the_call_at_once() {
    let google = Google::with(Rules {
        per_day: Some(300),
        latency: millis(20),
        ..Rules::default()
    });
    let texts = texts(1_000);
    let gemini = builder(&google).batch_size(50).build().unwrap();
    let found = partly(gemini.embed(&texts).run(), &texts);
    assert_eq!(found.done.len(), 300);
    let words = found.source.to_string();
    assert!(
        matches!(found.source, Error::QuotaExhausted { .. }),
        "{words}"
    );
    assert!(
        words.contains("EmbedContentRequestsPerDayPerUser"),
        "{words}"
    );
    assert!(!found.source.is_retryable());
    // Only requests in flight were sent, and none of them twice.
    let requests = google.requests();
    assert!(requests.len() <= 6 + WORKERS, "{}", requests.len());
    let distinct: HashSet<_> = requests.iter().map(|request| &request.body).collect();
    assert_eq!(distinct.len(), requests.len());
}

#[test]
fn a_flag_stops_before_the_next_request() {
    let google = Google::with(Rules {
        latency: millis(50),
        ..Rules::default()
    });
    let texts = texts(1_000);
    let flag = Arc::new(AtomicBool::new(false));
    let mut raised = None;
    let gemini = gemini(&google);
    let call = gemini.embed(&texts).cancel(flag.clone());
    let result = call
        .on_progress(|progress| {
            assert_eq!(progress.total, Some(1_000));
            if progress.done >= 200 && raised.is_none() {
                flag.store(true, Ordering::SeqCst);
                raised = Some(Instant::now());
            }
        })
        .run();
    let found = partly(result, &texts);
    assert!(matches!(found.source, Error::Cancelled { .. }));
    // Requests in flight are finished.
    assert!((200..=200 + 2 * WORKERS * BATCH).contains(&found.done.len()));
    assert_eq!(google.paid().len(), found.done.len());
    let raised = raised.unwrap();
    let requests = google.requests();
    let after = requests.iter().filter(|request| request.at > raised);
    let after = after.count();
    assert!(after <= WORKERS, "{after} requests after the flag was set");
}

#[test]
fn a_flag_set_before_the_call_prevents_every_request() {
    let google = Google::start();
    let flag = Arc::new(AtomicBool::new(true));
    let gemini = builder(&google).cancel(flag.clone()).build().unwrap();
    let result = gemini.embed(["a"]).run();
    assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
    assert!(google.requests().is_empty());
    flag.store(false, Ordering::SeqCst);
    assert_vectors_of(&gemini.embed(["a"]).run().unwrap(), &["a"], DIMENSION);
}

#[test]
fn a_flag_ends_a_wait() {
    let long = over_quota(Period::Minute, 100, V001, millis(30_000));
    let google = Google::after([long]);
    let flag = Arc::new(AtomicBool::new(false));
    let gemini = builder(&google).cancel(flag.clone()).build().unwrap();
    let started = Instant::now();
    let raise = thread::spawn(move || {
        thread::sleep(millis(300));
        flag.store(true, Ordering::SeqCst);
    });
    let result = gemini.embed(["a"]).run();
    assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
    assert!(started.elapsed() < millis(25_000));
    raise.join().unwrap();
}

#[test]
fn a_deadline_ends_the_call_and_keeps_its_vectors() {
    let google = Google::with(Rules {
        scripted: [(12, Answer::hang())].into(),
        ..Rules::default()
    });
    let texts = texts(400);
    let started = Instant::now();
    let gemini = gemini(&google);
    let call = gemini.embed(&texts).deadline(millis(2_000));
    let found = partly(call.run(), &texts);
    assert!(started.elapsed() >= millis(2_000));
    assert!(matches!(found.source, Error::Timeout { .. }));
    assert!(found.pending.len() >= BATCH);
    // On a busy machine, the deadline also ends requests whose answers were not read yet.
    let unread = google.paid().len() - found.done.len();
    assert!(unread <= WORKERS * BATCH, "{unread} vectors are lost");
}

#[test]
fn a_wait_beyond_the_deadline_fails_at_once() {
    let long = over_quota(Period::Minute, 100, V001, millis(30_000));
    let google = Google::after([long]);
    let gemini = builder(&google).deadline(millis(25_000)).build().unwrap();
    let started = Instant::now();
    let error = gemini.embed(["a"]).run().unwrap_err();
    assert_eq!(error.status(), Some(429), "{error}");
    assert!(started.elapsed() < millis(20_000));
}

#[test]
fn a_wrong_answer_loses_no_other_vectors() {
    let texts = texts(200);
    for wrong in [
        Wrong::Fewer,
        Wrong::More,
        Wrong::Short,
        Wrong::Long,
        Wrong::Empty,
        Wrong::Zeros,
        Wrong::Float("NaN"),
        Wrong::Float("1e39"),
    ] {
        let google = Google::with(Rules {
            spoiled: Some(("text 105.", wrong)),
            latency: millis(10),
            ..Rules::default()
        });
        let first = gemini(&google).embed(&texts).run();
        let (vectors, known) = match &first {
            Err(Error::PartlyEmbedded { vectors, done, .. }) => (vectors.clone(), done.clone()),
            other => panic!("{wrong:?}: {other:?}"),
        };
        let found = partly(first, &texts);
        assert!(matches!(found.source, Error::Decode { .. }), "{wrong:?}");
        assert!((100..110).all(|index| found.pending.contains(&index)));
        // The vectors of all other answers are in the result, also of those in flight.
        assert_eq!(found.done.len() + BATCH, google.paid().len());

        let google = Google::start();
        let rest: Vec<&String> = found.pending.iter().map(|index| &texts[*index]).collect();
        let later = gemini(&google).embed(&rest).run().unwrap();
        assert_eq!(google.paid().len(), rest.len());
        let mut whole = vec![None; texts.len()];
        for (index, row) in known.iter().zip(vectors.rows()) {
            whole[*index] = Some(row);
        }
        for (index, row) in found.pending.iter().zip(later.rows()) {
            whole[*index] = Some(row);
        }
        for (row, text) in whole.iter().zip(&texts) {
            assert_vector_of(row.unwrap(), text);
        }
    }
}

#[test]
fn equal_texts_are_sent_once() {
    let google = Google::start();
    let texts: Vec<String> = (0..1_000).map(|i| format!("text {}", i * i % 50)).collect();
    let mut last = 0;
    let gemini = gemini(&google);
    let call = gemini
        .embed(&texts)
        .on_progress(|progress| last = progress.done);
    assert_vectors_of(&call.run().unwrap(), &texts, DIMENSION);
    assert_eq!(last, 1_000, "progress counts texts, not what was sent");
    let mut paid = google.paid();
    paid.sort_unstable();
    let mut distinct: Vec<_> = texts.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(paid, distinct);
}

#[test]
fn requests_in_flight_stay_within_the_limit() {
    for workers in [1, 3] {
        let google = Google::with(Rules {
            latency: millis(20),
            ..Rules::default()
        });
        let texts = texts(200);
        let gemini = builder(&google).concurrency(workers).build().unwrap();
        assert_vectors_of(&gemini.embed(&texts).run().unwrap(), &texts, DIMENSION);
        assert_eq!(google.most_in_flight(), workers);
    }
}

#[test]
fn the_error_of_a_write_carries_the_vectors() {
    let (google, texts) = poisoned(&[137]);
    let gemini = builder(&google).refused_texts(RefusedTexts::Skip);
    let chroma = chroma(LIMITS, |request| panic!("written: {}", request.path));
    let notes = client(&chroma).collection("abc");
    let notes = notes.embedding_function(gemini.build().unwrap()).get();
    let record = |(i, text): (usize, &String)| Record::new(format!("id{i}")).document(text.clone());
    let records = texts.iter().enumerate().map(record);
    let error = notes.unwrap().upsert(records).unwrap_err();
    let Error::Embedding { source, .. } = error else {
        panic!("{error}");
    };
    let found = partly(Err(*source.downcast().unwrap()), &texts);
    assert_eq!(indices(&found.refused), [137]);
    assert_eq!(found.done.len(), 299);
}
