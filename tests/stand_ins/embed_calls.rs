//! `Gemini::embed`: calls with many texts. The stand-in returns vectors that contain the number in their
//! text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::{LIMITS, chroma, fast};
use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error, Gemini, Progress,
    embed::{
        EmbeddingContext, GeminiBuilder, LongTexts, ModelStyle, Purpose, RefusedTexts, TaskType,
    },
};
use serde_json::{Value, json};

const DIMENSION: usize = 128;

/// Returns the texts of a request, without the prefix for the task.
fn texts(request: &Request) -> Vec<String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let items = body["requests"].as_array().unwrap().iter();
    items
        .map(|item| {
            let text = item["content"]["parts"][0]["text"].as_str().unwrap();
            text.rsplit(' ').next().unwrap().to_owned()
        })
        .collect()
}

fn vectors(request: &Request) -> Answer {
    let vector = |text: &String| {
        let mut values = vec![0.5; DIMENSION];
        values[0] = text.parse().unwrap();
        json!({ "values": values })
    };
    let vectors: Vec<_> = texts(request).iter().map(vector).collect();
    Answer::ok(json!({ "embeddings": vectors }).to_string())
}

/// Returns an error in Google's format.
#[allow(clippy::needless_pass_by_value, reason = "callers write json!(…)")]
fn fault(status: u16, name: &str, details: Value) -> Answer {
    let error = json!({ "code": status, "message": "no", "status": name, "details": details });
    Answer::new(status, json!({ "error": error }).to_string())
}

