//! A stand-in for Google that repeats the key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chroma_blocking::embed::{
    Cached, ChromaCloudQwen, ChromaCloudSplade, CohereRerank, DiskCache, EmbeddingError,
    HttpFunction, HttpFunctionBuilder, HttpReranker, OpenAi, RerankContext, Reranker,
    SparseEmbeddingFunction,
};
use chroma_blocking::{Collection, EmbeddingFunction, Gemini, RetryPolicy};

use serde_json::json;

use crate::hostile::{Echo, Hostile, Shape};
use crate::search::SEARCH;
use crate::secrets::{Form, GEMINI_KEY};
use crate::servers::STATUSES;
use crate::support::client;
use crate::{calls, files, is_full, observers};

/// The calls that embed a text by themselves.
fn embed(gemini: &Gemini) {
    let error = |result: chroma_blocking::Result<()>| {
        if let Err(error) = result {
            observers::error(&error);
        }
    };
    error(gemini.embed(["a text", "another text"]).run().map(drop));
    error(gemini.embed_query("a text").map(drop));
    for result in [
        gemini.embed_documents(&["a text"]),
        gemini.embed_queries(&["a text"]),
    ] {
        if let Err(error) = result {
            show(&error);
        }
    }
}

fn show(error: &EmbeddingError) {
    observers::shown("EmbeddingError", error);
    SEARCH.look("EmbeddingError {:#}", format!("{error:#}"));
    observers::causes(&**error);
}

/// The functions of other providers, with the key in each of their headers.
fn others(url: &str) -> Vec<Box<dyn Fn() -> Result<(), EmbeddingError>>> {
    let config = json!({ "model_name": "m" });
    let of = |builder: HttpFunctionBuilder| {
        let builder = builder.api_key(GEMINI_KEY.value).base_url(url);
        observers::debug("HttpFunctionBuilder", &builder);
        let function = builder.retry(RetryPolicy::none()).build().unwrap();
        observers::debug("HttpFunction", &function);
        observers::shown("HttpFunction::config()", &function.config().unwrap());
        function
    };
    let openai = of(HttpFunction::from_config("openai", &config).unwrap());
    let azure = of(HttpFunction::builder(OpenAi::new("m").azure(url, "d", "1")));
    let qwen = of(HttpFunction::builder(ChromaCloudQwen::new()));
    let splade = ChromaCloudSplade::new()
        .retry(RetryPolicy::none())
        .api_key(GEMINI_KEY.value)
        .base_url(url);
    observers::debug("ChromaCloudSplade", &splade);
    let cohere = HttpReranker::builder(CohereRerank::new("m"))
        .retry(RetryPolicy::none())
        .api_key(GEMINI_KEY.value)
        .base_url(url);
    observers::debug("HttpRerankerBuilder", &cohere);
    let cohere = cohere.build().unwrap();
    observers::debug("HttpReranker", &cohere);
    vec![
        Box::new(move || openai.embed_documents(&["a text"]).map(drop)),
        Box::new(move || azure.embed_queries(&["a text"]).map(drop)),
        Box::new(move || qwen.embed_documents(&["a text"]).map(drop)),
        Box::new(move || splade.embed_documents(&["a text"]).map(drop)),
        Box::new(move || {
            let context = RerankContext::new();
            cohere.rerank("q", &["a text"], &context).map(drop)
        }),
    ]
}

/// The calls of a collection that embed texts.
const CALLS: [&str; 4] = [
    "query by text",
    "upsert of texts",
    "ingest",
    "ingest of texts",
];

pub fn run(folder: &Path) {
    let (google, chroma) = (Hostile::start(), Hostile::start());
    let builder = Gemini::builder()
        .api_key(GEMINI_KEY.value)
        .base_url(google.server.url())
        .dimension(128)
        .retry(RetryPolicy::none());
    observers::debug("GeminiBuilder", &builder);
    let gemini = builder.clone().build().unwrap();
    observers::debug("Gemini", &gemini);
    observers::debug("Embed", &gemini.embed(["a text"]));
    let policy = RetryPolicy::default()
        .max_retries(1)
        .base_delay(Duration::from_millis(1));
    let retrying = builder.retry(policy).build().unwrap();
    let cache = DiskCache::open(folder.join("cache")).unwrap();
    let cached = Cached::new(gemini.clone(), Arc::new(cache));
    let client = client(&chroma.server);
    let open = |function: Arc<dyn EmbeddingFunction>| {
        client
            .collection("abc")
            .embedding_function(function)
            .get()
            .unwrap()
    };
    let collections = [open(Arc::new(gemini.clone())), open(Arc::new(cached))];
    let others = others(&google.server.url());
    embed(&gemini);
    observers::shown("Gemini::config()", &gemini.config().unwrap());
    for number in 0..if is_full() { 24 * 16 * 12 } else { 96 } {
        let (status, shape) = (STATUSES[number % 24], Shape::ALL[number * 5 % 16]);
        let form = Form::ALL[(number + number / 24) % 12];
        SEARCH.case(format!("Gemini: {status} {shape:?} {form:?}"));
        google.answer(Some(Echo {
            status,
            shape,
            form,
            secrets: vec![GEMINI_KEY],
            before: 0,
        }));
        embed(if number % 8 == 0 { &retrying } else { &gemini });
        if let Err(error) = others[number % others.len()]() {
            show(&error);
        }
        let abc: &Collection = &collections[number % 2];
        calls::make(CALLS[number / 2 % CALLS.len()], abc, folder);
    }
    google.answer(None);
    for name in CALLS {
        calls::make(name, &collections[1], folder);
    }
    observers::shown("Gemini::metrics()", &gemini.metrics());
    observers::shown("Client::metrics()", &client.metrics());
    let sent = google.server.requests();
    assert_eq!(sent[0].header("x-goog-api-key"), Some(GEMINI_KEY.value));
    drop(collections);
    files::look_into(folder);
}
