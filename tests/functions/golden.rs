//! The requests equal those of Chroma's Python client, which were recorded (`tests/data/functions`).
//!
//! `GOLDEN_FUNCTIONS=FOLDER` takes the recordings of another folder.

use std::fs;
use std::path::PathBuf;

use chroma_blocking::embed::{
    ChromaCloudSplade, EmbeddingContext, EmbeddingError, GeminiBuilder, HttpFunction, Purpose,
    SparseEmbeddingFunction, TaskType,
};
use chroma_blocking::{EmbeddingFunction, Gemini};
use serde_json::{Value, json};

use crate::answers::answer;
use crate::support::fast;
use crate::support::stand_in::{Request, StandIn};

/// The functions that cannot run here; a collection that stores them says why.
const CANNOT_RUN: [&str; 3] = ["amazon_bedrock", "nomic", "roboflow"];

/// The headers that matter. What else is sent are the habits of HTTP libraries, and headers that the recorder
/// leaves out.
const HEADERS: [&str; 6] = [
    "authorization",
    "api-key",
    "openai-organization",
    "x-chroma-embedding-model",
    "x-chroma-token",
    "x-goog-api-key",
];

fn folder() -> PathBuf {
    let own = || concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/functions").into();
    std::env::var("GOLDEN_FUNCTIONS").map_or_else(|_| own(), PathBuf::from)
}

