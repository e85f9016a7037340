//! Answers of a provider, in the shape of the API that a request uses.

use serde_json::{Value, json};

use crate::support::stand_in::{Answer, Request};

/// Answers with a vector for each text.
pub fn answer(request: &Request) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let count = |name: &str| body[name].as_array().map(Vec::len);
    let floats = body["dimensions"].as_u64().unwrap_or(3) as usize;
    let vector = json!(vec![0.5; floats]);
    let path = request.path.split('?').next().unwrap();
    let answer = if let Some(requests) = body["requests"].as_array() {
        let floats = requests[0]["outputDimensionality"].as_u64();
        let vector = json!({ "values": vec![0.5; floats.unwrap_or(3_072) as usize] });
        json!({ "embeddings": vec![vector; requests.len()] })
    } else if path.ends_with("/embed_sparse") {
        let vector = json!({ "indices": [2054, 1037], "values": [0.5, 1.25] });
        json!({ "embeddings": vec![vector; count("texts").unwrap()], "num_tokens": 5 })
    } else if let Some(texts) = count("text") {
        let result = json!({ "shape": [texts, 3], "data": vec![vector; texts] });
        json!({ "result": result, "success": true, "errors": [], "messages": [] })
    } else if let Some(texts) = count("texts") {
        json!({ "embeddings": vec![vector; texts], "num_tokens": 5 })
    } else if let Some(texts) = count("inputs") {
        json!(vec![vector; texts])
    } else if path.ends_with("/api/embed") {
        json!({ "embeddings": vec![vector; count("input").unwrap()] })
    } else {
        let entry = |index| json!({ "index": index, "object": "embedding", "embedding": vector });
        let data: Vec<_> = (0..count("input").unwrap()).rev().map(entry).collect();
        json!({ "data": data, "model": "m", "usage": { "total_tokens": 5 } })
    };
    Answer::ok(answer.to_string())
}
