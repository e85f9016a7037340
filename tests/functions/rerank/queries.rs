//! Queries whose hits are reranked.

use std::sync::Mutex;

use chroma_blocking::embed::EmbeddingError;
use chroma_blocking::hybrid::RerankedResult;
use chroma_blocking::{Collection, Hashing, Include, Result};

use super::*;
use crate::support::{LIMITS, chroma, client};

/// Starts a Chroma server. Its hits are `id0`, `id1`, … in order of distance. The documents are the longer the
/// farther away they are; that of `id1` is missing, and that of `id2` is empty.
fn server() -> StandIn {
    chroma(LIMITS, |request| {
        assert!(request.path.ends_with("/query"), "{}", request.path);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let count = body["n_results"].as_u64().unwrap();
        let list = |of: fn(u64) -> Value| json!([(0..count).map(of).collect::<Vec<_>>()]);
        let document = |n| match n {
            1 => Value::Null,
            2 => json!(" "),
            n => json!("x".repeat(n as usize + 1)),
        };
        let mut answer = json!({
            "ids": list(|n| json!(format!("id{n}"))),
            "distances": list(|n| json!(n as f32 / 4.0)),
        });
        let include = body["include"].as_array().unwrap();
        if include.contains(&json!("documents")) {
            answer["documents"] = list(document);
        }
        if include.contains(&json!("metadatas")) {
            answer["metadatas"] = list(|_| Value::Null);
        }
        Answer::ok(answer.to_string())
    })
}

fn notes(server: &StandIn) -> Collection {
    let abc = client(server).collection("abc");
    let function = Hashing::default();
    abc.embedding_function(function).get().unwrap()
}

/// A reranker that calls a function, and counts its calls.
struct Custom<F>(F, AtomicUsize);

impl<F> Custom<F> {
    fn new(rerank: F) -> Custom<F> {
        Custom(rerank, AtomicUsize::new(0))
    }

    fn calls(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }
}

impl<F> Reranker for Custom<F>
where
    F: Fn(&str, &[&str], &RerankContext) -> Result<Vec<f32>, EmbeddingError> + Send + Sync,
{
    fn name(&self) -> &str {
        "custom"
    }

    fn rerank(
        &self,
        query: &str,
        documents: &[&str],
        context: &RerankContext,
    ) -> Result<Vec<f32>, EmbeddingError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        (self.0)(query, documents, context)
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is a reranker")]
fn by_length(_: &str, documents: &[&str], _: &RerankContext) -> Result<Vec<f32>, EmbeddingError> {
    Ok(documents.iter().map(|document| score(document)).collect())
}

fn ids(result: &RerankedResult) -> Vec<&str> {
    result.ids().collect()
}

/// Returns the bodies of the queries that a server received.
fn sent(server: &StandIn) -> Vec<Value> {
    let queries = server.requests_to("/query");
    let body = |request: &Request| serde_json::from_slice(&request.body).unwrap();
    queries.iter().map(body).collect()
}

/// Checks that the hits are in order of distance, without scores.
#[track_caller]
fn assert_by_distance(result: &RerankedResult) {
    assert!(!result.is_reranked());
    assert_eq!(ids(result), ["id0", "id1", "id2"]);
    assert!(result.iter().all(|hit| hit.score.is_none()));
}

#[test]
fn hits_are_in_the_order_of_the_service_s_scores() {
    let (server, service) = (server(), StandIn::start(cohere));
    let reranker = at_cohere(&service);
    let query = notes(&server).query("q").n_results(3);
    let result = query.rerank(&reranker).over_fetch(5).run().unwrap();
    assert_eq!(ids(&result), ["id4", "id3", "id0"]);
    assert_eq!(result[0].score, Some(score("xxxxx")));
    assert_eq!(result[0].distance, 1.0);
    assert_eq!(result[0].document.as_deref(), Some("xxxxx"));
    assert!(result.is_reranked());
    let body: Value = serde_json::from_slice(&service.requests()[0].body).unwrap();
    assert_eq!(body["documents"], json!(["x", "xxxx", "xxxxx"]));

    // Hits without a text follow the others.
    let query = notes(&server).query("q").n_results(5);
    let all = query.rerank(Arc::new(reranker)).run().unwrap();
    assert_eq!(ids(&all), ["id19", "id18", "id17", "id16", "id15"]);
    let query = notes(&server).query("q").n_results(4);
    let all = query
        .rerank(at_cohere(&service))
        .over_fetch(4)
        .run()
        .unwrap();
    assert_eq!(ids(&all), ["id3", "id0", "id1", "id2"]);
    assert_eq!((all[2].score, all[3].score), (None, None));
}

#[test]
fn the_number_of_candidates_has_a_default() {
    let server = server();
    let reranker = Custom::new(by_length);
    for (results, candidates) in [(1, 4), (10, 40), (30, 100), (100, 100), (150, 150)] {
        let query = notes(&server).query("q").n_results(results);
        let result = query.rerank(&reranker).run().unwrap();
        assert_eq!(result.len(), results);
        assert_eq!(sent(&server).last().unwrap()["n_results"], candidates);
    }
    let before = (sent(&server).len(), reranker.calls());
    let none = notes(&server).query("q").n_results(0).rerank(&reranker);
    assert!(none.over_fetch(5).run().unwrap().is_empty());
    assert_eq!((sent(&server).len(), reranker.calls()), before);
}

#[test]
fn documents_are_fetched_and_removed_if_nobody_asked_for_them() {
    let server = server();
    let reranker = Custom::new(by_length);
    let query = || notes(&server).query("q").n_results(3);
    for (include, expected) in [
        (vec![], json!(["distances", "documents"])),
        (
            vec![Include::Metadatas],
            json!(["distances", "metadatas", "documents"]),
        ),
        (vec![Include::Documents], json!(["distances", "documents"])),
    ] {
        let is_asked = include.contains(&Include::Documents);
        let result = query().include(include).rerank(&reranker).run().unwrap();
        assert_eq!(result[0].document.is_some(), is_asked);
        assert!(result[0].score.is_some());
        let body = sent(&server).pop().unwrap();
        let names = |list: &Value| {
            let mut names: Vec<String> = serde_json::from_value(list.clone()).unwrap();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&body["include"]), names(&expected));
    }
}

