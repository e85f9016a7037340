//! Collections that other clients of Chroma created open on a real server: each stored function of the recordings
//! is stored as that client stored it. What takes texts, does so; all others say why not.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use chroma_blocking::embed::{
    ChromaCloudQwen, Cloudflare, Cohere, HttpFunction, HttpProvider, Ollama, OpenAi,
    TextEmbeddingsInference, Together,
};
use chroma_blocking::{Client, Collection, EmbeddingFunction, Error, Gemini, InvalidInput, Record};
use serde_json::{Value, json};

use crate::answers::answer;
use crate::golden::move_to;
use crate::support;
use crate::support::server::{self, unique_name};
use crate::support::stand_in::StandIn;

const DATABASE: &str = "/api/v2/tenants/default_tenant/databases/default_database/collections";

/// Sends a request as another client would.
fn send(request: ureq::http::request::Builder, body: &Value) -> Value {
    let request = request.header("content-type", "application/json");
    let mut answer = ureq::run(request.body(body.to_string()).unwrap()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

const SERVER: &str = "http://localhost:8080/embed";
const MINI_LM: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// A server and a client of it.
pub(crate) struct Chroma {
    url: String,
    pub(crate) client: Client,
}

impl Chroma {
    /// The server in the environment.
    pub(crate) fn new() -> Chroma {
        let url = std::env::var("CHROMA_HOST").unwrap();
        let url = if url.contains("://") {
            url
        } else {
            format!("http://{url}")
        };
        let client = Client::from_env().unwrap();
        Chroma { url, client }
    }

    /// Creates a collection with a stored function, as another client. Returns its name.
    pub(crate) fn create(&self, function: &Value) -> String {
        let name = unique_name();
        let configuration = json!({ "embedding_function": function });
        let body = json!({ "name": name, "configuration": configuration });
        send(
            ureq::http::Request::post(format!("{}{DATABASE}", self.url)),
            &body,
        );
        name
    }

    /// Returns the function that a collection stores.
    pub(crate) fn stored(&self, name: &str) -> Value {
        let get = ureq::http::Request::get(format!("{}{DATABASE}/{name}", self.url));
        send(get, &Value::Null)["configuration_json"]["embedding_function"].take()
    }
}

/// Runs a test in a child process with a server. The process has the keys of models that the stand-in serves, and
/// no other.
fn child(test: &str) {
    child_with(test, |_| {});
}

/// Like [`child`], with more variables.
pub(crate) fn child_with(test: &str, set: impl FnOnce(&mut Command)) {
    let local = (!server::is_given()).then(|| server::local().start().unwrap());
    let models = StandIn::start(answer);
    let mut command = support::child(test);
    for (name, _) in std::env::vars().filter(|(name, _)| name.ends_with("_API_KEY")) {
        command.env_remove(name);
    }
    for name in [
        "CHROMA_API_KEY",
        "GEMINI_API_KEY",
        "MORPH_API_KEY",
        "BASETEN_API_KEY",
    ] {
        command.env(name, "key");
    }
    if let Some(server) = &local {
        command.env("CHROMA_HOST", server.url());
    }
    for name in ["MODELS", "CHROMA_EMBED_URL", "GOOGLE_GEMINI_BASE_URL"] {
        command.env(name, models.url());
    }
    set(&mut command);
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("1 passed"), "{words}{errors}");
}

/// The stored functions of all recordings, by file and name.
fn recorded() -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/functions");
    let read = |file: &str| -> Value {
        serde_json::from_slice(&fs::read(format!("{folder}/{file}")).unwrap()).unwrap()
    };
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let recording = read(&file);
        if let (true, Some(name)) = (
            file.starts_with("ef-"),
            recording["registered_name"].as_str(),
        ) {
            let config = &recording["stored_config"];
            all.insert(
                file,
                json!({ "type": "known", "name": name, "config": config }),
            );
        }
    }
    for (file, member) in [
        ("js-stored-configs.json", "stored"),
        (
            "js-collections-on-server.json",
            "configuration_json.embedding_function",
        ),
    ] {
        for (name, entry) in read(file).as_object().unwrap() {
            all.insert(format!("{file} {name}"), entry[member].clone());
        }
    }
    all
}

