//! The settings of a function as a collection stores them: written, read again, and as others wrote them.

use chroma_blocking::embed::{
    Baseten, ChromaCloudQwen, Cloudflare, Cohere, HttpFunction, HttpFunctionBuilder, HttpProvider,
    HuggingFace, Jina, Mistral, Morph, Ollama, OpenAi, Perplexity, Purpose,
    TextEmbeddingsInference, Together, Voyage,
};
use chroma_blocking::{EmbeddingFunction, Error};
use serde_json::{Value, json};

use crate::answers::answer;
use crate::support::stand_in::{Answer, Request, StandIn};

/// Builds a function that sends to the server, without an address of its settings.
fn at(server: &StandIn, builder: HttpFunctionBuilder) -> HttpFunction {
    builder
        .api_key("key")
        .base_url(server.url())
        .build()
        .unwrap()
}

/// The path, the headers and the body of a request.
type Sent = (String, Vec<(String, String)>, Value);

/// Returns the requests for a document and for a query.
fn requests(builder: HttpFunctionBuilder) -> Vec<Sent> {
    let server = StandIn::start(answer);
    let function = at(&server, builder);
    function.embed_documents(&["text"]).unwrap();
    function.embed_queries(&["text"]).unwrap();
    let form = |request: &Request| {
        let is_own = |(name, _): &(String, String)| name != "host";
        let headers = request.headers.iter().filter(|header| is_own(header));
        let body = serde_json::from_slice(&request.body).unwrap();
        (request.path.clone(), headers.cloned().collect(), body)
    };
    server.requests().iter().map(form).collect()
}

fn body(builder: HttpFunctionBuilder) -> Value {
    requests(builder).remove(0).2
}

fn stored(name: &str, config: &Value) -> HttpFunctionBuilder {
    HttpFunction::from_config(name, config).unwrap()
}

/// Each provider, with all of its settings.
fn all() -> Vec<HttpProvider> {
    let server = "http://localhost:8080/v1";
    vec![
        Baseten::new(server).into(),
        ChromaCloudQwen::new().task("nl_to_code").into(),
        ChromaCloudQwen::new().into(),
        ChromaCloudQwen::new().instructions("faq", "d", "q").into(),
        Cloudflare::new("acc", "@cf/baai/bge-m3")
            .gateway("gw")
            .into(),
        Cohere::new("embed-v4.0").into(),
        HuggingFace::new("intfloat/multilingual-e5-large").into(),
        HuggingFace::new("m").prefixes("d: ", "q: ").into(),
        Jina::new("jina-embeddings-v3").dimensions(512).into(),
        Jina::new("jina-embeddings-v3")
            .tasks("text-matching", "text-matching")
            .into(),
        Mistral::new("mistral-embed").into(),
        Morph::new("morph-embedding-v2").into(),
        Ollama::new("nomic-embed-text")
            .url("http://localhost:1")
            .into(),
        Ollama::new("m").prefixes("d: ", "q: ").into(),
        OpenAi::new("text-embedding-3-small")
            .dimensions(256)
            .organization("o")
            .into(),
        // A model of another name, whose dimension Python would not send.
        OpenAi::new("qwen")
            .base_url(server)
            .dimensions(512)
            .organization("o")
            .into(),
        OpenAi::new("text-embedding-3-small")
            .azure("https://a.example", "d", "2024-10-21")
            .into(),
        Perplexity::new("pplx-embed-v1-0.6b").dimensions(128).into(),
        TextEmbeddingsInference::new(server)
            .model("m")
            .prefixes("d", "q")
            .into(),
        Together::new("m").into(),
        Voyage::new("voyage-3.5")
            .input_type("document")
            .truncation(false)
            .into(),
    ]
}

#[test]
fn what_is_stored_is_read_again() {
    let server = StandIn::start(answer);
    for provider in all() {
        let new = || HttpFunction::builder(provider.clone());
        let function = at(&server, new());
        let (name, config) = (function.name(), function.config().unwrap());
        let again = || stored(name, &config);
        assert_eq!(at(&server, again()).config().unwrap(), config, "{name}");
        assert_eq!(requests(again()), requests(new()), "{name}");
        assert!(!config.to_string().contains("null"), "{config}");
    }
}

#[test]
fn prefixes_are_before_each_text() {
    let hugging_face = HuggingFace::new("m").prefixes("d: ", "q: ");
    let sent = requests(HttpFunction::builder(hugging_face));
    let texts: Vec<_> = sent.iter().map(|(.., body)| &body["inputs"][0]).collect();
    assert_eq!(texts, ["d: text", "q: text"]);
}

