//! `Gemini` against a stand-in for Google on loopback, which checks every request and refuses what Google refuses.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use chroma_blocking::{
    EmbeddingError, EmbeddingFunction, Embeddings, Error, Gemini, GeminiBuilder, LongTexts,
    RetryPolicy, TaskType,
};
use serde::Deserialize;
use serde_json::{Value, json};
use support::stand_in::{Answer, Request, StandIn, script};
use support::{closed_port, fast, logs};

const KEY: &str = "AIza-5ecret-k3y";
const V001: &str = "gemini-embedding-001";
const V2: &str = "gemini-embedding-2";
/// Google refuses a body that is larger.
const MAX_BODY: usize = 4_194_304;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Item {
    model: String,
    content: Content,
    task_type: Option<String>,
    title: Option<String>,
    output_dimensionality: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    parts: Vec<Part>,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    text: String,
}

/// A vector that only this text has, of any length but 1: Google's are of unit length at 3072, but so a test sees
/// whether the client touches them.
fn vector_of(text: &str, dimension: usize) -> Vec<f32> {
    let seed = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325, seed);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..dimension).map(|_| next()).collect()
}

fn unit(vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
    let shorten = |x: &f32| (f64::from(*x) / square.sqrt()) as f32;
    vector.iter().map(shorten).collect()
}

fn fault(status: u16, name: &str, message: &str, details: Value) -> Answer {
    let error = json!({ "code": status, "message": message, "status": name, "details": details });
    Answer::new(status, json!({ "error": error }).to_string())
}

fn vectors(rows: &[Vec<f32>]) -> Answer {
    let rows: Vec<_> = rows.iter().map(|row| json!({ "values": row })).collect();
    Answer::ok(json!({ "embeddings": rows }).to_string())
}

/// What Google answers: vectors, or 400 for what is not just as it should be.
fn google(request: &Request) -> Answer {
    match checked(request) {
        Ok(rows) => vectors(&rows),
        Err(wrong) => fault(400, "INVALID_ARGUMENT", &wrong, json!([])),
    }
}

fn checked(request: &Request) -> Result<Vec<Vec<f32>>, String> {
    let sound = |sound: bool, wrong: &str| sound.then_some(()).ok_or_else(|| wrong.to_owned());
    let model = [V001, V2]
        .into_iter()
        .find(|model| request.path == format!("/v1beta/models/{model}:batchEmbedContents"));
    let model = model.ok_or_else(|| format!("no such path {}", request.path))?;
    sound(request.method == "POST", "not a POST")?;
    sound(request.header("x-goog-api-key") == Some(KEY), "key")?;
    sound(
        request.header("content-type") == Some("application/json"),
        "content-type",
    )?;
    let client = request.header("x-goog-api-client").unwrap_or_default();
    let (name, version) = client.split_once('/').unwrap_or_default();
    sound(
        name == "chroma-blocking" && !version.is_empty(),
        "x-goog-api-client",
    )?;
    if request.body.len() > MAX_BODY {
        return Err(format!(
            "Request payload size exceeds the limit: {MAX_BODY} bytes."
        ));
    }
    let body: Body = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    sound(!body.requests.is_empty(), "no requests")?;
    sound(
        body.requests.len() <= 100,
        "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch",
    )?;
    let embed = |item: &Item| {
        sound(item.model == format!("models/{model}"), "model")?;
        // Several parts would become one vector.
        sound(item.content.parts.len() == 1, "parts")?;
        sound(item.content.role == "user", "role")?;
        let task = item.task_type.as_deref();
        sound((model == V001) == task.is_some(), "taskType")?;
        sound(
            item.title.is_none() || task == Some("RETRIEVAL_DOCUMENT"),
            "title",
        )?;
        let dimension = item.output_dimensionality.unwrap_or(3072);
        sound((128..=3072).contains(&dimension), "outputDimensionality")?;
        Ok(vector_of(&item.content.parts[0].text, dimension))
    };
    body.requests.iter().map(embed).collect()
}

/// A Google that first gives these answers, and then works.
fn google_after(answers: impl IntoIterator<Item = Answer>) -> StandIn {
    let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
    StandIn::start(move |request| answers.next().unwrap_or_else(|| google(request)))
}