/// Returns a builder for the model whose vectors are not normalized.
fn builder(server: &StandIn) -> GeminiBuilder {
    let gemini = Gemini::builder().api_key("k").base_url(server.url());
    let gemini = gemini.model("gemini-embedding-2").dimension(DIMENSION);
    gemini.batch_size(10).retry(fast())
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn firsts(found: &Embeddings) -> Vec<usize> {
    found.rows().map(|row| row[0] as usize).collect()
}

#[test]
fn vectors_are_in_the_order_of_their_texts() {
    let server = StandIn::start(vectors);
    let gemini = builder(&server).concurrency(8).build().unwrap();
    let (mut last, mut calls) = (0, 0);
    let progress = |progress: &Progress| {
        assert!(progress.done > last, "{progress} after {last}");
        assert_eq!(progress.total, Some(105));
        (last, calls) = (progress.done, calls + 1);
    };
    let found = gemini.embed(numbers(0..105)).on_progress(progress).run();
    assert_eq!(firsts(&found.unwrap()), (0..105).collect::<Vec<_>>());
    assert_eq!((last, calls), (105, 11));
    assert_eq!(gemini.embed_query("7").unwrap()[0], 7.0);
    let nothing = gemini.embed(Vec::<String>::new()).run().unwrap();
    assert!(nothing.is_empty());
    assert_eq!(server.requests().len(), 12);
}

#[test]
fn equal_texts_are_sent_once() {
    let server = StandIn::start(vectors);
    let gemini = builder(&server).build().unwrap();
    let some = ["3", "1", "3", "3", "2", "1"];
    let found = gemini.embed(some).run().unwrap();
    assert_eq!(firsts(&found), [3, 1, 3, 3, 2, 1]);
    assert_eq!(texts(&server.requests()[0]), ["3", "1", "2"]);
    // Another title gives another vector.
    let titles = [Some("a"), Some("b"), Some("a"), None, None, Some("b")];
    gemini.embed(some).titles(&titles).run().unwrap();
    assert_eq!(texts(&server.requests()[1]), ["3", "1", "3", "2"]);
}

#[test]
fn titles_and_tasks_are_sent_in_the_form_of_the_model() {
    let server = StandIn::start(vectors);
    let of_style = |style| {
        let gemini = builder(&server).model("gemini-embedding-003");
        gemini.model_style(style).build().unwrap()
    };
    let titles = [Some("Seven".to_owned()), None];
    let (field, text) = (ModelStyle::TaskField, ModelStyle::TaskInText);
    for style in [field, text] {
        let gemini = of_style(style);
        gemini.embed(["7", "8"]).titles(&titles).run().unwrap();
        let clusters = gemini.embed(["9"]).task(TaskType::Clustering);
        clusters.run().unwrap();
    }
    let model = "models/gemini-embedding-003";
    let item = |text: &str, more: Value| {
        let content = json!({ "parts": [{ "text": text }], "role": "user" });
        let mut item = json!({ "model": model, "content": content });
        item["outputDimensionality"] = DIMENSION.into();
        let more = more.as_object().unwrap().clone();
        item.as_object_mut().unwrap().extend(more);
        item
    };
    let titled = json!({ "taskType": "RETRIEVAL_DOCUMENT", "title": "Seven" });
    let untitled = json!({ "taskType": "RETRIEVAL_DOCUMENT" });
    let expected = [
        json!({ "requests": [item("7", titled), item("8", untitled)] }),
        json!({ "requests": [item("9", json!({ "taskType": "CLUSTERING" }))] }),
        json!({ "requests": [
            item("title: Seven | text: 7", json!({})),
            item("title: none | text: 8", json!({})),
        ] }),
        json!({ "requests": [item("task: clustering | query: 9", json!({}))] }),
    ];
    for (request, expected) in server.requests().iter().zip(expected) {
        assert_eq!(request.path, format!("/v1beta/{model}:batchEmbedContents"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, expected);
    }
}

#[test]
fn invalid_texts_are_refused_before_a_request() {
    let server = StandIn::start(vectors);
    let gemini = builder(&server).build().unwrap();
    let long = "7 ".repeat(8193);
    let words = |error: Error| match error {
        Error::Invalid { call, reason, .. } => {
            assert_eq!(call.operation, "embed");
            reason.to_string()
        }
        other => panic!("{other}"),
    };
    let empty = words(gemini.embed(["1", ""]).run().unwrap_err());
    assert!(
        empty.contains("text 1 (counted from 0) is empty"),
        "{empty}"
    );
    let many = words(gemini.embed([&long]).run().unwrap_err());
    assert!(
        many.contains("8193 words") && many.contains("8192 tokens"),
        "{many}"
    );
    let few = gemini.embed(["1", "2"]).titles(&[Some("a")]).run();
    assert!(words(few.unwrap_err()).contains("2 texts"));
    let wrong_task = gemini.embed(["1"]).titles(&[Some("a")]);
    let wrong_task = wrong_task.task(TaskType::Clustering).run();
    assert!(words(wrong_task.unwrap_err()).contains("RETRIEVAL_DOCUMENT"));
    assert!(server.requests().is_empty());

    let lenient = builder(&server).long_texts(LongTexts::Warn);
    let found = lenient.build().unwrap().embed([long.trim()]).run();
    assert_eq!(firsts(&found.unwrap()), [7]);
}

#[test]
fn a_refused_text_does_not_lose_the_others() {
    let server = StandIn::start(|request| {
        let poisoned = texts(request).iter().any(|text| text == "33");
        if poisoned {
            fault(400, "INVALID_ARGUMENT", json!([]))
        } else {
            vectors(request)
        }
    });
    let mut all = numbers(0..50);
    all.extend(["33".to_owned(), String::new()]);
    let gemini = builder(&server).refused_texts(RefusedTexts::Skip);
    let error = gemini.build().unwrap().embed(&all).run().unwrap_err();
    assert_eq!(error.status(), Some(400), "{error}");
    let Error::PartlyEmbedded {
        done,
        vectors,
        refused,
        pending,
        ..
    } = error
    else {
        panic!("{error}");
    };
    let others: Vec<usize> = (0..50).filter(|index| *index != 33).collect();
    assert_eq!((&done, firsts(&vectors)), (&others, others.clone()));
    let refused: Vec<_> = refused.iter().map(|r| (r.index, &*r.message)).collect();
    let empty = "is empty; there is nothing to embed";
    assert_eq!(refused, [(33, "no"), (50, "no"), (51, empty)]);
    assert!(pending.is_empty());
}

#[test]
fn an_exceeded_daily_quota_fails_at_once_and_keeps_the_vectors() {
    let mut count = 0;
    let server = StandIn::start(move |request| {
        count += 1;
        let details = json!([
            { "violations": [{ "quotaId": "EmbedContentRequestsPerDayPerProject-FreeTier" }] },
            { "retryDelay": "0s" }
        ]);
        match count {
            3.. => fault(429, "RESOURCE_EXHAUSTED", details),
            _ => vectors(request),
        }
    });
    let gemini = builder(&server).concurrency(1).build().unwrap();
    let error = gemini.embed(numbers(0..50)).run().unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.status(), Some(429));
    let words = format!("{error:#}");
    assert!(words.contains("EmbedContentRequestsPerDay"), "{words}");
    assert!(words.contains("20 of 50 texts"), "{words}");
    let Error::PartlyEmbedded { done, pending, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(done, (0..20).collect::<Vec<_>>());
    assert_eq!(pending, (20..50).collect::<Vec<_>>());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn the_error_of_a_write_lists_the_records_without_vectors() {
    let google = StandIn::start(|request| {
        if texts(request).contains(&"7".to_owned()) {
            fault(403, "PERMISSION_DENIED", json!([]))
        } else {
            vectors(request)
        }
    });
    let chroma = chroma(LIMITS, |_| panic!("nothing is written"));
    let gemini = builder(&google).batch_size(1).concurrency(1);
    let collection = support::client(&chroma).collection("abc");
    let collection = collection.embedding_function(gemini.build().unwrap());
    let record = |number: &str| chroma_blocking::Record::new(number).document(number);
    let error = collection
        .get()
        .unwrap()
        .upsert(["5", "6", "7", "8"].map(record))
        .unwrap_err();
    assert_eq!(error.status(), Some(403));
    let Error::Embedding { source, .. } = &error else {
        panic!("{error}");
    };
    let Some(Error::PartlyEmbedded { done, vectors, .. }) = source.downcast_ref() else {
        panic!("{source}");
    };
    assert_eq!((&done[..], firsts(vectors)), (&[0, 1][..], vec![5, 6]));
}

#[test]
fn a_deadline_ends_a_request_that_hangs() {
    let server = StandIn::start(|_| Answer::hang());
    let gemini = builder(&server).deadline(Duration::from_secs(100));
    let gemini = gemini.build().unwrap();
    let started = Instant::now();
    let call = gemini.embed(["1"]).deadline(Duration::from_millis(200));
    let error = call.run().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("deadline"), "{error}");
    let elapsed = started.elapsed();
    assert!((200..60_000).contains(&elapsed.as_millis()), "{elapsed:?}");
}

#[test]
fn a_flag_stops_the_call() {
    let server = StandIn::start(vectors);
    let flag = Arc::new(AtomicBool::new(false));
    let gemini = builder(&server).concurrency(2).cancel(flag.clone());
    let gemini = gemini.build().unwrap();
    let call = gemini.embed(numbers(0..1000)).on_progress(|progress| {
        let done = progress.done;
        if done >= 100 {
            flag.store(true, Ordering::SeqCst);
        }
    });
    let error = call.run().unwrap_err();
    let Error::PartlyEmbedded {
        done,
        vectors,
        pending,
        source,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(matches!(*source, Error::Cancelled { .. }), "{source}");
    // Requests in flight, and answers that were being read, are finished.
    assert!((100..=150).contains(&done.len()), "{}", done.len());
    assert_eq!((done.len() + pending.len(), firsts(&vectors)), (1000, done));

    // The flag is still set, and stops later calls; so does a flag of a single call.
    let before = server.requests().len();
    let error = gemini.embed(["1"]).run().unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    let other = builder(&server).build().unwrap();
    let error = other.embed(["1"]).cancel(flag).run().unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(server.requests().len(), before);
}

#[test]
fn the_flag_of_a_context_stops_the_call() {
    let server = StandIn::start(vectors);
    let gemini = builder(&server).concurrency(2).build().unwrap();
    let (flag, all) = (AtomicBool::new(false), numbers(0..1000));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut report = |progress: &Progress| flag.store(progress.done >= 100, Ordering::SeqCst);
    let mut context = EmbeddingContext::new(Purpose::Documents)
        .on_progress(&mut report)
        .cancel(&flag);
    let error = gemini.embed_with(&all, &mut context).unwrap_err();
    let Ok(Error::PartlyEmbedded { done, source, .. }) = error.downcast().map(|error| *error)
    else {
        panic!("another error");
    };
    assert!(matches!(*source, Error::Cancelled { .. }), "{source}");
    // Requests that were in flight, or whose answers were being read, are finished.
    assert!((100..=150).contains(&done.len()), "{}", done.len());

    let before = server.requests().len();
    let mut context = EmbeddingContext::new(Purpose::Queries).cancel(&flag);
    let error = gemini.embed_with(&["1"], &mut context).unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert!(matches!(*error, Error::Cancelled { .. }), "{error}");
    assert_eq!(server.requests().len(), before);
}

// Both calls share one permit and one queue. The large call would take a long time, so it is cancelled when
// the small one has ended.
#[test]
fn a_small_call_does_not_wait_for_the_end_of_a_large_one() {
    let server = StandIn::start(vectors);
    let gemini = builder(&server).batch_size(1).concurrency(1);
    let gemini = gemini.build().unwrap();
    let flag = Arc::new(AtomicBool::new(false));
    let (started, has_started) = mpsc::channel();
    thread::scope(|scope| {
        let large = scope.spawn(|| {
            let call = gemini.embed(numbers(0..20_000)).cancel(flag.clone());
            let call = call.on_progress(move |_| started.send(()).unwrap_or_default());
            call.run()
        });
        has_started.recv().unwrap();
        assert_eq!(firsts(&gemini.embed(["7"]).run().unwrap()), [7]);
        flag.store(true, Ordering::SeqCst);
        let error = large.join().unwrap().unwrap_err();
        let Error::PartlyEmbedded { pending, .. } = error else {
            panic!("{error}");
        };
        assert!(!pending.is_empty());
    });
}

#[test]
fn clones_share_the_rate() {
    let server = StandIn::start(vectors);
    // Ten texts every 61 ms.
    let gemini = builder(&server).requests_per_minute(10_000);
    let gemini = gemini.build().unwrap();
    let started = Instant::now();
    thread::scope(|scope| {
        for part in 0..3 {
            let gemini = gemini.clone();
            let texts = numbers(part * 20..part * 20 + 20);
            scope.spawn(move || gemini.embed(texts).run().unwrap());
        }
    });
    let elapsed = started.elapsed();
    assert!(elapsed >= 5 * Duration::from_millis(60), "{elapsed:?}");
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    // A request may be late, but none is early.
    for (number, request) in requests.iter().enumerate() {
        let earliest = started + Duration::from_millis(60) * number as u32;
        assert!(request.at >= earliest, "request {number}");
    }
}