#[test]
fn bad_input_is_refused_before_a_request() {
    let server = server();
    let reranker = Custom::new(by_length);
    let notes = notes(&server);
    for (query, words) in [
        (
            notes.query([1.0, 2.0]).rerank(&reranker),
            "pass the text with .rerank_text(...)",
        ),
        (
            notes.query(" ").rerank(&reranker),
            "pass one that is not empty",
        ),
        (
            notes.query("q").rerank(&reranker).rerank_text(""),
            "rerank_text is empty or not set",
        ),
        (
            notes.query("q").rerank(&reranker).over_fetch(4),
            "over_fetch is \"4\": it is the number of hits to choose from, so it must be at least n_results, which is \
             10",
        ),
    ] {
        let error = query.run().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("query \"abc\": ") && text.contains(words),
            "{text}"
        );
    }
    assert_eq!((sent(&server).len(), reranker.calls()), (0, 0));
}

#[test]
fn a_query_by_a_vector_compares_the_given_text() {
    let server = server();
    let texts = Mutex::new(Vec::new());
    let reranker = Custom::new(|text: &str, documents: &[&str], _: &RerankContext| {
        texts.lock().unwrap().push(text.to_owned());
        Ok(vec![1.0; documents.len()])
    });
    let notes = notes(&server);
    let query = notes.query([1.0, 2.0]).n_results(3);
    let result = query.rerank(&reranker).rerank_text("given").run().unwrap();
    // Equal scores: in order of distance.
    assert_eq!(ids(&result), ["id0", "id3", "id4"]);
    let query = notes.query("q").n_results(3).rerank(&reranker);
    query.rerank_text("another").run().unwrap();
    notes.query("q").rerank(&reranker).run().unwrap();
    assert_eq!(*texts.lock().unwrap(), ["given", "another", "q"]);
}

#[test]
fn a_service_that_does_not_answer_in_time_leaves_the_order_of_distance() {
    let (server, service) = (server(), StandIn::start(|_| Answer::hang()));
    let reranker = cohere_builder(&service).retry(fast()).build().unwrap();
    let query = notes(&server).query("q").n_results(3).include([]);
    let budget = Duration::from_millis(200);
    let result = query.rerank(&reranker).time_budget(budget).run().unwrap();
    assert_by_distance(&result);
    assert_eq!(result[0].document, None);
}