/// The result of a text in a collection.
#[derive(Debug)]
enum Outcome {
    Vector,
    /// An error with these words.
    Error(&'static str),
}

/// Returns the result of a text with a stored function, if the program has the keys of [`child`].
fn expected(function: &Value) -> Outcome {
    let config = &function["config"];
    let is_set = |name: &str| !config[name].is_null();
    match function["name"].as_str().unwrap() {
        "openai" if is_set("default_headers") => Outcome::Error("default_headers"),
        "openai" if is_set("api_base") => Outcome::Vector,
        "openai" => Outcome::Error("OPENAI_API_KEY"),
        "cloudflare_workers_ai" if is_set("gateway_id") => {
            Outcome::Error("allow_embedding_host(\"gateway.ai.cloudflare.com\")")
        }
        "cloudflare_workers_ai" | "cloudflare-worker-ai" => Outcome::Error("CLOUDFLARE_API_KEY"),
        "cohere" => Outcome::Error("set COHERE_API_KEY"),
        "huggingface" => Outcome::Error("set HUGGINGFACE_API_KEY"),
        "jina" => Outcome::Error("set JINA_API_KEY"),
        "mistral" => Outcome::Error("set MISTRAL_API_KEY"),
        "perplexity" => Outcome::Error("set PERPLEXITY_API_KEY"),
        "together_ai" | "together-ai" => Outcome::Error("set TOGETHER_API_KEY"),
        "voyageai" => Outcome::Error("set VOYAGE_API_KEY"),
        "amazon_bedrock" => Outcome::Error("signed requests"),
        "roboflow" => Outcome::Error("one image or text in a request"),
        // A function of sparse vectors belongs into a schema.
        "chroma_bm25" | "chroma-cloud-splade" => Outcome::Error("sparse"),
        _ => Outcome::Vector,
    }
}

/// Returns the reason why a text was refused.
pub(crate) fn why(error: Error) -> String {
    match error {
        Error::Invalid {
            reason: InvalidInput::StoredEmbeddingFunction { why, .. },
            ..
        } => why,
        Error::Invalid {
            reason: reason @ InvalidInput::RetiredModel { .. },
            ..
        } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_stored_function_opens_and_takes_texts_or_says_why() {
    child("stored::child_that_opens_each");
}

#[test]
#[ignore = "started by each_stored_function_opens_and_takes_texts_or_says_why"]
fn child_that_opens_each() {
    let chroma = Chroma::new();
    let models = std::env::var("MODELS").unwrap();
    let all = recorded();
    assert!(all.len() >= 31 + 15 + 5, "{}", all.len());
    for (file, mut function) in all {
        for address in ["url", "api_base"] {
            if let Some(address) = function["config"].get_mut(address) {
                move_to(&models, address);
            }
        }
        let name = chroma.create(&function);
        assert_eq!(chroma.stored(&name), function, "{file}");
        let notes = chroma.client.collection(&name).get().unwrap();
        check_texts(&file, &notes, &expected(&function));
        let notes = notes
            .modify()
            .metadata([("by", "a program")])
            .run()
            .unwrap();
        assert_eq!(chroma.stored(&name), function, "{file}: modified");
        if let Some(same) = notes.embedding_function() {
            notes
                .modify()
                .embedding_function(same.clone())
                .run()
                .unwrap();
            assert_eq!(chroma.stored(&name), function, "{file}: set again");
        }
        chroma.client.delete_collection(&name).unwrap();
    }
}

fn check_texts(file: &str, notes: &Collection, expected: &Outcome) {
    let written = notes.upsert([Record::new("1").document("a text")]);
    match expected {
        Outcome::Vector => {
            written.unwrap_or_else(|error| panic!("{file}: {error}"));
            let hits = notes.query("a question").run().unwrap();
            assert_eq!(hits.len(), 1, "{file}");
        }
        Outcome::Error(words) => {
            let whys = [
                why(written.unwrap_err()),
                why(notes.query("a").run().unwrap_err()),
            ];
            for why in whys {
                assert!(why.contains(words), "{file}: {words}: {why}");
            }
            let function = notes.embedding_function();
            let floats = function.and_then(EmbeddingFunction::dimension);
            let vector = vec![0.5; floats.unwrap_or(2)];
            let record = Record::new("1").embedding(vector.clone());
            notes.upsert([record]).unwrap();
            assert_eq!(notes.query(vector).run().unwrap().len(), 1, "{file}");
        }
    }
}

type Shared = Arc<dyn EmbeddingFunction>;

/// A function of this crate, Python's name of it, and what other clients store for its model.
struct Known {
    make: fn() -> Shared,
    pythons: &'static str,
    stored: Vec<(&'static str, Value)>,
}

fn with_other_names() -> Vec<Known> {
    fn of(provider: impl Into<HttpProvider>) -> Shared {
        let builder = HttpFunction::builder(provider).api_key("key");
        Arc::new(builder.build().unwrap())
    }
    let model = |name: &str| json!({ "model_name": name });
    let gemini = || model("models/gemini-embedding-001");
    let worker = json!({ "model_name": "@cf/baai/bge-m3", "account_id": "acc" });
    vec![
        Known {
            make: || {
                let gemini = Gemini::builder().api_key("key").dimension(3072);
                Arc::new(gemini.build().unwrap())
            },
            pythons: "google_gemini",
            stored: vec![
                ("google-gemini", gemini()),
                ("google_genai", gemini()),
                ("google-generative-ai", gemini()),
                ("google_generative_ai", gemini()),
            ],
        },
        Known {
            make: || of(Together::new("m")),
            pythons: "together_ai",
            stored: vec![("together-ai", model("m")), ("openai", model("m"))],
        },
        Known {
            make: || of(TextEmbeddingsInference::new(SERVER)),
            pythons: "huggingface_server",
            stored: vec![("huggingface-server", json!({ "url": SERVER }))],
        },
        Known {
            make: || of(Cloudflare::new("acc", "@cf/baai/bge-m3")),
            pythons: "cloudflare_workers_ai",
            stored: vec![("cloudflare-worker-ai", worker)],
        },
        Known {
            make: || of(Ollama::new("chroma/all-minilm-l6-v2-f32")),
            pythons: "ollama",
            stored: vec![
                ("default", json!({})),
                ("onnx_mini_lm_l6_v2", json!({ "preferred_providers": null })),
                ("sentence_transformer", model("all-MiniLM-L6-v2")),
                ("huggingface", model(MINI_LM)),
            ],
        },
        Known {
            make: || of(TextEmbeddingsInference::new(SERVER).model(MINI_LM)),
            pythons: "huggingface_server",
            stored: vec![("default", json!({})), ("ollama", model("all-minilm"))],
        },
    ]
}

#[test]
fn the_same_model_opens_a_collection_under_any_name_and_new_ones_get_pythons() {
    child("stored::child_with_other_names");
}

#[test]
#[ignore = "started by the_same_model_opens_a_collection_under_any_name_and_new_ones_get_pythons"]
fn child_with_other_names() {
    let chroma = Chroma::new();
    for Known {
        make,
        pythons,
        stored,
    } in with_other_names()
    {
        let new = chroma.client.collection(unique_name());
        let new = new.embedding_function(make()).create().unwrap();
        assert_eq!(chroma.stored(new.name())["name"], pythons);
        for (name, config) in stored {
            check_names(&chroma, (make, pythons), (name, config));
        }
    }
}

fn check_names(
    chroma: &Chroma,
    (make, pythons): (fn() -> Shared, &str),
    (name, config): (&str, Value),
) {
    let stored = json!({ "type": "known", "name": name, "config": config });
    let created = chroma.create(&stored);
    let open = || {
        chroma
            .client
            .collection(&created)
            .embedding_function(make())
    };
    let opened = open().get().unwrap_or_else(|error| panic!("{error}"));
    open().get_or_create().unwrap();
    assert_eq!(chroma.stored(&created), stored, "opened");
    opened.modify().embedding_function(make()).run().unwrap();
    // Names of one function begin alike.
    let is_same_function = name.replace('-', "_").starts_with(&pythons[..6]);
    let kept = if is_same_function { name } else { pythons };
    assert_eq!(chroma.stored(&created)["name"], kept);
    // A new collection with the opened function gets Python's name.
    let again = chroma.client.collection(&created).get().unwrap();
    if let Some(same) = again.embedding_function() {
        let copy = chroma.client.collection(unique_name());
        let copy = copy.embedding_function(same.clone()).create().unwrap();
        assert_eq!(chroma.stored(copy.name())["name"], pythons);
    }
}

#[test]
fn another_model_is_a_conflict_that_names_both() {
    child("stored::child_with_another_model");
}

#[test]
#[ignore = "started by another_model_is_a_conflict_that_names_both"]
fn child_with_another_model() {
    let chroma = Chroma::new();
    let config = json!({ "model_name": "text-embedding-3-small", "dimensions": 256 });
    let stored = json!({ "type": "known", "name": "openai", "config": config });
    let name = chroma.create(&stored);
    let open = |provider: OpenAi| {
        let function = HttpFunction::builder(provider)
            .api_key("key")
            .build()
            .unwrap();
        chroma
            .client
            .collection(&name)
            .embedding_function(function)
            .get()
    };
    let small = || OpenAi::new("text-embedding-3-small");
    assert!(open(small().dimensions(256)).is_ok());
    for (other, shown) in [
        (
            small().dimensions(512),
            "openai, text-embedding-3-small, 512 floats",
        ),
        (OpenAi::new("m"), "openai, m"),
    ] {
        let error = open(other).unwrap_err().to_string();
        assert!(
            error.contains("\"openai, text-embedding-3-small, 256 floats\""),
            "{error}"
        );
        assert!(error.contains(&format!("{shown:?}")), "{error}");
    }
}

/// Google's names, with the settings of their time.
#[test]
fn a_model_of_google_that_was_shut_down_is_named_with_its_last_day() {
    child("stored::child_with_models_of_the_past");
}

#[test]
#[ignore = "started by a_model_of_google_that_was_shut_down_is_named_with_its_last_day"]
fn child_with_models_of_the_past() {
    let chroma = Chroma::new();
    let vertex = json!({ "model_name": "gemini-embedding-001", "vertexai": true, "project": "p" });
    let palm = json!({ "model_name": "models/embedding-gecko-001", "api_key_env_var": "K" });
    let gecko = json!({ "model_name": "textembedding-gecko", "project_id": "p", "region": "r",
        "api_key_env_var": "CHROMA_GOOGLE_VERTEX_API_KEY" });
    let model = |name: &str| json!({ "model_name": name, "api_key_env_var": "GEMINI_API_KEY" });
    for (name, config, words) in [
        (
            "google-generative-ai",
            model("text-embedding-004"),
            "2026-01-14",
        ),
        (
            "google_generative_ai",
            model("models/embedding-001"),
            "2025-10-30",
        ),
        ("google_generative_ai", model("embedding-001"), "2025-10-30"),
        (
            "google_genai",
            json!({ "model_name": "text-embedding-004" }),
            "2026-01-14",
        ),
        ("google_palm", palm, "2025-10-30"),
        ("google_vertex", gecko, "Vertex AI"),
        ("google_gemini", vertex, "Vertex AI"),
    ] {
        let created = chroma.create(&json!({ "type": "known", "name": name, "config": config }));
        let notes = chroma.client.collection(&created).get().unwrap();
        let why = why(notes.query("a").run().unwrap_err());
        assert!(why.contains(words), "{name}: {why}");
        let is_shut_down = words.starts_with("20");
        assert_eq!(
            why.contains("embed the documents again"),
            is_shut_down,
            "{name}: {why}"
        );
        notes.upsert([Record::new("1").embedding([0.5])]).unwrap();
    }
}

/// Chroma's Python client opens no collection whose settings lack one of these.
#[test]
fn settings_that_the_python_client_needs_are_stored() {
    let config = |provider: HttpProvider| {
        let builder = HttpFunction::builder(provider).base_url("http://localhost:1");
        builder.build().unwrap().config().unwrap()
    };
    // Without a key, since they are on this machine.
    let openai = config(OpenAi::new("m").into());
    assert_eq!(openai["api_key_env_var"], "OPENAI_API_KEY");
    let cohere = config(Cohere::new("m").into());
    assert_eq!(cohere["api_key_env_var"], "COHERE_API_KEY");
    assert_eq!(config(Ollama::new("m").into())["timeout"], 60);
    assert_eq!(config(ChromaCloudQwen::new().into())["task"], "");
}
