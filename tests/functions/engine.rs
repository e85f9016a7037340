//! The parts that all functions over HTTP share: addresses, timeouts, the cache, and the size of a response.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chroma_blocking::embed::{
    Cloudflare, HttpFunction, MemoryCache, Ollama, OpenAi, Purpose, TextEmbeddingsInference,
};
use chroma_blocking::{EmbeddingFunction, Error, RetryPolicy};
use serde_json::{Value, json};

use crate::answers::answer;
use crate::support::stand_in::{Answer, StandIn};

fn text(of: &HttpFunction, text: &str) -> Result<usize, Error> {
    let vectors = of.embed_documents(&[text]);
    vectors
        .map(|vectors| vectors.dimension())
        .map_err(|error| *error.downcast::<Error>().unwrap())
}

#[test]
fn the_path_of_an_address_stays_whole() {
    let server = StandIn::start(answer);
    let url = format!("{}/api/v2/", server.url());
    let openai = OpenAi::new("m").base_url(&url);
    let function = HttpFunction::builder(openai).api_key("k").build().unwrap();
    assert_eq!(text(&function, "a").unwrap(), 3);
    assert_eq!(server.requests()[0].path, "/api/v2/embeddings");
}

#[test]
fn the_program_sets_the_timeout_and_a_collection_sets_only_the_default() {
    let silent = StandIn::start(|_| Answer::hang());
    let config = json!({ "url": silent.url(), "model_name": "m", "timeout": 3_600 });
    let function = HttpFunction::from_config("ollama", &config)
        .unwrap()
        .request_timeout(Duration::from_millis(50))
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let error = text(&function, "a").unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn two_servers_do_not_share_vectors_in_a_cache() {
    let floats =
        |floats: usize| StandIn::start(move |_| Answer::ok(json!([vec![0.5; floats]]).to_string()));
    let (three, four) = (floats(3), floats(4));
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let at = |server: &StandIn| {
        let server = server.url();
        let function = TextEmbeddingsInference::new("http://localhost:1/embed");
        let builder = HttpFunction::builder(function).base_url(server);
        builder.cache(Arc::clone(&cache)).build().unwrap()
    };
    assert_eq!(text(&at(&three), "a").unwrap(), 3);
    assert_eq!(text(&at(&four), "a").unwrap(), 4);
    assert_ne!(
        at(&three).cache_key(Purpose::Documents),
        at(&four).cache_key(Purpose::Documents)
    );
}

#[test]
fn a_cached_vector_does_not_decide_the_dimension_of_later_calls() {
    let floats = Arc::new(AtomicUsize::new(3));
    let served = Arc::clone(&floats);
    let server = StandIn::start(move |_| {
        let floats = served.load(Ordering::SeqCst);
        Answer::ok(json!({ "embeddings": [vec![0.5; floats]] }).to_string())
    });
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let function = || {
        let builder = HttpFunction::builder(Ollama::new("m").url(server.url()));
        builder.cache(Arc::clone(&cache)).build().unwrap()
    };
    assert_eq!(text(&function(), "old").unwrap(), 3);
    // The server now has another model under the same name.
    floats.store(4, Ordering::SeqCst);
    let function = function();
    assert_eq!(text(&function, "old").unwrap(), 3, "from the cache");
    let mixed = function.embed_documents(&["old", "new"]).unwrap_err();
    assert!(format!("{mixed:#}").contains("4 floats, not 3"), "{mixed}");
    assert_eq!(text(&function, "new").unwrap(), 4);
}

#[test]
fn a_response_that_is_larger_than_its_vectors_is_an_error() {
    let server = StandIn::start(|_| Answer::ok(" ".repeat(3 << 20)));
    let function = HttpFunction::builder(Ollama::new("m").url(server.url()))
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let error = text(&function, "a").unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("more than its vectors can take; check the address"),
        "{error}"
    );
}

#[test]
fn a_request_that_exceeds_the_quota_of_a_minute_is_halved() {
    let server = StandIn::start(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body["input"].as_array().unwrap().len() < 3 {
            return answer(request);
        }
        let message = "Request too large for text-embedding-3-small on tokens per min (TPM): Limit 30000, Requested \
                       34238. The input must be reduced in order to run successfully.";
        let error = json!({ "error": { "message": message, "type": "tokens", "code": "rate_limit_exceeded" } });
        Answer::new(429, error.to_string())
    });
    let function = HttpFunction::builder(OpenAi::new("m"))
        .api_key("k")
        .base_url(server.url())
        .build()
        .unwrap();
    let vectors = function.embed_documents(&["a", "b", "c", "d"]).unwrap();
    assert_eq!(vectors.len(), 4);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn an_error_about_the_model_is_none_about_a_text() {
    for (status, body) in [
        (
            400,
            json!({ "message": "Invalid model: m", "type": "invalid_model" }),
        ),
        (
            400,
            json!({ "detail": "Model m is not supported. Supported models are ['n']." }),
        ),
        (
            422,
            json!({ "error": { "message": "This model does not support specifying dimensions." } }),
        ),
    ] {
        let words = body.to_string();
        let server = StandIn::start(move |_| Answer::new(status, words.clone()));
        let function = HttpFunction::builder(OpenAi::new("m"))
            .api_key("k")
            .base_url(server.url())
            .build()
            .unwrap();
        let error = function.embed_documents(&["a", "b", "c"]).unwrap_err();
        let error = *error.downcast::<Error>().unwrap();
        assert!(matches!(error, Error::Server { .. }), "{body}: {error}");
        assert_eq!(server.requests().len(), 1, "{body}");
    }
}

#[test]
fn a_vector_that_no_model_makes_is_an_error() {
    let floats = vec!["0"; 70_000].join(",");
    let body = format!(r#"{{"embeddings":[[{floats}]]}}"#);
    let server = StandIn::start(move |_| Answer::ok(body.clone()));
    let function = HttpFunction::builder(Ollama::new("m").url(server.url()))
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let error = text(&function, "a").unwrap_err().to_string();
    assert!(
        error.contains("70000 floats, more than any model"),
        "{error}"
    );
}

#[test]
fn an_error_of_cloudflare_in_a_response_with_status_200_is_shown() {
    let body = json!({ "result": null, "success": false, "errors": [{ "code": 7, "message": "no capacity" }] });
    let server = StandIn::start(move |_| Answer::ok(body.to_string()));
    let function = HttpFunction::builder(Cloudflare::new("account", "@cf/baai/bge-m3"))
        .api_key("k")
        .base_url(server.url())
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let error = text(&function, "a").unwrap_err().to_string();
    assert!(
        error.contains("it reports an error: no capacity"),
        "{error}"
    );
}
