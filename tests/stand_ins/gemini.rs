//! `Gemini` with a stand-in for Google on loopback, which checks each request and returns the same errors as
//! Google.

use std::sync::Arc;
use std::time::Duration;

use crate::support::gemini::{
    Google, KEY, MAX_BODY, Period, Row, Rules, V001, V2, V003, bad_key, fault, internal,
    over_quota, overloaded, row_of, titled, vector_of, vectors,
};
use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::{LIMITS, assert_vectors_of, chroma, client, closed_port, fast};
use chroma_blocking::{
    EmbeddingFunction, Error, Gemini, Record, RetryPolicy,
    embed::{Cached, EmbeddingError, GeminiBuilder, LongTexts, MemoryCache, ModelStyle, TaskType},
    ingest::BadRecords,
};
use serde_json::{Value, json};

fn builder(url: &str) -> GeminiBuilder {
    let gemini = Gemini::builder().api_key(KEY).base_url(url);
    gemini.dimension(128).retry(fast())
}

fn gemini(url: &str) -> Gemini {
    builder(url).build().unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn items(google: &Google) -> Vec<Value> {
    let items = |request| body(request)["requests"].as_array().unwrap().clone();
    google.requests().iter().flat_map(items).collect()
}

fn inner(error: &EmbeddingError) -> &Error {
    error.downcast_ref().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn requests_equal_those_of_googles_sdk() {
    let server = Google::start();
    let gemini = builder(&server.url()).dimension(768).build().unwrap();
    let texts = ["a", "\"b\"\n\u{1F980}"];
    assert_vectors_of(&gemini.embed_documents(&texts).unwrap(), &texts, 768);
    assert_vectors_of(&gemini.embed_queries(&texts).unwrap(), &texts, 768);

    for (request, task) in server
        .requests()
        .iter()
        .zip(["RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"])
    {
        let item = |text: &str| {
            json!({
                "model": "models/gemini-embedding-001",
                "content": { "parts": [{ "text": text }], "role": "user" },
                "taskType": task, "outputDimensionality": 768
            })
        };
        assert_eq!(
            body(request),
            json!({ "requests": texts.map(item).to_vec() })
        );
        assert!(
            !request.path.contains(KEY),
            "the key belongs in the header: {}",
            request.path
        );
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn the_second_model_gets_its_task_in_the_text() {
    let server = Google::start();
    let gemini = builder(&server.url()).model(V2);
    let gemini = gemini.query_task(TaskType::QuestionAnswering);
    let gemini = gemini.build().unwrap();
    let documents = gemini.embed_documents(&["a", "b"]).unwrap();
    let query = gemini.embed_queries(&["who?"]).unwrap();

    // Not changed: the vectors of this model have unit length at every dimension.
    let sent = ["title: none | text: a", "title: none | text: b"];
    for (row, text) in documents.rows().zip(sent) {
        assert_eq!(row, vector_of(text, 128));
    }
    assert_eq!(
        query.as_flat(),
        vector_of("task: question answering | query: who?", 128)
    );
    for request in server.requests() {
        let sent = String::from_utf8(request.body).unwrap();
        assert!(!sent.contains("taskType"), "{sent}");
    }
}

#[test]
fn many_texts_are_sent_in_batches_and_kept_in_order() {
    let server = Google::start();
    let texts: Vec<String> = (0..250).map(|i| format!("text {i}")).collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = gemini(&server.url()).embed_documents(&borrowed).unwrap();
    assert_vectors_of(&found, &texts, 128);
    let requests = server.requests();
    let sizes = requests
        .iter()
        .map(|r| body(r)["requests"].as_array().unwrap().len());
    let mut sizes: Vec<_> = sizes.collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[test]
fn a_call_without_texts_sends_no_request() {
    let server = Google::start();
    assert!(
        gemini(&server.url())
            .embed_documents(&[])
            .unwrap()
            .is_empty()
    );
    assert!(server.requests().is_empty());
}

#[test]
fn with_a_cache_only_new_texts_are_sent() {
    let server = Google::start();
    let gemini = || builder(&server.url()).build().unwrap();
    let cache = Arc::new(MemoryCache::new(1 << 20));
    for texts in [&["a", "b", "a"][..], &["c", "b"], &["a", "c"]] {
        let found = Cached::new(gemini(), cache.clone()).embed_documents(texts);
        assert_vectors_of(&found.unwrap(), texts, 128);
    }
    // Another task gives another vector.
    let queries = Cached::new(gemini(), cache).embed_queries(&["a"]);
    assert_vectors_of(&queries.unwrap(), &["a"], 128);
    let sent: Vec<Vec<Value>> = server
        .requests()
        .iter()
        .map(|request| {
            let items = body(request)["requests"].take();
            let items = items.as_array().unwrap().iter();
            items
                .map(|item| item["content"]["parts"][0]["text"].clone())
                .collect()
        })
        .collect();
    assert_eq!(json!(sent), json!([["a", "b"], ["c"], ["a"]]));
}

#[test]
fn full_vectors_of_the_first_model_are_unchanged() {
    let server = Google::start();
    let gemini = builder(&server.url()).dimension(3072).build().unwrap();
    let found = gemini.embed_documents(&["a", "b"]).unwrap();
    assert_eq!(found.row(0).unwrap(), vector_of("a", 3072));
    assert_eq!(found.row(1).unwrap(), vector_of("b", 3072));
}

#[test]
fn waits_as_long_as_google_asks() {
    let wait = Duration::from_millis(200);
    let server = Google::after([over_quota(Period::Minute, 100, V001, wait)]);
    let found = gemini(&server.url()).embed_documents(&["a"]).unwrap();
    assert_vectors_of(&found, &["a"], 128);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(200));
    assert_eq!(requests[0].body, requests[1].body);
}

#[test]
fn a_wait_longer_than_the_policy_allows_fails_at_once() {
    let wait = Duration::from_secs(3600);
    let server = Google::after([over_quota(Period::Minute, 100, V001, wait)]);
    let error = gemini(&server.url()).embed_documents(&["a"]).unwrap_err();
    assert!(matches!(
        inner(&error),
        Error::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 3600
    ));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn server_errors_are_retried_with_the_same_bytes() {
    let slow = fault(504, "DEADLINE_EXCEEDED", "Too slow.", json!([]));
    for failure in [internal(), overloaded(), slow] {
        let status = failure.status();
        let server = Google::after([failure]);
        let found = gemini(&server.url()).embed_documents(&["a", "b"]).unwrap();
        assert_vectors_of(&found, &["a", "b"], 128);
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{status}");
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[test]
fn a_bad_key_is_not_retried() {
    let refusal = |status, name| fault(status, name, "API key not valid.", json!([]));
    for refusal in [
        bad_key(),
        refusal(401, "UNAUTHENTICATED"),
        refusal(403, "PERMISSION_DENIED"),
    ] {
        let status = refusal.status();
        let server = Google::after([refusal]);
        let error = gemini(&server.url()).embed_documents(&["a"]).unwrap_err();
        assert!(
            matches!(inner(&error), Error::Unauthorized { status: found, .. } if *found == status),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

/// Refusals that no wait changes, with the sentence that Google gives.
fn lasting_refusals() -> [(&'static str, Answer); 4] {
    let zero = json!([{ "violations": [{
        "quotaId": "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier", "quotaValue": "0" }] },
        { "retryDelay": "31s" }]);
    [
        ("You exceeded your current quota.", zero),
        ("Your prepayment credits are depleted.", json!([])),
        (
            "Your project has exceeded its monthly spending cap.",
            json!([]),
        ),
        (
            "Quota exceeded for metric: x, limit: 0, model: y",
            json!([]),
        ),
    ]
    .map(|(words, details)| (words, fault(429, "RESOURCE_EXHAUSTED", words, details)))
}

#[test]
fn field_08_a_quota_of_zero_or_an_empty_account_ends_a_call_at_once() {
    for (words, answer) in lasting_refusals() {
        let server = StandIn::start(move |_| answer.clone());
        let patient = Gemini::builder().api_key(KEY).base_url(server.url());
        let patient = patient.dimension(128).build().unwrap();
        let texts: Vec<String> = (0..2_000).map(|i| i.to_string()).collect();
        let error = patient.embed(&texts).run().unwrap_err();
        assert!(matches!(error, Error::QuotaExhausted { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let requests = server.requests().len();
        // Only batches in flight are sent. There are 20 batches.
        assert!(requests <= 10, "{requests} requests");
    }
}

#[test]
fn field_08_a_quota_of_zero_or_an_empty_account_ends_a_job_at_once() {
    for (words, answer) in lasting_refusals() {
        let google = StandIn::start(move |_| answer.clone());
        let chroma = chroma(LIMITS, |_| Answer::ok("{}"));
        let patient = Gemini::builder().api_key(KEY).base_url(google.url());
        let patient = patient.dimension(128).build().unwrap();
        let notes = client(&chroma)
            .collection("abc")
            .embedding_function(patient);
        let notes = notes.get().unwrap();
        let items = (0..20_000).map(|i| Record::new(i.to_string()).document(format!("text {i}")));
        for policy in [BadRecords::default(), BadRecords::skip()] {
            let before = google.requests().len();
            let error = notes
                .ingest(items.clone())
                .bad_records(policy)
                .run()
                .unwrap_err();
            let shown = format!("{error:#}");
            assert!(
                shown.contains(words) && shown.contains("stopped (0"),
                "{shown}"
            );
            let requests = google.requests().len() - before;
            // Only batches in flight are sent. There are 200 batches.
            assert!(requests <= 50, "{requests} requests");
        }
    }
}

#[test]
fn field_08_a_refused_key_ends_a_job_at_once_even_if_bad_records_are_skipped() {
    let without_details = fault(
        400,
        "INVALID_ARGUMENT",
        "API key expired. Please renew it.",
        json!([]),
    );
    for answer in [
        bad_key(),
        without_details,
        fault(403, "PERMISSION_DENIED", "API key leaked", json!([])),
    ] {
        let google = StandIn::start(move |_| answer.clone());
        let chroma = chroma(LIMITS, |_| Answer::ok("{}"));
        let gemini = Gemini::builder().api_key(KEY).base_url(google.url());
        let notes = client(&chroma)
            .collection("abc")
            .embedding_function(gemini.build().unwrap());
        let items = (0..20_000).map(|i| Record::new(i.to_string()).document(format!("text {i}")));
        let job = notes
            .get()
            .unwrap()
            .ingest(items)
            .bad_records(BadRecords::skip())
            .run();
        let shown = format!("{:#}", job.unwrap_err());
        assert!(shown.contains("the key came from api_key"), "{shown}");
        let requests = google.requests().len();
        assert!(requests <= 50, "{requests} requests");
    }
}

#[test]
fn a_wrong_answer_is_an_error() {
    let row = |text: &str| row_of(text, 128);
    let answer = |rows: &[Row]| vectors(rows, false);
    let with = |odd| {
        let mut row = row("b");
        row[127] = odd;
        answer(&[row_of("a", 128), row])
    };
    let single = json!({ "embedding": { "values": vector_of("a", 128) } });
    let wrong = [
        answer(&[]),
        answer(&[row("a")]),
        answer(&[row("a"), row("b"), row("c")]),
        answer(&[row("a"), row_of("b", 127)]),
        answer(&[row("a"), row_of("b", 3072)]),
        answer(&[vec![], row("b")]),
        answer(&[row("a"), vec!["0.0"; 128]]),
        with("NaN"),
        with("\"NaN\""),
        with("Infinity"),
        with("1e39"),
        with("null"),
        Answer::ok(single.to_string()),
        Answer::ok(r#"{"embeddings":[{},{}]}"#),
        Answer::ok(""),
        Answer::html(200),
    ];
    for answer in wrong {
        let shown = format!("{answer:?}");
        let server = StandIn::script([answer]);
        let error = gemini(&server.url())
            .embed_documents(&["a", "b"])
            .unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(inner(&error), Error::Decode { .. }),
            "{text}: {shown}"
        );
        assert!(
            text.contains(&server.url()) && text.contains(V001),
            "{text}"
        );
        assert!(text.len() < 1000, "{text}");
    }
}

// Google's real message about a suspended key (403, reason CONSUMER_SUSPENDED) contains the key.
#[test]
fn errors_hide_a_key_that_google_repeats() {
    let words = format!("Permission denied: Consumer 'api_key:{KEY}' has been suspended.");
    let server = Google::after([fault(403, "PERMISSION_DENIED", &words, json!([]))]);
    let error = gemini(&server.url()).embed_documents(&["a"]).unwrap_err();
    assert!(matches!(inner(&error), Error::Unauthorized { .. }));
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
}

// Quotes and line breaks take two bytes each in JSON, so 3 MiB of text may exceed Google's limit of 4 MiB.
#[test]
fn batches_stay_below_googles_limit_after_json_escaping() {
    let server = Google::start();
    let texts: Vec<String> = (0..100)
        .map(|i| format!("{i}") + &"\"\n".repeat(15_000))
        .collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    // Each line counts as a word, and so as a token.
    let gemini = builder(&server.url()).long_texts(LongTexts::Warn);
    let gemini = gemini.build().unwrap();
    let found = gemini.embed_documents(&borrowed).unwrap();
    assert_vectors_of(&found, &texts, 128);
    let sizes = server
        .requests()
        .into_iter()
        .map(|request| request.body.len());
    assert!(sizes.max() <= Some(MAX_BODY));
}

// Google's real answers have line breaks.
#[test]
fn answers_with_line_breaks_are_read() {
    let server = Google::with(Rules {
        pretty: true,
        ..Rules::default()
    });
    let found = gemini(&server.url()).embed_documents(&["a", "b"]).unwrap();
    assert_vectors_of(&found, &["a", "b"], 128);
}

#[test]
fn the_error_for_an_unreachable_host_names_it() {
    let (_reserved, address) = closed_port();
    let url = format!("http://{address}");
    let gemini = Gemini::builder().api_key(KEY).base_url(&url);
    let gemini = gemini.retry(RetryPolicy::none()).build().unwrap();
    let error = gemini.embed_documents(&["a"]).unwrap_err();
    assert!(matches!(inner(&error), Error::Connection { .. }));
    assert!(error.to_string().contains(&url), "{error}");
}

// Recorded requests of Google's SDK.
#[test]
fn titles_are_sent_as_in_googles_sdk() {
    let google = Google::start();
    let gemini = builder(&google.url()).dimension(768).build().unwrap();
    let titles = [Some("T"), None, Some("U"), Some("T")];
    let texts = ["a", "a", "a", "a"];
    let found = gemini.embed(texts).titles(&titles).run().unwrap();
    let known_by = titles.map(|title| title.map_or("a".to_owned(), |title| titled(title, "a")));
    assert_vectors_of(&found, &known_by, 768);

    let items = items(&google);
    assert_eq!(items.len(), 3, "the same text with a different title");
    assert_eq!(
        items[0],
        json!({
            "model": "models/gemini-embedding-001",
            "content": { "parts": [{ "text": "a" }], "role": "user" },
            "taskType": "RETRIEVAL_DOCUMENT", "title": "T", "outputDimensionality": 768
        })
    );
    let request = &google.requests()[0];
    let path = "/v1beta/models/gemini-embedding-001:batchEmbedContents";
    assert_eq!(request.path, path);
    assert_eq!(request.header("x-goog-api-key"), Some(KEY));
}

#[test]
fn the_second_model_gets_task_and_title_in_the_text_of_each_item() {
    for (task, text) in [
        (TaskType::RetrievalDocument, "title: none | text: a"),
        (TaskType::RetrievalQuery, "task: search result | query: a"),
        (
            TaskType::QuestionAnswering,
            "task: question answering | query: a",
        ),
        (TaskType::FactVerification, "task: fact checking | query: a"),
        (
            TaskType::CodeRetrievalQuery,
            "task: code retrieval | query: a",
        ),
        (TaskType::Classification, "task: classification | query: a"),
        (TaskType::Clustering, "task: clustering | query: a"),
        (
            TaskType::SemanticSimilarity,
            "task: sentence similarity | query: a",
        ),
    ] {
        let google = Google::start();
        let gemini = builder(&google.url()).model(V2).build().unwrap();
        let found = gemini.embed(["a", "b"]).task(task).run().unwrap();
        let item = |text: &str| {
            json!({
                "model": "models/gemini-embedding-2",
                "content": { "parts": [{ "text": text }], "role": "user" },
                "outputDimensionality": 128
            })
        };
        let other = format!("{}b", text.strip_suffix('a').unwrap());
        assert_eq!(items(&google), [item(text), item(&other)]);
        // Not changed: the vectors of this model have unit length at every dimension.
        assert_eq!(found.row(0).unwrap(), vector_of(text, 128));
        assert_eq!(found.row(1).unwrap(), vector_of(&other, 128));
    }
    let google = Google::start();
    let gemini = builder(&google.url()).model(V2).build().unwrap();
    let call = gemini.embed(["a", "b"]).titles(&[Some("T"), None]);
    let found = call.run().unwrap();
    assert_eq!(found.row(0).unwrap(), vector_of("title: T | text: a", 128));
    assert_eq!(
        found.row(1).unwrap(),
        vector_of("title: none | text: b", 128)
    );
}

#[test]
fn an_unknown_model_needs_a_style() {
    let google = Google::start();
    let newer = || builder(&google.url()).model(V003);
    assert!(newer().build().is_err());
    let gemini = newer().model_style(ModelStyle::TaskField).build().unwrap();
    assert_eq!(gemini.embed(["a"]).run().unwrap().len(), 1);
    assert_eq!(items(&google)[0]["taskType"], "RETRIEVAL_DOCUMENT");

    let unknown = builder(&google.url()).model("gemini-embedding-9");
    let unknown = unknown.model_style(ModelStyle::TaskInText).build().unwrap();
    let error = unknown.embed(["a"]).run().unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn invalid_texts_are_refused_before_a_request() {
    let google = Google::start();
    let gemini = gemini(&google.url());
    let long = "word ".repeat(3_000);
    for bad in ["", long.as_str()] {
        let error = gemini.embed(["a", bad, "b"]).run().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert!(error.to_string().contains("text 1"), "{error}");
    }
    let query = gemini.embed(["a"]).task(TaskType::RetrievalQuery);
    assert!(query.titles(&[Some("T")]).run().is_err());
    assert!(gemini.embed(["a", "b"]).titles(&[Some("T")]).run().is_err());
    assert!(google.requests().is_empty());
}

// Without these checks in the stand-in, the tests above would prove little.
#[test]
fn the_stand_in_detects_invalid_requests() {
    let item = |odd: Value| {
        let mut item = json!({
            "model": format!("models/{V001}"), "taskType": "RETRIEVAL_DOCUMENT",
            "content": { "parts": [{ "text": "a" }], "role": "user" }
        });
        let odd = odd.as_object().unwrap().clone();
        item.as_object_mut().unwrap().extend(odd);
        item
    };
    let parts = |texts: &[&str]| {
        let parts: Vec<_> = texts.iter().map(|text| json!({ "text": text })).collect();
        json!({ "content": { "parts": parts, "role": "user" } })
    };
    let server = Google::start();
    let send = |model: &str, items: &[Value]| {
        let url = format!("{}/v1beta/models/{model}:batchEmbedContents", server.url());
        let request = ureq::post(url)
            .header("content-type", "application/json")
            .header("x-goog-api-client", "chroma-blocking/0")
            .header("x-goog-api-key", KEY);
        let sent = request.send(json!({ "requests": items }).to_string());
        (sent.is_ok(), server.take_wrong())
    };
    assert_eq!(send(V001, &[item(json!({}))]), (true, vec![]));
    for (odd, wrong) in [
        (json!({ "taskTyp": "CLUSTERING" }), "unknown field"),
        (json!({ "autoTruncate": true }), "unknown field"),
        (json!({ "taskType": null }), "taskType"),
        (json!({ "taskType": "clustering" }), "taskType"),
        (json!({ "taskType": "CLUSTERING", "title": "T" }), "title"),
        (json!({ "model": "models/gemini-embedding-2" }), "model"),
        (
            json!({ "outputDimensionality": 64 }),
            "outputDimensionality",
        ),
        (json!({ "outputDimensionality": "768" }), "invalid type"),
        (parts(&["a", "b"]), "parts"),
        (parts(&[]), "parts"),
        (parts(&[""]), "an empty part"),
        (
            json!({ "content": { "parts": [{ "text": "a" }], "role": "model" } }),
            "role",
        ),
    ] {
        let shown = odd.to_string();
        let (fine, noted) = send(V001, &[item(json!({})), item(odd)]);
        assert!(
            !fine && noted.len() == 1 && noted[0].contains(wrong),
            "{shown}: {noted:?}"
        );
    }
    let second = |text: &str| {
        let content = &parts(&[text])["content"];
        json!({ "model": format!("models/{V2}"), "content": content })
    };
    assert!(send(V2, &[second("title: none | text: a")]).0);
    assert!(!send(V2, &[second("a")]).1.is_empty());
    assert!(!send(V001, &vec![item(json!({})); 101]).1.is_empty());
}
