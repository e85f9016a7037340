//! Bad texts, settings and answers: each is a clear error of its kind, and nothing shows a key.

use std::sync::Mutex;

use chroma_blocking::embed::{
    Baseten, Cloudflare, Cohere, EmbeddingContext, HttpFunction, HttpFunctionBuilder, HttpProvider,
    HuggingFace, Ollama, OpenAi, Perplexity, Purpose, TextEmbeddingsInference,
};
use chroma_blocking::{EmbeddingFunction, Embeddings, Error, RetryPolicy};

use serde_json::json;

use crate::answers::answer;
use crate::support::stand_in::{Answer, StandIn};

const KEY: &str = "canary-of-a-key";

fn builder(server: &StandIn, provider: impl Into<HttpProvider>) -> HttpFunctionBuilder {
    let builder = HttpFunction::builder(provider).api_key(KEY);
    builder.base_url(server.url()).retry(RetryPolicy::none())
}

fn embed(function: &HttpFunction, texts: &[&str]) -> Result<Embeddings, Error> {
    let mut context = EmbeddingContext::new(Purpose::Documents);
    let result = function.embed_with(texts, &mut context);
    result.map_err(|error| *error.downcast::<Error>().unwrap())
}

/// Embeds two texts with a server that answers the same to every request.
fn error_of(provider: impl Into<HttpProvider>, answer: Answer) -> Error {
    let server = StandIn::start(move |_| answer.clone());
    let function = builder(&server, provider).build().unwrap();
    let error = embed(&function, &["a", "b"]).unwrap_err();
    crate::assert_hidden(KEY, &error, &function);
    error
}

fn openai() -> OpenAi {
    OpenAi::new("text-embedding-3-small")
}

