//! Rerankers over HTTP, with strict stand-ins for their services, alone and in queries.

mod queries;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chroma_blocking::embed::{
    CohereRerank, HttpReranker, HttpRerankerBuilder, RerankContext, Reranker,
    TextEmbeddingsInferenceRerank,
};
use chroma_blocking::{Error, InvalidInput, RetryPolicy};
use serde_json::{Value, json};

use crate::support::fast;
use crate::support::stand_in::{Answer, Request, StandIn};

const KEY: &str = "canary-of-a-key";
const HOUR: Duration = Duration::from_secs(3_600);

/// The score of a document: its length, in sixteenths.
fn score(document: &str) -> f32 {
    document.len() as f32 / 16.0
}

/// Checks a request, and returns its documents, which are in the member `name`. The rest of the body must be
/// `rest`.
fn documents(request: &Request, path: &str, name: &str, rest: &Value) -> Vec<String> {
    assert_eq!((&*request.method, &*request.path), ("POST", path));
    let kind = request.header("content-type");
    assert_eq!(kind, Some("application/json"));
    let mut body: Value = serde_json::from_slice(&request.body).unwrap();
    let documents = body.as_object_mut().unwrap().remove(name).unwrap();
    assert_eq!(body, *rest);
    serde_json::from_value(documents).unwrap()
}

/// Returns one entry for each document, best first, as both services do.
fn ranks(documents: &[String], name: &str) -> Vec<Value> {
    let mut places: Vec<usize> = (0..documents.len()).collect();
    places.sort_by(|a, b| score(&documents[*b]).total_cmp(&score(&documents[*a])));
    let rank =
        |index: usize| json!({ "index": index, name: score(&documents[index]), "text": "x" });
    places.into_iter().map(rank).collect()
}

/// Answers like Cohere.
fn cohere(request: &Request) -> Answer {
    if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
        return Answer::new(401, r#"{"id":"x","message":"invalid api token"}"#);
    }
    let rest = json!({ "model": "rerank-v3.5", "query": "q" });
    let documents = documents(request, "/v2/rerank", "documents", &rest);
    assert!((1..=1_000).contains(&documents.len()));
    let results = ranks(&documents, "relevance_score");
    Answer::ok(json!({ "id": "x", "results": results, "meta": {} }).to_string())
}

/// Answers like Text Embeddings Inference.
fn tei(request: &Request) -> Answer {
    let rest = json!({ "query": "q", "raw_scores": false, "truncate": true });
    let documents = documents(request, "/rerank", "texts", &rest);
    assert!(!documents.is_empty());
    if documents.len() > 32 {
        let error = "batch size 33 > maximum allowed batch size 32";
        return Answer::new(422, json!({ "error": error }).to_string());
    }
    if let Some(bad) = documents.iter().find(|text| text.contains("refuse")) {
        let error = json!({ "error": format!("{bad} is no text"), "error_type": "Tokenizer" });
        return Answer::new(422, error.to_string());
    }
    Answer::ok(Value::from(ranks(&documents, "score")).to_string())
}

fn cohere_builder(service: &StandIn) -> HttpRerankerBuilder {
    HttpReranker::builder(CohereRerank::new("rerank-v3.5"))
        .api_key(KEY)
        .base_url(format!("{}/v2", service.url()))
        .retry(RetryPolicy::none())
}

fn at_cohere(service: &StandIn) -> HttpReranker {
    cohere_builder(service).build().unwrap()
}

fn at_tei(service: &StandIn) -> HttpReranker {
    HttpReranker::new(TextEmbeddingsInferenceRerank::new(service.url())).unwrap()
}

fn rerank_in(
    context: &RerankContext,
    reranker: &HttpReranker,
    documents: &[&str],
) -> Result<Vec<f32>, Error> {
    let result = reranker.rerank("q", documents, context);
    result.map_err(|error| *error.downcast::<Error>().unwrap())
}

fn rerank(reranker: &HttpReranker, documents: &[&str]) -> Result<Vec<f32>, Error> {
    rerank_in(&RerankContext::new(), reranker, documents)
}