fn recordings() -> Vec<(String, Value)> {
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut found: Vec<_> = files
        .map(|path| (name(&path), path))
        .filter(|(name, path)| name.starts_with("ef-") && path.extension() == Some("json".as_ref()))
        .map(|(name, path)| {
            (
                name,
                serde_json::from_slice(&fs::read(path).unwrap()).unwrap(),
            )
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// The requests of one call, as the recordings have them.
fn recorded(recording: &Value, of: &str) -> Vec<Value> {
    let requests = recording[of].as_array().cloned().unwrap_or_default();
    sorted(requests.iter().map(form).collect())
}

fn form(request: &Value) -> Value {
    let headers = request["headers"].as_object().unwrap().iter();
    let headers: serde_json::Map<_, _> = headers
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    json!({
        "method": request["method"], "path": request["path"], "query": request["query"],
        "headers": headers, "body": of_google(request["body"].clone()),
    })
}

/// Applies the rules for Google's requests: each text is a request of its own (Python merges those of the newer
/// model into one, which has a single vector), and the largest dimension need not be said.
fn of_google(mut body: Value) -> Value {
    let Some(requests) = body["requests"].as_array() else {
        return body;
    };
    let mut each = Vec::new();
    for request in requests {
        for part in request["content"]["parts"].as_array().unwrap() {
            let mut request = request.clone();
            request["content"]["parts"] = json!([part]);
            if request["outputDimensionality"] == 3_072 {
                request
                    .as_object_mut()
                    .unwrap()
                    .remove("outputDimensionality");
            }
            each.push(request);
        }
    }
    body["requests"] = each.into();
    body
}

fn sent(request: &Request) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let query: serde_json::Map<_, _> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let headers: serde_json::Map<_, _> = (request.headers.iter().cloned())
        .map(|(name, value)| (name, value.into()))
        .collect();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    form(&json!({
        "method": request.method, "path": path, "query": query, "headers": headers, "body": body,
    }))
}

/// Requests that were sent in parallel may come in any order.
fn sorted(mut requests: Vec<Value>) -> Vec<Value> {
    requests.sort_by_key(Value::to_string);
    requests
}

/// The texts of recorded requests, in their order.
fn texts(recording: &Value, of: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for request in recording[of].as_array()? {
        let body = &request["body"];
        let of_google = body["requests"].as_array();
        let list = ["input", "texts", "inputs", "text"]
            .iter()
            .find_map(|name| body[*name].as_array())
            .or(of_google)?;
        for text in list {
            let parts = text["content"]["parts"].as_array();
            let parts = parts
                .into_iter()
                .flatten()
                .map(|part| part["text"].as_str());
            for text in text.as_str().map(Some).into_iter().chain(parts) {
                texts.push(text?.to_owned());
            }
        }
    }
    Some(texts)
}

/// The value of the key in a recording, which stands in a header.
fn key(recording: &Value) -> Option<String> {
    let headers = &recording["requests_for_documents"][0]["headers"];
    let bearer = headers["authorization"].as_str();
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let named = ["api-key", "x-chroma-token", "x-goog-api-key"]
        .iter()
        .find_map(|name| headers[*name].as_str());
    bearer.or(named).map(str::to_owned)
}

/// The path of the recorder, which the function appends its own path to.
fn base(recording: &Value) -> String {
    let path = recording["requests_for_documents"][0]["path"]
        .as_str()
        .unwrap();
    for own in [
        "/openai/deployments/",
        "/embeddings",
        "/v1/embed",
        "/api/embed",
        "/client/v4/",
        "/v1/acc/",
        "/pipeline/",
    ] {
        let is_openai = ["openai", "morph", "baseten", "together_ai", "mistral"];
        let name = recording["registered_name"].as_str().unwrap();
        if own == "/embeddings" && !is_openai.contains(&name) {
            continue;
        }
        if let Some(at) = path.find(own) {
            return path[..at].to_owned();
        }
    }
    match recording["registered_name"].as_str().unwrap() {
        "huggingface_server" => path.to_owned(),
        _ => String::new(),
    }
}

fn function(recording: &Value, server: &StandIn) -> Box<dyn EmbeddingFunction> {
    let name = recording["registered_name"].as_str().unwrap();
    let (config, key) = (&recording["stored_config"], key(recording));
    let url = format!("{}{}", server.url(), base(recording));
    if name == "google_gemini" {
        return Box::new(
            gemini(config)
                .api_key(key.unwrap())
                .base_url(url)
                .build()
                .unwrap(),
        );
    }
    let builder = HttpFunction::from_config(name, config).unwrap();
    let mut builder = builder.as_python(true).base_url(url).retry(fast());
    if let Some(key) = key {
        builder = builder.api_key(key);
    }
    Box::new(builder.build().unwrap())
}

/// Python's function embeds queries like documents.
fn gemini(config: &Value) -> GeminiBuilder {
    let dimension = config["dimension"].as_u64().unwrap_or(3_072) as usize;
    let gemini = Gemini::builder().model(config["model_name"].as_str().unwrap());
    let gemini = gemini.dimension(dimension).api_version("v1");
    match config["task_type"].as_str() {
        Some("RETRIEVAL_DOCUMENT") => gemini.query_task(TaskType::RetrievalDocument),
        Some(other) => panic!("{other}"),
        None => gemini.document_task(None).query_task(None),
    }
}

fn splade(recording: &Value, server: &StandIn, texts: &[&str]) -> Result<(), EmbeddingError> {
    let config = &recording["stored_config"];
    let splade = ChromaCloudSplade::new().include_tokens(config["include_tokens"] == true);
    let splade = splade
        .api_key(key(recording).unwrap())
        .base_url(server.url());
    let vectors = splade.embed_documents(texts)?;
    assert_eq!(vectors[0].indices, [1037, 2054]);
    Ok(())
}

/// Compares a recording, and says what differs.
fn compare(recording: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    for (of, purpose) in [
        ("requests_for_documents", Purpose::Documents),
        ("requests_for_queries", Purpose::Queries),
    ] {
        if !recording[of].is_array() {
            continue;
        }
        let server = StandIn::start(answer);
        let texts = texts(recording, of).unwrap();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let result = if recording["registered_name"] == "chroma-cloud-splade" {
            splade(recording, &server, &texts)
        } else {
            let function = function(recording, &server);
            let mut context = EmbeddingContext::new(purpose);
            function.embed_with(&texts, &mut context).map(drop)
        };
        let requests = sorted(server.requests().iter().map(sent).collect());
        let expected = recorded(recording, of);
        if requests != expected {
            differences.push(format!(
                "{of}\n  sent:     {requests:?}\n  recorded: {expected:?}"
            ));
        } else if let Err(error) = result {
            differences.push(format!("{of}: {error}"));
        }
    }
    differences
}

#[test]
fn golden_requests_equal_those_of_the_python_client() {
    let (all, mut cannot) = (recordings(), 0);
    let (mut compared, mut differences) = (0, Vec::new());
    for (file, recording) in &all {
        let name = recording["registered_name"].as_str().unwrap_or("nomic");
        let is_image =
            texts(recording, "requests_for_documents").is_none_or(|texts| texts.is_empty());
        if CANNOT_RUN.contains(&name) || is_image {
            cannot += 1;
            continue;
        }
        compared += 1;
        let found = compare(recording);
        differences.extend(found.into_iter().map(|what| format!("{file}: {what}")));
    }
    println!(
        "compared {compared} of {}; {cannot} cannot run here",
        all.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