#[test]
fn a_text_that_cannot_be_embedded_is_refused_before_anything_is_sent() {
    let server = StandIn::start(answer);
    let function = builder(&server, openai()).build().unwrap();
    let long = "word ".repeat(9_000);
    for text in ["", &long] {
        let error = embed(&function, &["good", text]).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert!(error.to_string().contains("text 1"), "{error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn vectors_that_do_not_fit_the_texts_are_errors() {
    let data = |entries: &str| Answer::ok(format!(r#"{{"data":[{entries}]}}"#));
    let entry = |index: &str, vector: &str| format!(r#"{{"index":{index},"embedding":{vector}}}"#);
    let two = |one: &str, other: &str| data(&format!("{},{}", entry("0", one), entry("1", other)));
    for (answer, words) in [
        (data(&entry("0", "[1.0]")), "1 vectors for 2 texts"),
        (data(""), "no vectors"),
        (Answer::ok("{}"), "no vectors"),
        (
            two("[1.0,2.0]", "[1.0]"),
            "the vector of text 1 has 1 floats, not 2",
        ),
        (two("[]", "[]"), "the vector of text 0 has 0 floats"),
        (two("[1.0]", "[NaN]"), "expected a number"),
        (two("[1.0]", "[1e39]"), "too large"),
        (two("[1.0]", r#""!!!!""#), "not base64"),
        // Three bytes are no 32-bit float.
        (two("[1.0]", r#""QCAQ""#), "3 bytes"),
        // 00 00 C0 7F is not a number.
        (two(r#""AACAPw==""#, r#""AADAfw==""#), "NaN"),
        // Integers of 8 bits: 64, -32, 3, 100 and so on.
        (
            two(r#""QOADZA==""#, r#""YGFiYw==""#),
            "not to consist of 32-bit floats",
        ),
        (
            data(&format!("{},{}", entry("1", "[1.0]"), entry("1", "[2.0]"))),
            "the index 1",
        ),
        (
            data(&format!("{},{}", entry("7", "[1.0]"), entry("1", "[2.0]"))),
            "the index 7",
        ),
        (
            Answer::ok(r#"{"error":{"message":"no capacity"}}"#),
            "no capacity",
        ),
        (Answer::ok("<html>log in</html>"), "<html>log in"),
        (Answer::ok(r#"{"data":[{"index":0"#), "end of the data"),
    ] {
        let error = error_of(openai(), answer);
        assert!(matches!(error, Error::Decode { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[test]
fn a_dimension_other_than_the_one_asked_for_is_an_error() {
    let answer = Answer::ok(r#"{"data":[{"embedding":[1.0]},{"embedding":[1.0]}]}"#);
    let error = error_of(openai().dimensions(512), answer);
    assert!(
        error.to_string().contains("has 1 floats, not 512"),
        "{error}"
    );
}

#[test]
fn the_first_answer_tells_the_dimension() {
    let server = StandIn::start(answer);
    let function = builder(&server, Ollama::new("m")).build().unwrap();
    assert_eq!(function.dimension(), None);
    embed(&function, &["a"]).unwrap();
    assert_eq!(function.dimension(), Some(3));
}

#[test]
fn vectors_are_put_into_the_order_of_their_texts() {
    let entries = r#"{"index":2,"embedding":[2.0]},{"index":0,"embedding":[0.0]},{"index":1,"embedding":[1.0]}"#;
    let answer = Answer::ok(format!(r#"{{"data":[{entries}]}}"#));
    let server = StandIn::start(move |_| answer.clone());
    let function = builder(&server, openai()).build().unwrap();
    let found = embed(&function, &["a", "b", "c"]).unwrap();
    assert_eq!(found.as_flat(), [0.0, 1.0, 2.0]);
}

#[test]
fn vectors_in_base64_are_read() {
    let server = StandIn::start(|_| Answer::ok(r#"{"data":[{"embedding":"AACAPwAAAMA="}]}"#));
    let function = builder(&server, openai()).build().unwrap();
    assert_eq!(embed(&function, &["a"]).unwrap().as_flat(), [1.0, -2.0]);
    // Perplexity sends 8-bit integers.
    let server = StandIn::start(|_| Answer::ok(r#"{"data":[{"embedding":"QOAQ"}]}"#));
    let function = builder(&server, Perplexity::new("m")).build().unwrap();
    let found = embed(&function, &["a"]).unwrap();
    assert_eq!(found.as_flat(), [64.0, -32.0, 16.0]);
}

#[test]
fn refusals_have_their_kind_and_the_providers_words() {
    let ollama = || Ollama::new("m");
    type Kind = fn(&Error) -> bool;
    let unauthorized: Kind = |error| matches!(error, Error::Unauthorized { .. });
    let not_found: Kind = |error| matches!(error, Error::NotFound { .. });
    let limited: Kind = |error| matches!(error, Error::RateLimited { .. });
    let exhausted: Kind = |error| matches!(error, Error::QuotaExhausted { .. });
    let server: Kind = |error| matches!(error, Error::Server { .. });
    for (provider, status, body, is_kind) in [
        (
            HttpProvider::from(openai()),
            401,
            r#"{"error":{"message":"WORDS","code":"invalid_api_key"}}"#,
            unauthorized,
        ),
        (
            openai().into(),
            429,
            r#"{"error":{"message":"WORDS","code":"rate_limit_exceeded"}}"#,
            limited,
        ),
        (
            openai().into(),
            429,
            r#"{"error":{"message":"WORDS","code":"insufficient_quota"}}"#,
            exhausted,
        ),
        (
            ollama().into(),
            404,
            r#"{"error":"model WORDS not found"}"#,
            not_found,
        ),
        (
            Cohere::new("m").into(),
            402,
            r#"{"message":"WORDS"}"#,
            exhausted,
        ),
        (
            TextEmbeddingsInference::new("http://localhost").into(),
            424,
            r#"{"error":"WORDS","error_type":"Backend"}"#,
            server,
        ),
        (
            Cloudflare::new("acc", "m").into(),
            403,
            r#"{"success":false,"errors":[{"code":10000,"message":"WORDS"}],"result":null}"#,
            unauthorized,
        ),
        (openai().into(), 502, "<html>WORDS</html>", server),
    ] {
        let error = error_of(provider, Answer::new(status, body));
        assert!(is_kind(&error), "{error:?}");
        assert!(error.to_string().contains("WORDS"), "{error}");
    }
}

#[test]
fn a_refused_text_is_found_and_named() {
    let server = StandIn::start(|request| {
        if String::from_utf8_lossy(&request.body).contains("poison") {
            return Answer::new(400, r#"{"error":{"message":"WORDS"}}"#);
        }
        answer(request)
    });
    let function = builder(&server, openai()).build().unwrap();
    let texts = ["a", "b", "poison", "c"];
    match embed(&function, &texts).unwrap_err() {
        Error::PartlyEmbedded { refused, .. } => {
            let refused: Vec<_> = refused.iter().map(|refused| refused.index).collect();
            assert_eq!(refused, [2]);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn bad_settings_are_refused_by_name() {
    let build = |builder: HttpFunctionBuilder| builder.build().unwrap_err().to_string();
    let of = |provider: HttpProvider| HttpFunction::builder(provider).api_key(KEY);
    for (builder, words) in [
        (
            of(openai().base_url("http://example.com").into()),
            "base_url is ",
        ),
        (
            of(openai().azure("https://a", "../x", "1").into()),
            "deployment_id is ",
        ),
        (
            of(openai().azure("https://a", "x", "1&b=2").into()),
            "api_version is ",
        ),
        (
            // Stored by hand, since the setter has an address.
            HttpFunction::from_config("openai", &json!({ "api_type": "azure" }))
                .unwrap()
                .api_key(KEY),
            "api_base is ",
        ),
        (of(Cloudflare::new("a/..", "m").into()), "account_id is "),
        (of(Cloudflare::new("a/b", "m").into()), "account_id is "),
        (
            of(Cloudflare::new("a", "m").gateway("g/h").into()),
            "gateway_id is ",
        ),
        (of(Cloudflare::new("a", "../m").into()), "model_name is "),
        (of(HuggingFace::new("a/../b").into()), "model_name is "),
        (
            of(openai().azure("https://a", "x/y", "1").into()),
            "deployment_id is ",
        ),
        (of(Baseten::new("not an address").into()), "base_url is "),
        (of(openai().into()).batch_size(0), "batch_size is "),
        (of(openai().into()).batch_size(2_049), "batch_size is "),
        (of(openai().into()).api_key("'quoted-key'"), "api_key is "),
        (
            of(openai().into()).api_key_env_var("sk-key"),
            "api_key_env_var is ",
        ),
    ] {
        let error = build(builder);
        assert!(error.contains(words), "{words}: {error}");
        assert!(
            !error.contains(KEY) && !error.contains("quoted-key") && !error.contains("sk-key"),
            "{error}"
        );
    }
}

#[test]
fn a_service_without_a_key_may_be_on_another_machine() {
    let ollama = HttpFunction::new(Ollama::new("m").url("http://ollama:11434"));
    assert!(ollama.is_ok(), "{ollama:?}");
}

#[test]
fn queries_and_documents_differ_where_the_model_knows_the_difference() {
    let sent = |provider: HttpProvider, as_python: bool| {
        let server = StandIn::start(answer);
        let function = builder(&server, provider)
            .as_python(as_python)
            .build()
            .unwrap();
        function.embed_documents(&["a"]).unwrap();
        function.embed_queries(&["a"]).unwrap();
        let bodies = server.requests();
        let [documents, queries] = &bodies[..] else {
            panic!("{bodies:?}")
        };
        [documents, queries].map(|request| String::from_utf8(request.body.clone()).unwrap())
    };
    let [documents, queries] = sent(Cohere::new("m").into(), false);
    assert!(documents.contains("search_document") && queries.contains("search_query"));
    let [documents, queries] = sent(Ollama::new("nomic-embed-text").into(), false);
    assert!(documents.contains("search_document: a") && queries.contains("search_query: a"));
    for provider in [
        HttpProvider::from(Cohere::new("m")),
        Ollama::new("nomic-embed-text").into(),
    ] {
        let [documents, queries] = sent(provider, true);
        assert_eq!(documents, queries);
    }
}

#[test]
fn a_bad_answer_does_not_decide_the_dimension() {
    let answers = Mutex::new(vec![
        r#"{"data":[{"embedding":[1.0,2.0]}]}"#,
        r#"{"data":[{"embedding":[1.0]},{"embedding":[1.0,2.0]}]}"#,
        r#"{"data":[{"index":0}]}"#,
        r#"{"data":[{"embedding":[]}]}"#,
    ]);
    let server = StandIn::start(move |_| {
        let mut answers = answers.lock().unwrap();
        Answer::ok(answers.pop().unwrap())
    });
    let function = builder(&server, openai()).build().unwrap();
    for texts in [&["a"][..], &["a"], &["a", "b"]] {
        embed(&function, texts).unwrap_err();
        assert_eq!(function.dimension(), None);
    }
    assert_eq!(embed(&function, &["a"]).unwrap().dimension(), 2);
}

#[test]
fn a_rate_limit_that_mentions_payment_is_waited_for() {
    for message in [
        "Rate limit reached for requests. Please try again in 20s. You can increase your rate limit by adding a payment method.",
        "You have not yet added your payment method and will have reduced rate limits of 3 RPM.",
    ] {
        let body = format!(r#"{{"error":{{"message":"{message}"}}}}"#);
        let error = error_of(openai(), Answer::new(429, body));
        assert!(matches!(error, Error::RateLimited { .. }), "{error:?}");
    }
}

#[test]
fn dimensions_and_headers_that_no_request_can_have_are_refused() {
    let config = |json: serde_json::Value| {
        let builder = HttpFunction::from_config("openai", &json).unwrap();
        builder.api_key(KEY).build().unwrap_err().to_string()
    };
    for floats in [0_u64, u64::MAX] {
        let error = config(json!({ "model_name": "m", "dimensions": floats }));
        assert!(error.contains("dimensions is "), "{error}");
    }
    for header in ["Host", "authorization", "Transfer-Encoding", "a b"] {
        let error = config(json!({ "model_name": "m", "default_headers": { header: "s3cret" } }));
        assert!(error.contains("default_headers is "), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn as_python_stores_no_prefixes() {
    let server = StandIn::start(answer);
    let nomic = || builder(&server, Ollama::new("nomic-embed-text"));
    let config = nomic().build().unwrap().config().unwrap();
    assert_eq!(config["query_prefix"], "search_query: ");
    let config = nomic().as_python(true).build().unwrap().config().unwrap();
    assert_eq!(config.get("query_prefix"), None);
}
