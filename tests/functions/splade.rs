//! Chroma Cloud Splade, with a strict stand-in for its service: requests, bad answers, keys, and its use by
//! collections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chroma_blocking::embed::{
    ChromaCloudSplade, EmbeddingContext, EmbeddingError, Purpose, SparseEmbeddingFunction,
};
use chroma_blocking::ingest::BadRecords;
use chroma_blocking::record::SparseVector;
use chroma_blocking::schema::EmbeddingFunctionConfiguration;
use chroma_blocking::search::Knn;
use chroma_blocking::{Error, InvalidInput, RetryPolicy, Search};
use serde_json::{Value, json};

use crate::sparse::{abc, abc_with, bodies, body, printed, record, server, words};
use crate::support::folder::Folder;
use crate::support::stand_in::{Answer, Request, StandIn};
use crate::support::{self, fast};

const KEY: &str = "canary-of-a-key";

/// Answers like the service. Refuses requests that Chroma's clients do not make.
fn service(request: &Request) -> Answer {
    assert_eq!(
        (&*request.method, &*request.path),
        ("POST", "/embed_sparse")
    );
    if request.header("x-chroma-token") != Some(KEY) {
        return Answer::new(401, r#"{"error":"invalid token canary-of-a-key"}"#);
    }
    let model = request.header("x-chroma-embedding-model");
    assert_eq!(model, Some("prithivida/Splade_PP_en_v1"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!((&body["task"], &body["target"]), (&json!(""), &json!("")));
    assert_eq!(body["fetch_tokens"], "false");
    let texts = texts(&body);
    assert!(texts.len() <= 100 && request.body.len() <= 4_100_000);
    if let Some(bad) = texts.iter().find(|text| text.contains("refuse")) {
        return Answer::new(
            400,
            json!({ "error": format!("{bad} is no text") }).to_string(),
        );
    }
    let vectors: Vec<_> = texts.iter().map(|text| unsorted(text)).collect();
    Answer::ok(json!({ "embeddings": vectors, "num_tokens": 5 }).to_string())
}

fn texts(body: &Value) -> Vec<String> {
    let texts = body["texts"].as_array().unwrap();
    let texts: Vec<_> = texts.iter().map(|text| text.as_str().unwrap()).collect();
    assert!(!texts.is_empty() && !texts.contains(&""));
    texts.into_iter().map(str::to_owned).collect()
}

fn unsorted(text: &str) -> Value {
    json!({ "indices": [30_000, text.len()], "values": [0.5, 1.0], "labels": null })
}

fn vector(text: &str) -> SparseVector {
    SparseVector::new([text.len() as u32, 30_000], [1.0, 0.5])
}

fn splade(service: &StandIn) -> ChromaCloudSplade {
    let splade = ChromaCloudSplade::new().api_key(KEY);
    splade.base_url(service.url()).retry(RetryPolicy::none())
}

fn embed(function: &ChromaCloudSplade, texts: &[&str]) -> Result<Vec<SparseVector>, Error> {
    let result = function.embed_documents(texts);
    result.map_err(|error| *error.downcast::<Error>().unwrap())
}

fn sizes(service: &StandIn) -> Vec<usize> {
    let bodies = bodies(service, "/embed_sparse");
    let mut sizes: Vec<_> = bodies.iter().map(|body| texts(body).len()).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn vectors_are_sorted_and_in_the_order_of_their_texts() {
    let service = StandIn::start(service);
    let function = splade(&service);
    let many: Vec<String> = (0..250).map(|length| "x".repeat(length)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let vectors = embed(&function, &many).unwrap();
    // An empty text is not sent.
    assert_eq!(vectors[0], SparseVector::default());
    for (vector, text) in vectors.iter().zip(&many).skip(1) {
        assert_eq!(*vector, self::vector(text));
    }
    assert_eq!(sizes(&service), [49, 100, 100]);
    assert_eq!(embed(&function, &["", ""]).unwrap().len(), 2);
    assert_eq!(sizes(&service).len(), 3);
    assert_eq!(function.clone().metrics().operations["embed"].calls, 3);
}

#[test]
fn requests_are_cut_by_bytes_too() {
    let service = StandIn::start(service);
    let long: Vec<String> = (0..5).map(|more| "\"".repeat(900_000 + more)).collect();
    let texts: Vec<&str> = long.iter().map(String::as_str).collect();
    embed(&splade(&service), &texts).unwrap();
    assert_eq!(sizes(&service), [1, 2, 2]);
}

#[test]
fn equal_texts_are_sent_once() {
    let service = StandIn::start(service);
    let texts = ["a", "bb", "", "a", "bb", "ccc", "a"];
    let vectors = embed(&splade(&service), &texts).unwrap();
    let expected = texts.map(|text| match text {
        "" => SparseVector::default(),
        text => vector(text),
    });
    assert_eq!(vectors, expected);
    let sent = bodies(&service, "/embed_sparse");
    assert_eq!(texts_of_all(&sent), ["a", "bb", "ccc"]);
    let error = embed(&splade(&service), &["a", "a", "refuse", "refuse"]).unwrap_err();
    assert!(error.to_string().contains("text 2 (counted"), "{error}");
}

fn texts_of_all(bodies: &[Value]) -> Vec<String> {
    bodies.iter().flat_map(texts).collect()
}

/// Embeds two texts with a service that answers the same to every request.
fn error_of(answer: Answer) -> Error {
    let service = StandIn::start(move |_| answer.clone());
    let function = splade(&service);
    let error = embed(&function, &["a", "b"]).unwrap_err();
    crate::assert_hidden(KEY, &error, &function);
    error
}

#[test]
fn bad_answers_are_errors_that_say_what_is_wrong() {
    let good = r#"{"indices":[1],"values":[1.0]}"#;
    let two = |other: &str| Answer::ok(format!(r#"{{"embeddings":[{good},{other}]}}"#));
    for (answer, words) in [
        (
            Answer::ok(format!(r#"{{"embeddings":[{good}]}}"#)),
            "1 vectors for 2 texts",
        ),
        (Answer::ok("{}"), "0 vectors for 2 texts"),
        (
            two(r#"{"indices":[1,2],"values":[1.0]}"#),
            "the vector of text 1 has 2 indices and 1 values",
        ),
        (
            two(r#"{"indices":[3,1,3],"values":[1.0,2.0,3.0]}"#),
            "the vector of text 1 has the index 3 twice",
        ),
        (two(r#"{"indices":[1],"values":[NaN]}"#), "expected value"),
        (
            two(r#"{"indices":[1],"values":[1e39]}"#),
            "number out of range",
        ),
        (
            two(&format!(
                r#"{{"indices":[1],"values":[-1{}]}}"#,
                "0".repeat(39)
            )),
            "number out of range",
        ),
        (two(r#"{"indices":[-1],"values":[1.0]}"#), "-1"),
        (
            two(r#"{"indices":[4294967296],"values":[1.0]}"#),
            "4294967296",
        ),
        (two(r#"{"values":[1.0]}"#), "missing field `indices`"),
        (
            Answer::ok(r#"{"error":"no capacity"}"#),
            "it reports an error: no capacity",
        ),
        (Answer::ok("<html>log in</html>"), "<html>log in"),
        (Answer::html(200), "It works!"),
        (
            Answer::ok(format!(r#"{{"x":"{}"}}"#, "x".repeat(2 << 20))),
            "it is larger than 1572864 bytes",
        ),
        (Answer::ok(r#"{"embeddings":[{"ind"#), "EOF"),
    ] {
        let error = error_of(answer);
        assert!(matches!(error, Error::Decode { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[test]
fn refusals_have_their_kind_and_the_service_s_words() {
    let error = |status, words: &str| Answer::new(status, json!({ "error": words }).to_string());
    let wrong = error_of(error(401, "invalid token canary-of-a-key"));
    assert!(matches!(wrong, Error::Unauthorized { .. }), "{wrong}");
    assert!(wrong.to_string().contains("invalid token"), "{wrong}");
    let unknown = error_of(error(404, "no such model"));
    assert!(matches!(unknown, Error::NotFound { .. }), "{unknown}");
    let busy = error_of(error(429, "slow down"));
    assert!(matches!(busy, Error::RateLimited { .. }), "{busy}");
    let down = error_of(Answer::html(502));
    assert!(matches!(down, Error::Server { status: 502, .. }), "{down}");
}

#[test]
fn a_refused_text_is_found_and_named() {
    let service = StandIn::start(service);
    let error = embed(&splade(&service), &["a", "", "b", "refuse me", "c"]).unwrap_err();
    let expected = "text 3 (counted from 0) was refused by the server: refuse me is no text";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn failed_requests_are_repeated_until_the_deadline_or_the_flag() {
    let calls = AtomicUsize::new(0);
    let service = StandIn::start(move |request| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::new(503, ""),
        1 => Answer::new(429, ""),
        _ => service(request),
    });
    let function = splade(&service).retry(fast());
    let mut context = EmbeddingContext::new(Purpose::Queries);
    let vectors = function.embed_with(&["a"], &mut context).unwrap();
    assert_eq!((vectors, context.retries()), (vec![vector("a")], 2));

    let hanging = StandIn::start(|_| Answer::hang());
    let deadline = fast().deadline(Duration::from_millis(50));
    let late = embed(&splade(&hanging).retry(deadline), &["a"]).unwrap_err();
    assert!(matches!(late, Error::Timeout { .. }), "{late}");

    let flag = AtomicBool::new(true);
    let mut context = EmbeddingContext::new(Purpose::Queries).cancel(&flag);
    let cancelled = function.embed_with(&["a"], &mut context).unwrap_err();
    let cancelled = cancelled.downcast::<Error>().unwrap();
    assert!(matches!(*cancelled, Error::Cancelled { .. }), "{cancelled}");
}

/// As in Chroma's Python client, which cuts slashes at the end of `CHROMA_EMBED_URL`.
#[test]
fn the_path_of_an_address_stays() {
    let answer = json!({ "embeddings": [unsorted("a")] }).to_string();
    let service = StandIn::start(move |_| Answer::ok(answer.clone()));
    for (end, path) in [
        ("", "/embed_sparse"),
        ("/", "/embed_sparse"),
        ("/v9", "/v9/embed_sparse"),
        ("/v9//", "/v9/embed_sparse"),
    ] {
        let function = splade(&service).base_url(format!("{}{end}", service.url()));
        embed(&function, &["a"]).unwrap();
        assert_eq!(service.requests().last().unwrap().path, path, "{end}");
    }
}

#[test]
fn clones_with_another_key_send_that_key() {
    let service = StandIn::start(service);
    let one = splade(&service);
    embed(&one, &["a"]).unwrap();
    let other = one.clone().api_key("another-key");
    let error = embed(&other, &["a"]).unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    embed(&one, &["a"]).unwrap();
}

#[test]
fn a_key_is_not_sent_without_encryption() {
    let function = ChromaCloudSplade::new().api_key(KEY);
    let function = function.base_url("http://embed.example.com");
    let error = embed(&function, &["a"]).unwrap_err().to_string();
    assert!(error.contains("without encryption"), "{error}");
    assert!(!error.contains(KEY), "{error}");
}

#[test]
fn a_given_function_serves_writes_and_searches() {
    let service = StandIn::start(service);
    let server = server(&words(ChromaCloudSplade::new()));
    let abc = abc_with(&server, splade(&service));
    abc.upsert([record("1").document("memory"), record("2").document("")])
        .unwrap();
    let metadatas = &body(&server, "/upsert")["metadatas"];
    let expected = json!([{ "words": printed(&vector("memory")) }, { "words": printed(&SparseVector::default()) }]);
    assert_eq!(*metadatas, expected);
    let searches = ["a", "bb"].map(|text| Search::new().rank(Knn::text(text).key("words")));
    abc.search_many(searches).run().unwrap();
    assert_eq!(sizes(&service), [1, 2]);
    // The error names the record, not the text.
    let records = [
        record("1"),
        record("2").document("a"),
        record("3").document("refuse"),
    ];
    let error = abc.upsert(records).unwrap_err();
    assert!(
        format!("{error:#}").contains("text 2 (counted from 0)"),
        "{error:#}"
    );
}

#[test]
fn a_stored_function_reads_only_the_key_that_it_may() {
    for (config, words_of_error) in [
        (
            json!({ "api_key_env_var": "AWS_SECRET_ACCESS_KEY" }),
            "allow_key_variable",
        ),
        (
            json!({ "api_key_env_var": "sk-s3cret" }),
            "not the name of a variable",
        ),
        (
            json!({ "model": "a\nb", "api_key_env_var": null }),
            "a character that no header may have",
        ),
        (
            json!({ "model": "m".repeat(513) }),
            "513 characters, more than 512",
        ),
        (
            json!({ "include_tokens": "x".repeat(1 << 20) }),
            "cannot be read",
        ),
        (json!(7), "cannot be read"),
    ] {
        let stored = EmbeddingFunctionConfiguration::known("chroma-cloud-splade", config);
        let server = server(&words(stored));
        let error = abc(&server).upsert(record("1").document("a")).unwrap_err();
        let Error::Invalid { reason, .. } = &error else {
            panic!("{error}")
        };
        assert!(
            matches!(reason, InvalidInput::StoredSparseFunction { .. }),
            "{error}"
        );
        let shown = error.to_string();
        assert!(shown.contains(words_of_error), "{shown}");
        assert!(shown.len() < 2_000 && !shown.contains("s3cret"), "{shown}");
        assert_eq!(server.requests_to("/upsert").len(), 0);
    }
}

#[test]
fn a_job_skips_a_refused_text_and_writes_the_others() {
    let service = StandIn::start(service);
    let server = server(&words(ChromaCloudSplade::new()));
    let folder = Folder::new();
    let letters = folder.path("bad.jsonl");
    let texts = ["a", "refuse", "b"];
    let records = texts.map(|text| record(text).document(text));
    let job = abc_with(&server, splade(&service)).ingest(records);
    let report = job
        .bad_records(BadRecords::dead_letters(&letters))
        .run()
        .unwrap();
    assert_eq!((report.written, report.failed), (2, 1), "{report}");
    assert_eq!(body(&server, "/upsert")["ids"], json!(["a", "b"]));
    let letter = std::fs::read_to_string(&letters).unwrap();
    assert!(letter.contains("refuse is no text"), "{letter}");
    assert!(!letter.contains("words"), "{letter}");
}

/// Cuts each text into its words, and passes on the errors of the service, whose indices are those of words.
struct ByWord(ChromaCloudSplade);

impl SparseEmbeddingFunction for ByWord {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        let words: Vec<_> = documents.iter().flat_map(|text| text.split(' ')).collect();
        self.0.embed_documents(&words)?;
        Ok(documents.iter().map(|text| vector(text)).collect())
    }
}

/// A service that is at its limit for two seconds. It sets the flag with its first answer.
fn busy(flag: &Arc<AtomicBool>) -> StandIn {
    let flag = Arc::clone(flag);
    StandIn::start(move |_| {
        flag.store(true, Ordering::SeqCst);
        Answer::new(429, "").header("retry-after", 2)
    })
}

#[test]
fn a_stopped_job_does_not_wait_for_a_function_with_its_flag() {
    let flag = Arc::new(AtomicBool::new(false));
    let service = busy(&flag);
    let server = server(&words(ChromaCloudSplade::new()));
    let splade = splade(&service).retry(RetryPolicy::default());
    let abc = abc_with(&server, splade.cancel(flag.clone()));
    let job = abc.ingest([record("1").document("a")]).cancel(flag);
    let report = job.run().unwrap();
    assert!(report.cancelled && report.written == 0, "{report}");
    assert_eq!(service.requests().len(), 1);
    assert_eq!(server.requests_to("/upsert").len(), 0);
}

#[test]
fn an_error_about_an_unknown_text_ends_a_job_and_a_write() {
    let service = StandIn::start(service);
    let server = server(&words(ChromaCloudSplade::new()));
    let abc = abc_with(&server, ByWord(splade(&service)));
    // Two texts of four words are embedded. The fourth word is refused.
    let records = || {
        let second = record("2").document("b c d");
        [record("1"), second, record("3").document("refuse")]
    };
    let job = abc.ingest(records()).bad_records(BadRecords::skip());
    for error in [job.run().unwrap_err(), abc.upsert(records()).unwrap_err()] {
        let error = format!("{error:#}");
        assert!(
            error.contains("its error names none of the 2 texts"),
            "{error}"
        );
    }
    assert_eq!(server.requests_to("/upsert").len(), 0);
}

/// Writes and searches in a child process, with the variables of Chroma Cloud.
fn child(server: &StandIn, service: &StandIn, key: Option<&str>) {
    let mut command = support::child("splade::child_without_a_function_in_code");
    command.env("CHROMA_HOST", server.url());
    command.env("CHROMA_EMBED_URL", service.url());
    match key {
        Some(key) => command.env("CHROMA_API_KEY", key),
        None => command.env_remove("CHROMA_API_KEY"),
    };
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("1 passed"), "{words}{errors}");
    assert!(
        !words.contains(KEY) && !errors.contains(KEY),
        "{words}{errors}"
    );
}

#[test]
fn a_stored_function_has_its_key_and_address_from_the_environment() {
    let service = StandIn::start(service);
    let server = server(&words(ChromaCloudSplade::new()));
    child(&server, &service, None);
    assert_eq!(
        service.requests().len() + server.requests_to("/upsert").len(),
        0
    );
    child(&server, &service, Some(KEY));
    assert_eq!(sizes(&service), [1, 1]);
    let metadatas = &body(&server, "/upsert")["metadatas"];
    assert_eq!(*metadatas, json!([{ "words": printed(&vector("memory")) }]));
    let knn = &body(&server, "/search")["searches"][0]["rank"]["$knn"];
    assert_eq!(knn["query"], printed(&vector("safety")));
}

#[test]
#[ignore = "run by a_stored_function_has_its_key_and_address_from_the_environment"]
fn child_without_a_function_in_code() {
    let client = support::builder(&std::env::var("CHROMA_HOST").unwrap());
    let abc = client.build().unwrap().collection("abc").get().unwrap();
    let written = abc.upsert(record("1").document("memory"));
    if std::env::var("CHROMA_API_KEY").is_err() {
        let error = written.unwrap_err().to_string();
        assert!(
            error.contains("set CHROMA_API_KEY to a key of Chroma Cloud"),
            "{error}"
        );
        assert!(error.contains(".sparse_embedding_function("), "{error}");
        return;
    }
    written.unwrap();
    let search = Search::new().rank(Knn::text("safety").key("words"));
    abc.search(search).run().unwrap();
}