#[test]
fn a_setting_that_is_null_is_absent() {
    let names = [
        "model_name",
        "model",
        "task",
        "instructions",
        "organization_id",
        "api_type",
        "api_version",
        "deployment_id",
        "default_headers",
        "dimensions",
        "encoding_format",
        "input_type",
        "truncation",
        "timeout",
        "late_chunking",
        "truncate",
        "embedding_type",
        "normalized",
        "query_config",
        "gateway_id",
        "document_prefix",
        "query_prefix",
        "api_key_env_var",
        "not_known",
    ];
    for (name, required) in [
        ("openai", json!({})),
        ("ollama", json!({})),
        (
            "huggingface_server",
            json!({ "url": "http://localhost:8080/embed" }),
        ),
        ("huggingface", json!({})),
        ("cohere", json!({})),
        ("voyageai", json!({})),
        ("jina", json!({})),
        ("mistral", json!({})),
        ("together_ai", json!({ "model_name": "m" })),
        (
            "cloudflare_workers_ai",
            json!({ "model_name": "m", "account_id": "a" }),
        ),
        ("perplexity", json!({})),
        ("chroma-cloud-qwen", json!({})),
        ("baseten", json!({ "api_base": "http://localhost:8080/v1" })),
        ("morph", json!({})),
    ] {
        let mut nulls = required.clone();
        for other in names.iter().filter(|other| required.get(**other).is_none()) {
            nulls[*other] = Value::Null;
        }
        assert_eq!(
            requests(stored(name, &nulls)),
            requests(stored(name, &required)),
            "{name}"
        );
    }
}

#[test]
fn the_dimension_that_python_stores_for_all_models_is_sent_to_those_that_python_sends_it_to() {
    let config = |model: &str, more: Value| {
        let mut config = json!({ "model_name": model, "dimensions": 256 });
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        config
    };
    let pythons = json!({ "organization_id": null, "default_headers": null });
    let dimension = |config: &Value| body(stored("openai", config)).get("dimensions").cloned();
    let floats = Some(json!(256));
    assert_eq!(
        dimension(&config("text-embedding-3-small", pythons.clone())),
        floats
    );
    assert_eq!(
        dimension(&config("nomic-embed-text", pythons.clone())),
        None
    );
    let javascripts = json!({ "organization_id": "o" });
    assert_eq!(dimension(&config("nomic-embed-text", javascripts)), floats);
    // Neither does a new collection with the function send it.
    let server = StandIn::start(answer);
    let function = at(
        &server,
        stored("openai", &config("nomic-embed-text", pythons)),
    );
    assert_eq!(dimension(&function.config().unwrap()), None);
}

#[test]
fn only_openais_own_models_have_its_limit_of_tokens() {
    let server = StandIn::start(answer);
    let long = "word ".repeat(9_000);
    let own = at(&server, HttpFunction::builder(OpenAi::new("m")));
    let error = own.embed_documents(&[&long]).unwrap_err();
    assert!(error.to_string().contains("text 0"), "{error}");
    let other = OpenAi::new("Qwen/Qwen3-Embedding-8B").base_url("http://vllm:8000/v1");
    let other = at(&server, HttpFunction::builder(other));
    assert!(other.embed_documents(&[&long]).is_ok());
}

