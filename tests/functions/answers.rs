//! What a provider answers, in the shape of the API that a request uses.

use serde_json::{Value, json};

use crate::support::stand_in::{Answer, Request};

/// Answers with a vector for each text.
pub fn answer(request: &Request) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let list = ["input", "texts", "inputs", "text"]
        .iter()
        .find_map(|name| body[*name].as_array())
        .map_or(1, Vec::len);
    let floats = body["dimensions"].as_u64().unwrap_or(3) as usize;
    let vector = json!(vec![0.5; floats]);
    let vectors = vec![vector.clone(); list];
    let path = request.path.split('?').next().unwrap();
    let is_chroma = request.header("x-chroma-token").is_some();
    let google = body["requests"].as_array();
    let answer = if let Some(requests) = google {
        let floats = requests[0]["outputDimensionality"]
            .as_u64()
            .unwrap_or(3_072);
        let vector = json!({ "values": vec![0.5; floats as usize] });
        json!({ "embeddings": vec![vector; requests.len()] })
    } else if path == "/embed_sparse" {
        let vector = json!({ "indices": [2054, 1037], "values": [0.5, 1.25] });
        json!({ "embeddings": vec![vector; list], "num_tokens": 5 })
    } else if path.contains("/ai/run/") || path.contains("/workers-ai/") {
        json!({ "result": { "shape": [list, 3], "data": vectors }, "success": true, "errors": [] })
    } else if path.ends_with("/api/embed") || path.ends_with("/v1/embed") || is_chroma {
        json!({ "embeddings": vectors, "num_tokens": 5 })
    } else if path.contains("/pipeline/") || path.ends_with("/embed") {
        json!(vectors)
    } else {
        let entry = |index| json!({ "index": index, "object": "embedding", "embedding": vector });
        let data: Vec<_> = (0..list).rev().map(entry).collect();
        json!({ "data": data, "model": "m", "usage": { "total_tokens": 5 } })
    };
    Answer::ok(answer.to_string())
}