fn builder(server: &StandIn) -> GeminiBuilder {
    let gemini = Gemini::builder().api_key(KEY).base_url(server.url());
    gemini.dimension(128).retry(fast())
}

fn gemini(server: &StandIn) -> Gemini {
    builder(server).build().unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// That each vector is that of its text, in unit length.
fn assert_belong(found: &Embeddings, texts: &[impl AsRef<str>], dimension: usize) {
    assert_eq!((found.len(), found.dimension()), (texts.len(), dimension));
    for (row, text) in found.rows().zip(texts) {
        let expected = unit(&vector_of(text.as_ref(), dimension));
        let off = row.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 1e-6, "{:?}", text.as_ref());
        let length: f32 = row.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
}

fn inner(error: &EmbeddingError) -> &Error {
    error.downcast_ref().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn requests_are_those_of_googles_own_client() {
    let server = StandIn::start(google);
    let gemini = builder(&server).dimension(768).build().unwrap();
    let texts = ["a", "\"b\"\n\u{1F980}"];
    assert_belong(&gemini.embed_documents(&texts).unwrap(), &texts, 768);
    assert_belong(&gemini.embed_queries(&texts).unwrap(), &texts, 768);

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
fn the_second_model_reads_its_task_in_the_text() {
    let server = StandIn::start(google);
    let gemini = builder(&server).model(V2);
    let gemini = gemini.query_task(TaskType::QuestionAnswering);
    let gemini = gemini.build().unwrap();
    let documents = gemini.embed_documents(&["a", "b"]).unwrap();
    let query = gemini.embed_queries(&["who?"]).unwrap();

    // As they came: this model's have unit length at every dimension.
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
fn many_texts_are_several_requests_in_order() {
    let server = StandIn::start(google);
    let texts: Vec<String> = (0..250).map(|i| format!("text {i}")).collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = gemini(&server).embed_documents(&borrowed).unwrap();
    assert_belong(&found, &texts, 128);
    let mut sizes: Vec<_> = server
        .requests()
        .iter()
        .map(|request| body(request)["requests"].as_array().unwrap().len())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[test]
fn no_texts_are_no_request() {
    let server = StandIn::start(google);
    assert!(gemini(&server).embed_documents(&[]).unwrap().is_empty());
    assert!(server.requests().is_empty());
}

#[test]
fn whole_vectors_of_the_first_model_are_left_as_they_are() {
    let server = StandIn::start(google);
    let gemini = builder(&server).dimension(3072).build().unwrap();
    let found = gemini.embed_documents(&["a", "b"]).unwrap();
    assert_eq!(found.row(0).unwrap(), vector_of("a", 3072));
    assert_eq!(found.row(1).unwrap(), vector_of("b", 3072));
}

#[test]
fn the_wait_that_google_asks_for_is_kept() {
    let info = json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
            "quotaId": "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier" }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.2s" }
    ]);
    let server = google_after([fault(429, "RESOURCE_EXHAUSTED", "quota", info)]);
    let found = gemini(&server).embed_documents(&["a"]).unwrap();
    assert_belong(&found, &["a"], 128);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].at - requests[0].at >= Duration::from_millis(200));
    assert_eq!(requests[0].body, requests[1].body);
}

