//! [`Recording`]: the requests that Chroma's Python client sent for a stored function, and the rules by which
//! those of this crate may differ.

use std::fs;
use std::path::Path;

use chroma_blocking::embed::Purpose;
use serde_json::{Map, Value, json};

use crate::support::stand_in::Request;

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

/// The members of bodies that hold texts.
const TEXTS: [&str; 5] = ["input", "texts", "inputs", "text", "requests"];

/// The requests of a stored function.
pub struct Recording {
    pub file: String,
    json: Value,
}

impl Recording {
    /// Reads the files `ef-*.json` of a folder.
    pub fn all(folder: &Path) -> Vec<Recording> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if file.starts_with("ef-") && path.extension() == Some("json".as_ref()) {
                let json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                all.push(Recording { file, json });
            }
        }
        all.sort_by(|one, other| one.file.cmp(&other.file));
        all
    }

    /// The name that a collection stores. Where Python could not make the function, `what` begins with it.
    pub fn name(&self) -> &str {
        let what = self.json["what"].as_str().unwrap_or_default();
        let first = what.split('-').next().unwrap_or_default();
        self.json["registered_name"].as_str().unwrap_or(first)
    }

    /// The version of Google's API.
    pub fn version(&self) -> Option<String> {
        let calls = self.calls();
        let (_, requests) = calls.first()?;
        let (before, _) = requests[0]["path"].as_str()?.split_once("/models/")?;
        before.rsplit('/').next().map(str::to_owned)
    }

    pub fn config(&self) -> &Value {
        &self.json["stored_config"]
    }

    /// Returns the recorded calls.
    pub fn calls(&self) -> Vec<(Purpose, Vec<Value>)> {
        let calls = [
            (Purpose::Documents, "requests_for_documents"),
            (Purpose::Queries, "requests_for_queries"),
        ];
        let requests = |name| {
            let mut requests = self.json[name].as_array().cloned().unwrap_or_default();
            for request in &mut requests {
                let headers = request["headers"].as_object().cloned().unwrap_or_default();
                let headers = headers.into_iter();
                let headers = headers.map(|(name, value)| (name.to_lowercase(), value));
                request["headers"] = headers.collect();
            }
            requests
        };
        let calls = calls.map(|(purpose, name)| (purpose, requests(name)));
        let has_requests = |(_, requests): &(_, Vec<_>)| !requests.is_empty();
        calls.into_iter().filter(has_requests).collect()
    }

    /// Whether Python failed before it sent a request.
    pub fn is_empty(&self) -> bool {
        self.json["error"].is_string() && self.calls().is_empty()
    }

    /// Whether it has images, or texts and images.
    pub fn has_images(&self) -> bool {
        let calls = self.calls();
        let mut requests = calls.iter().flat_map(|(_, requests)| requests);
        requests.any(|request| {
            let body = &request["body"];
            let inputs = body["input"].as_array().into_iter().flatten();
            body.get("images").is_some() || inputs.into_iter().any(Value::is_object)
        })
    }

    /// The value of the key, which stands in a header.
    pub fn key(&self) -> Option<String> {
        let calls = self.calls();
        let (_, requests) = calls.first()?;
        let headers = &requests[0]["headers"];
        let bearer = headers["authorization"].as_str();
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let mut named = ["api-key", "x-chroma-token", "x-goog-api-key"].iter();
        let named = || named.find_map(|name| headers[*name].as_str());
        bearer.or_else(named).map(str::to_owned)
    }
}

/// Returns the texts of a call. A client that sends requests in parallel cuts off full batches first.
pub fn texts(requests: &[Value]) -> Vec<String> {
    let mut batches: Vec<_> = requests.iter().map(form).map(|form| split(&form)).collect();
    batches.sort_by_key(|batch| std::cmp::Reverse(batch.len()));
    let texts = batches.iter().flatten().map(|request| {
        let of_google = request["text"]["content"]["parts"][0]["text"].as_str();
        of_google.or(request["text"].as_str()).unwrap().to_owned()
    });
    texts.collect()
}

/// Returns a request that was sent, as a recording has it.
pub fn sent(request: &Request) -> Value {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query: Map<_, _> = pairs
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let headers = request.headers.iter();
    let headers: Map<_, _> = headers
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    json!({ "method": request.method, "path": path, "query": query, "headers": headers, "body": body })
}

/// Returns the path of a request, by the rules.
pub fn path(request: &Value) -> String {
    moved(request["path"].as_str().unwrap())
}

/// The difference of a call that a rule permits.
#[derive(Debug, PartialEq)]
pub enum Difference {
    None,
    /// The texts are in other requests: in smaller ones, since the provider limits their number, or without
    /// those that repeat another text.
    Batches {
        sent: usize,
        recorded: usize,
    },
}

/// Compares the requests of a call, which may be in any order.
pub fn compare(sent: &[Value], recorded: &[Value]) -> Result<Difference, String> {
    let forms = |requests: &[Value]| sorted(requests.iter().map(form).collect());
    let (sent, recorded) = (forms(sent), forms(recorded));
    if sent == recorded {
        return Ok(Difference::None);
    }
    let each = |requests: &[Value]| {
        let mut each = sorted(requests.iter().flat_map(split).collect());
        each.dedup();
        each
    };
    let largest = |requests: &[Value]| requests.iter().map(|all| split(all).len()).max();
    if each(&sent) == each(&recorded) && largest(&sent) <= largest(&recorded) {
        let (sent, recorded) = (sent.len(), recorded.len());
        return Ok(Difference::Batches { sent, recorded });
    }
    let mut shown = String::new();
    for (side, these, others) in [("sent", &sent, &recorded), ("recorded", &recorded, &sent)] {
        for request in these.iter().filter(|request| !others.contains(request)) {
            let request: String = request.to_string().chars().take(600).collect();
            shown.extend(["\n  ", side, ": ", &request]);
        }
    }
    Err(shown)
}