/// Returns documents of different lengths, and their scores.
fn many(count: usize) -> (Vec<String>, Vec<f32>) {
    let documents: Vec<String> = (0..count).map(|n| "x".repeat(1 + n * 7 % count)).collect();
    let scores = documents.iter().map(|document| score(document)).collect();
    (documents, scores)
}

/// Returns the numbers of documents in the requests so far.
fn sizes(service: &StandIn, name: &str) -> Vec<usize> {
    let size = |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body[name].as_array().unwrap().len()
    };
    let mut sizes: Vec<usize> = service.requests().iter().map(size).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn scores_of_cohere_are_in_the_order_of_the_documents() {
    let service = StandIn::start(cohere);
    let reranker = at_cohere(&service);
    assert_eq!(
        rerank(&reranker, &["bb", "\"ä\"\n", "a"]).unwrap(),
        [score("bb"), score("\"ä\"\n"), score("a")]
    );
    let (documents, scores) = many(1_001);
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    assert_eq!(rerank(&reranker, &documents).unwrap(), scores);
    assert_eq!(sizes(&service, "documents"), [1, 3, 1_000]);
    assert_eq!(
        reranker.clone().metrics().operations["rerank"].calls,
        3,
        "clones share their connections"
    );
    assert_eq!(
        (reranker.name(), reranker.model()),
        ("cohere", "rerank-v3.5")
    );
}

#[test]
fn documents_are_sent_to_text_embeddings_inference_in_batches() {
    let service = StandIn::start(tei);
    let (documents, scores) = many(70);
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    assert_eq!(rerank(&at_tei(&service), &documents).unwrap(), scores);
    assert_eq!(sizes(&service, "texts"), [6, 32, 32]);
}

#[test]
fn a_key_is_optional_for_text_embeddings_inference() {
    let service = StandIn::start(tei);
    rerank(&at_tei(&service), &["a"]).unwrap();
    let server = TextEmbeddingsInferenceRerank::new(format!("{}/rerank", service.url()));
    let with_key = HttpReranker::builder(server).api_key(KEY).build().unwrap();
    rerank(&with_key, &["a"]).unwrap();
    let sent = service.requests();
    let keys: Vec<_> = sent.iter().map(|r| r.header("authorization")).collect();
    let variable = std::env::var_os("HUGGINGFACE_API_KEY");
    assert_eq!(keys[0].is_some(), variable.is_some());
    assert_eq!(keys[1], Some("Bearer canary-of-a-key"));
}

/// The server was started with a smaller `--max-client-batch-size`.
#[test]
fn a_batch_that_is_too_large_for_the_server_is_halved() {
    let service = StandIn::start(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body["texts"].as_array().unwrap().len() > 4 {
            return Answer::new(413, r#"{"error":"batch size","error_type":"Validation"}"#);
        }
        tei(request)
    });
    let (documents, scores) = many(8);
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    assert_eq!(rerank(&at_tei(&service), &documents).unwrap(), scores);
    assert_eq!(sizes(&service, "texts"), [4, 4, 8]);
}