#[test]
fn a_wait_beyond_all_patience_is_an_error_at_once() {
    let info =
        json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s" }]);
    let server = google_after([fault(429, "RESOURCE_EXHAUSTED", "quota", info)]);
    let error = gemini(&server).embed_documents(&["a"]).unwrap_err();
    assert!(matches!(
        inner(&error),
        Error::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 3600
    ));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn failures_of_the_server_are_tried_again_with_the_same_bytes() {
    for (status, name) in [
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ] {
        let server = google_after([fault(status, name, "The model is overloaded", json!([]))]);
        let found = gemini(&server).embed_documents(&["a", "b"]).unwrap();
        assert_belong(&found, &["a", "b"], 128);
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{status}");
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[test]
fn a_bad_key_is_refused_once() {
    let info = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
    for (status, name, details) in [
        (400, "INVALID_ARGUMENT", info),
        (401, "UNAUTHENTICATED", json!([])),
        (403, "PERMISSION_DENIED", json!([])),
    ] {
        let refusal = fault(status, name, "API key not valid.", details);
        let server = google_after([refusal]);
        let error = gemini(&server).embed_documents(&["a"]).unwrap_err();
        assert!(
            matches!(inner(&error), Error::Unauthorized { status: found, .. } if *found == status),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_wrong_answer_is_an_error_and_never_data() {
    let good = || vector_of("a", 128);
    let with = |odd: &str| {
        let rest = "0.5,".repeat(127);
        let values = format!(r#"{{"embeddings":[{{"values":[{rest}{odd}]}},"#);
        let whole = json!({ "values": good() });
        Answer::ok(format!("{values}{whole}]}}"))
    };
    let wrong = [
        vectors(&[]),
        vectors(&[good()]),
        vectors(&[good(), good(), good()]),
        vectors(&[good(), vector_of("b", 127)]),
        vectors(&[good(), vector_of("b", 3072)]),
        vectors(&[vec![], good()]),
        vectors(&[good(), vec![0.0; 128]]),
        with("NaN"),
        with("\"NaN\""),
        with("Infinity"),
        with("1e39"),
        with("null"),
        Answer::ok(json!({ "embedding": { "values": good() } }).to_string()),
        Answer::ok(r#"{"embeddings":[{},{}]}"#),
        Answer::ok(""),
        Answer::html(200),
    ];
    for answer in wrong {
        let shown = format!("{answer:?}");
        let server = StandIn::script([answer]);
        let error = gemini(&server).embed_documents(&["a", "b"]).unwrap_err();
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

#[test]
fn the_key_is_in_no_debug_error_or_log() {
    let logs = logs();
    let server = StandIn::start(script([
        fault(503, "UNAVAILABLE", "overloaded", json!([])),
        Answer::close(),
        google_like_refusal(401),
        Answer::ok("{}"),
        Answer::raw("garbage\r\n\r\n"),
        Answer::new(302, "").header("location", "http://127.0.0.1:1/login"),
    ]));
    let builder = builder(&server).request_timeout(Duration::from_secs(1));
    let mut shown = format!("{builder:?}");
    let gemini = builder.build().unwrap();
    shown += &format!("{gemini:?} {gemini:#?} {:?}", gemini.config());
    for _ in 0..4 {
        let error = gemini.embed_documents(&["a"]).unwrap_err();
        shown += &format!("{error} {error:?}");
    }
    let broken_key = Gemini::builder().api_key(format!("{KEY}\n")).build();
    shown += &format!("{:?}", broken_key.unwrap_err());
    assert!(!shown.contains(KEY), "{shown}");
    let received = server.requests();
    assert_eq!(received[0].header("x-goog-api-key"), Some(KEY));
    logs.assert_free_of(&[KEY]);
}

fn google_like_refusal(status: u16) -> Answer {
    fault(status, "UNAUTHENTICATED", "no", json!([]))
}

// Google's real words for a suspended key (403, reason CONSUMER_SUSPENDED) have the key in them.
#[test]
fn a_key_that_google_repeats_is_not_passed_on() {
    let words = format!("Permission denied: Consumer 'api_key:{KEY}' has been suspended.");
    let server = google_after([fault(403, "PERMISSION_DENIED", &words, json!([]))]);
    let error = gemini(&server).embed_documents(&["a"]).unwrap_err();
    assert!(matches!(inner(&error), Error::Unauthorized { .. }));
    assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
}

// Quotes and line ends take two bytes each in JSON: 3 MiB of text may be more than the 4 MiB that Google takes.
#[test]
fn texts_that_grow_in_json_stay_below_googles_limit() {
    let server = StandIn::start(google);
    let texts: Vec<String> = (0..100)
        .map(|i| format!("{i}") + &"\"\n".repeat(15_000))
        .collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    // Every quote is a word.
    let gemini = builder(&server).long_texts(LongTexts::Warn);
    let gemini = gemini.build().unwrap();
    let found = gemini.embed_documents(&borrowed).unwrap();
    assert_belong(&found, &texts, 128);
}

#[test]
fn nobody_there_is_named() {
    let (_reserved, address) = closed_port();
    let url = format!("http://{address}");
    let gemini = Gemini::builder().api_key(KEY).base_url(&url);
    let gemini = gemini.retry(RetryPolicy::none()).build().unwrap();
    let error = gemini.embed_documents(&["a"]).unwrap_err();
    assert!(matches!(inner(&error), Error::Connection { .. }));
    assert!(error.to_string().contains(&url), "{error}");
}