/// The wait would end after the budget, so nothing waits.
#[test]
fn a_service_that_asks_for_a_longer_wait_leaves_the_order_of_distance() {
    let busy = |seconds: u32| {
        StandIn::start(move |_| Answer::new(429, "{}").header("retry-after", seconds))
    };
    let run = |service: &StandIn, budget: Option<Duration>| {
        let server = server();
        let reranker = cohere_builder(service).retry(RetryPolicy::default());
        let query = notes(&server).query("q").n_results(3);
        let mut query = query.rerank(reranker.build().unwrap());
        if let Some(budget) = budget {
            query = query.time_budget(budget);
        }
        query.run()
    };
    let service = busy(50);
    let budget = Some(Duration::from_secs(20));
    assert_by_distance(&run(&service, budget).unwrap());
    assert_eq!(service.requests().len(), 1);
    // Longer than the policy allows: an error, whatever the budget.
    for budget in [budget, Some(HOUR), None] {
        let error = run(&busy(100), budget).unwrap_err();
        assert_eq!((error.kind(), error.status()), ("reranking", Some(429)));
    }
}

#[test]
fn a_reranker_that_fails_in_time_is_an_error() {
    let (server, service) = (server(), StandIn::start(|_| Answer::hang()));
    let query = || notes(&server).query("q").n_results(3);
    // The deadline of its own policy is no budget.
    let policy = fast().deadline(Duration::from_millis(50));
    let reranker = cohere_builder(&service).retry(policy).build().unwrap();
    let error = query().rerank(&reranker).time_budget(HOUR).run();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), "reranking", "{error}");
    assert!(error.is_retryable(), "{error}");
    crate::assert_hidden(KEY, &error, &reranker);

    let wrong = Custom::new(|_: &str, _: &[&str], _: &RerankContext| Ok(vec![f32::NAN; 10]));
    let error = query().rerank(&wrong).time_budget(HOUR).run().unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "query \"abc\": the reranker custom failed: the score of document 0 (counted from 0) is NaN"
    );
}

#[test]
fn a_budget_of_zero_does_not_call_the_reranker() {
    let server = server();
    let reranker = Custom::new(by_length);
    let query = notes(&server).query("q").n_results(3).rerank(&reranker);
    let result = query.time_budget(Duration::ZERO).run().unwrap();
    assert_by_distance(&result);
    assert_eq!(reranker.calls(), 0);
}

#[test]
fn a_custom_reranker_sees_the_budget_and_can_give_up() {
    let server = server();
    let gives_up = Custom::new(|_: &str, _: &[&str], context: &RerankContext| {
        assert!(context.time_left().is_none_or(|left| left <= HOUR));
        context.give_up();
        Err("it takes two hours".into())
    });
    let query = || notes(&server).query("q").n_results(3).rerank(&gives_up);
    assert_by_distance(&query().time_budget(HOUR).run().unwrap());
    let error = query().run().unwrap_err();
    assert!(format!("{error:#}").ends_with("failed: it takes two hours"));

    // Runs until the budget is spent. Scores that are there count, errors do not.
    let until_spent = |context: &RerankContext| {
        while context.time_left().is_some_and(|left| !left.is_zero()) {
            std::thread::yield_now();
        }
    };
    let late = Custom::new(|query: &str, documents: &[&str], context: &RerankContext| {
        until_spent(context);
        by_length(query, documents, context)
    });
    let fails = Custom::new(|_: &str, _: &[&str], context: &RerankContext| {
        until_spent(context);
        Err("out of time".into())
    });
    let soon = Duration::from_millis(20);
    let query = notes(&server).query("q").n_results(3);
    let result = query.clone().rerank(&late).time_budget(soon).run().unwrap();
    assert!(result.is_reranked() || late.calls() == 0);
    assert_by_distance(&query.rerank(&fails).time_budget(soon).run().unwrap());
}

#[test]
fn the_flag_of_the_collection_cancels_reranking() {
    let server = server();
    let flag = Arc::new(AtomicBool::new(false));
    let raise = Arc::clone(&flag);
    let reranker = Custom::new(move |_: &str, _: &[&str], context: &RerankContext| {
        assert!(!context.is_cancelled());
        raise.store(true, Ordering::Relaxed);
        assert!(context.is_cancelled());
        Err("stopped".into())
    });
    let notes = notes(&server).with_cancel(flag);
    let error = notes.query("q").rerank(&reranker).run().unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
}