#[test]
fn headers_that_no_request_can_have_are_named_by_their_setting() {
    let error =
        |builder: HttpFunctionBuilder| builder.api_key("key").build().unwrap_err().to_string();
    let organization = HttpFunction::builder(OpenAi::new("m").organization("a\nb"));
    assert!(error(organization).contains(r#"organization_id is "a\nb""#));
    let model = stored("chroma-cloud-qwen", &json!({ "model": "a\nb" }));
    assert!(error(model).contains(r#"model is "a\nb""#));
    for (name, words) in [
        ("Api-Key", "with .api_key(...)"),
        ("host", "this header itself"),
    ] {
        let own = json!({ "model_name": "m", "default_headers": { name: "a" } });
        let own = error(stored("openai", &own));
        assert!(
            own.contains("the client sets") && own.contains(words),
            "{own}"
        );
    }
    let secret = json!({ "model_name": "m", "default_headers": { "x-a": "s3cret\n" } });
    let secret = error(stored("openai", &secret));
    assert!(
        secret.contains("default_headers is ") && !secret.contains("s3cret"),
        "{secret}"
    );
}

#[test]
fn a_message_about_the_model_is_shown_and_one_with_a_header_is_hidden() {
    let refusal = |builder: HttpFunctionBuilder| {
        let message = r#"{"error":"model Qwen/Qwen3-Embedding-0.6B unknown, org-7, s3cret-value"}"#;
        let server = StandIn::start(move |_| Answer::new(404, message));
        let error = at(&server, builder).embed_documents(&["a"]).unwrap_err();
        error.downcast::<Error>().unwrap().to_string()
    };
    let shown = refusal(HttpFunction::builder(ChromaCloudQwen::new()));
    assert!(
        shown.contains("model Qwen/Qwen3-Embedding-0.6B unknown"),
        "{shown}"
    );
    let config = json!({ "model_name": "m", "organization_id": "org-7", "default_headers": { "x": "s3cret-value" } });
    let shown = refusal(stored("openai", &config));
    assert!(
        shown.contains("org-7") && !shown.contains("s3cret-value"),
        "{shown}"
    );
}

#[test]
fn instructions_of_any_form_are_read() {
    for (instructions, expected) in [
        (
            json!({ "t": { "documents": "d", "query": "q", "version": 2 }, "u": null }),
            ["d", "q"],
        ),
        (
            json!({ "t": { "query": "q", "documents": null } }),
            ["", "q"],
        ),
        (json!({ "t": null }), ["", ""]),
        (json!({}), ["", ""]),
    ] {
        let config = json!({ "task": "t", "instructions": instructions });
        let sent = requests(stored("chroma-cloud-qwen", &config));
        let sent: Vec<_> = sent
            .iter()
            .map(|(_, _, body)| &body["instructions"])
            .collect();
        assert_eq!(sent, expected, "{instructions}");
    }
}

#[test]
fn a_stored_timeout_of_any_length_works() {
    let whole = [0, 1, 60, u64::MAX].map(Value::from);
    let others = [
        json!(30.5),
        json!(60.0),
        json!(1e300),
        json!(-1),
        json!(-0.5),
    ];
    for timeout in whole.into_iter().chain(others) {
        let server = StandIn::start(answer);
        let config = json!({ "url": server.url(), "model_name": "m", "timeout": timeout });
        let function = stored("ollama", &config).build().unwrap();
        assert_eq!(function.config().unwrap()["timeout"], timeout);
        assert_eq!(
            function.embed_documents(&["a"]).unwrap().len(),
            1,
            "{timeout}"
        );
    }
}

/// The texts of queries, of a collection that stores how documents are embedded, and nothing about queries.
#[test]
fn queries_differ_from_documents_if_only_those_of_documents_are_stored() {
    for (name, model, member, document, query) in [
        (
            "jina",
            "jina-embeddings-v3",
            "task",
            "retrieval.passage",
            "retrieval.query",
        ),
        (
            "jina",
            "jina-code-embeddings-1.5b",
            "task",
            "nl2code.passage",
            "nl2code.query",
        ),
        (
            "jina",
            "jina-embeddings-v3",
            "task",
            "text-matching",
            "text-matching",
        ),
        ("voyageai", "voyage-3.5", "input_type", "document", "query"),
    ] {
        let config = json!({ "model_name": model, member: document });
        let sent = |builder: HttpFunctionBuilder| -> Vec<Value> {
            let sent = requests(builder).into_iter();
            sent.map(|(.., body)| body[member].clone()).collect()
        };
        assert_eq!(sent(stored(name, &config)), [document, query]);
        let python = sent(stored(name, &config).as_python(true));
        assert_eq!(python, [document, document]);
    }
    // The stored settings of queries apply, as in Python.
    let tasks = json!({ "task": "retrieval.passage", "query_config": { "task": "text-matching" } });
    let sent = requests(stored("jina", &tasks)).remove(1).2;
    assert_eq!(sent["task"], "text-matching");
}

#[test]
fn openais_own_address_needs_a_key_if_it_is_stored() {
    for (url, needs_key) in [
        ("https://api.openai.com/v1", true),
        ("https://eu.api.openai.com/v1", true),
        ("https://API.openai.com/v1/", true),
        ("https://api.openai.com.example/v1", false),
        ("http://localhost:8000/v1", false),
    ] {
        let config = json!({ "model_name": "m", "api_base": url });
        let is_set = std::env::var_os("OPENAI_API_KEY").is_some();
        let made = stored("openai", &config).build().map(drop);
        assert!(is_set || made.is_err() == needs_key, "{url}: {made:?}");
    }
    // It has OpenAI's limit of tokens as well.
    let server = StandIn::start(answer);
    let config = json!({ "model_name": "m", "api_base": "https://api.openai.com/v1" });
    let own = at(&server, stored("openai", &config));
    assert!(
        own.embed_documents(&["word ".repeat(9_000).as_str()])
            .is_err()
    );
}

#[test]
fn headers_of_settings_that_the_program_trusts_are_sent() {
    let config = json!({ "model_name": "m", "default_headers": { "x-my": "value" } });
    for (_, headers, _) in requests(stored("openai", &config)) {
        let header = ("x-my".to_owned(), "value".to_owned());
        assert!(headers.contains(&header), "{headers:?}");
    }
}

/// The model is in a header, or nowhere.
#[test]
fn another_model_has_another_key_in_a_cache() {
    let key = |builder: HttpFunctionBuilder| {
        let function = builder.api_key("key").build().unwrap();
        function.cache_key(Purpose::Documents)
    };
    let qwen = |model: &str| key(stored("chroma-cloud-qwen", &json!({ "model": model })));
    assert_ne!(qwen("a"), qwen("b"));
    let server = || TextEmbeddingsInference::new("http://localhost:8080/embed");
    let tei = |model: &str| key(HttpFunction::builder(server().model(model)));
    assert_ne!(tei("a"), tei("b"));
}

#[test]
fn values_of_headers_are_not_in_debug() {
    let config = json!({ "model_name": "m", "default_headers": { "x-name": "s3cret" } });
    let builder = stored("openai", &config);
    let provider: OpenAi = serde_json::from_value(config).unwrap();
    let shown = format!(
        "{builder:?} {provider:?} {:?}",
        HttpProvider::from(provider.clone())
    );
    assert!(
        shown.contains("x-name") && !shown.contains("s3cret"),
        "{shown}"
    );
}