#[test]
fn a_refused_document_is_found_and_named() {
    let service = StandIn::start(tei);
    let error = rerank(&at_tei(&service), &["a", "b", "refuse me", "c"]).unwrap_err();
    let expected = "text 2 (counted from 0) was refused by the server: refuse me is no text";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_rate_limit_is_waited_for() {
    let calls = AtomicUsize::new(0);
    let service = StandIn::start(move |request| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::new(429, r#"{"message":"slow down"}"#).header("retry-after", 0),
        1 => Answer::new(503, ""),
        _ => cohere(request),
    });
    let reranker = cohere_builder(&service).retry(fast()).build().unwrap();
    assert_eq!(rerank(&reranker, &["a"]).unwrap(), [score("a")]);
    assert_eq!(service.requests().len(), 3);
}

#[test]
fn nothing_is_sent_without_documents_or_for_bad_input() {
    let service = StandIn::start(cohere);
    let reranker = at_cohere(&service);
    assert!(rerank(&reranker, &[]).unwrap().is_empty());
    for query in ["", " \n"] {
        let refused = reranker.rerank(query, &["a"], &RerankContext::new());
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("query is empty or not set"), "{error}");
    }
    let stopped = RerankContext::new().cancel(Arc::new(AtomicBool::new(true)));
    let error = rerank_in(&stopped, &reranker, &["a"]).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn bad_settings_are_refused() {
    let cohere = || HttpReranker::builder(CohereRerank::new("m")).api_key(KEY);
    let tei = |url: &str| HttpReranker::builder(TextEmbeddingsInferenceRerank::new(url));
    for (builder, words) in [
        (
            HttpReranker::builder(CohereRerank::new(" ")).api_key(KEY),
            "model is empty or not set",
        ),
        (
            HttpReranker::builder(CohereRerank::new("m".repeat(513))).api_key(KEY),
            "513 characters",
        ),
        (tei(""), "url is empty or not set"),
        (tei("ftp://tei"), "ftp"),
        (
            cohere().base_url("http://api.example.com"),
            "without encryption",
        ),
        (cohere().api_key(""), "api_key is empty"),
        (
            HttpReranker::builder(CohereRerank::new("m")).api_key_env_var("NOBODYS_KEY"),
            "NOBODYS_KEY",
        ),
        (cohere().batch_size(1_001), "from 1 to 1000"),
        (tei("http://tei").batch_size(33), "from 1 to 32"),
        (cohere().concurrency(0), "concurrency"),
        (cohere().requests_per_minute(0), "requests_per_minute"),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert!(
            matches!(
                error,
                Error::Invalid {
                    reason: InvalidInput::Setting { .. },
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{words}: {error}");
        crate::assert_hidden(KEY, &error, &shown);
    }
}

/// Reranks two documents with a service that answers the same to every request.
fn error_of(answer: Answer) -> Error {
    let service = StandIn::start(move |_| answer.clone());
    let reranker = at_cohere(&service);
    let error = rerank(&reranker, &["a", "b"]).unwrap_err();
    crate::assert_hidden(KEY, &error, &reranker);
    error
}

#[test]
fn refusals_have_their_kind_and_no_key() {
    let words = |status, words: &str| {
        let message = format!("{words} {KEY}");
        Answer::new(status, json!({ "message": message }).to_string())
    };
    for (status, kind) in [
        (401, "unauthorized"),
        (402, "quota_exhausted"),
        (404, "not_found"),
        (429, "rate_limited"),
        (500, "server"),
    ] {
        let error = error_of(words(status, "no"));
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("rerank \"rerank-v3.5\" at "), "{text}");
    }
    let error = error_of(words(400, "model 'm' not found"));
    assert!(
        matches!(error, Error::Server { status: 400, .. }),
        "{error}"
    );
}

#[test]
fn bad_answers_are_errors_that_say_what_is_wrong() {
    let entry = |index: u8| format!(r#"{{"index":{index},"relevance_score":0.5}}"#);
    let of = |entries: &[String]| Answer::ok(format!(r#"{{"results":[{}]}}"#, entries.join(",")));
    let many = vec![entry(0); 100];
    for (answer, words) in [
        (of(&[entry(0)]), "1 scores for 2 documents"),
        (of(&many), "100 scores for 2 documents"),
        (
            of(&[entry(0), entry(2)]),
            "a score of document 2 (counted from 0) of 2",
        ),
        (of(&[entry(1), entry(1)]), "two scores of document 1"),
        (Answer::html(200), "It works!"),
        (
            Answer::ok(" ".repeat(1 << 20)),
            "more than its scores can take; check the address",
        ),
    ] {
        let error = error_of(answer);
        assert!(matches!(error, Error::Decode { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[test]
fn the_deadline_of_the_policy_ends_a_call() {
    let service = StandIn::start(|_| Answer::hang());
    let policy = fast().deadline(Duration::from_millis(50));
    let reranker = cohere_builder(&service).retry(policy).build().unwrap();
    let error = rerank(&reranker, &["a"]).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let short = RerankContext::new().time_budget(Duration::from_millis(50));
    let error = rerank_in(&short, &at_cohere(&service), &["a"]).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}