fn sorted(mut requests: Vec<Value>) -> Vec<Value> {
    requests.sort_by_key(Value::to_string);
    requests
}

/// Applies the rules by field: headers, path, body.
fn form(request: &Value) -> Value {
    let headers = request["headers"].as_object().unwrap().iter();
    let headers: Map<_, _> = headers
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    json!({
        "method": request["method"], "path": path(request), "query": request["query"],
        "headers": headers, "body": body(request["body"].clone()),
    })
}

/// The Inference API of Hugging Face has moved.
fn moved(path: &str) -> String {
    match path.split_once("/pipeline/feature-extraction/") {
        Some((before, model)) => {
            format!("{before}/hf-inference/models/{model}/pipeline/feature-extraction")
        }
        None => path.to_owned(),
    }
}

/// A member that is `null` is one that is absent. Each text for Google is a separate request (Python merges
/// those of the newer model into one, which has a single vector). The largest dimension need not be said, and the
/// newer model does not read a task.
fn body(mut body: Value) -> Value {
    body.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    let Some(requests) = body["requests"].as_array() else {
        return body;
    };
    let mut each = Vec::new();
    for request in requests {
        for part in request["content"]["parts"].as_array().unwrap() {
            let mut request = request.clone();
            request["content"]["parts"] = json!([part]);
            let members = request.as_object_mut().unwrap();
            if members.get("outputDimensionality") == Some(&json!(3_072)) {
                members.remove("outputDimensionality");
            }
            if members["model"] == "models/gemini-embedding-2" {
                members.remove("taskType");
            }
            each.push(request);
        }
    }
    body["requests"] = each.into();
    body
}

/// Splits a request into one for each of its texts.
fn split(request: &Value) -> Vec<Value> {
    let body = request["body"].as_object().unwrap();
    let list = TEXTS
        .iter()
        .find(|name| body.get(**name).is_some_and(Value::is_array));
    let Some(list) = list else {
        return vec![request.clone()];
    };
    let texts = body[*list].as_array().unwrap().iter();
    let one = |text: &Value| {
        let mut one = request.clone();
        one["body"][*list] = json!([]);
        one["text"] = text.clone();
        one
    };
    texts.map(one).collect()
}

/// Returns a request for texts, as a recording has it.
fn request(texts: &[&str]) -> Value {
    json!({
        "method": "POST", "path": "/v1/embeddings", "query": {},
        "headers": { "authorization": "Bearer KEY", "user-agent": "x" },
        "body": { "model": "m", "dimensions": null, "input": texts },
    })
}

#[test]
fn rules_permit_other_batches_habits_and_members_that_are_null() {
    let recorded = [request(&["a", "b"]), request(&["c"])];
    let mut other = recorded.clone();
    other.reverse();
    other[0]["headers"]["user-agent"] = "y".into();
    other[1]["body"]
        .as_object_mut()
        .unwrap()
        .remove("dimensions");
    assert_eq!(compare(&other, &recorded), Ok(Difference::None));
    for sent in [
        vec![request(&["a"]), request(&["b"]), request(&["c"])],
        vec![request(&["a", "c"]), request(&["b"])],
    ] {
        let found = compare(&sent, &recorded).unwrap();
        let (sent, recorded) = (sent.len(), recorded.len());
        assert_eq!(found, Difference::Batches { sent, recorded });
    }
    // The client embeds a repeated text once.
    let repeated = [request(&["a", "b", "a"])];
    assert!(compare(&[request(&["a", "b"])], &repeated).is_ok());
    let moved = |path: &str| json!({ "path": path });
    let old = path(&moved("/hf/pipeline/feature-extraction/BAAI/bge-m3"));
    assert_eq!(
        old,
        "/hf/hf-inference/models/BAAI/bge-m3/pipeline/feature-extraction"
    );
    assert_eq!(
        texts(&[request(&["c"]), request(&["a", "b"])]),
        ["a", "b", "c"]
    );
}

#[test]
fn rules_permit_nothing_else() {
    let recorded = || request(&["a", "b"]);
    let with = |pointer: &str, value: Value| {
        let mut sent = recorded();
        *sent.pointer_mut(pointer).unwrap() = value;
        sent
    };
    for sent in [
        vec![],
        vec![request(&["a"])],
        vec![request(&["a", "b", "c"])],
        vec![request(&["a"]), request(&["c"])],
        vec![with("/body/model", json!("n"))],
        vec![with("/body/dimensions", json!(3))],
        vec![with("/headers/authorization", json!("Bearer OTHER"))],
        vec![with("/path", json!("/embeddings"))],
        vec![with("/query", json!({ "v": "1" }))],
        vec![with("/method", json!("PUT"))],
    ] {
        assert!(compare(&sent, &[recorded()]).is_err(), "{sent:?}");
    }
    // More texts in a request than the provider's library would send.
    let two = [request(&["a"]), request(&["b"])];
    assert!(compare(&[recorded()], &two).is_err());
}
