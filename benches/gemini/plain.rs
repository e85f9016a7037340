//! A program without this library: `ureq` and `serde_json`, one batch at a time.

use std::error::Error;

use serde::Deserialize;
use serde_json::json;

use crate::google::{KEY, V001};
use crate::run::{BATCH, DIMENSION};

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vec<f32>,
}

pub fn embed(url: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let agent = ureq::Agent::config_builder()
        .proxy(None)
        .build()
        .new_agent();
    let url = format!("{url}/v1beta/models/{V001}:batchEmbedContents");
    let mut vectors = Vec::new();
    for batch in texts.chunks(BATCH) {
        let item = |text: &String| {
            json!({
                "model": format!("models/{V001}"),
                "content": { "parts": [{ "text": text }], "role": "user" },
                "taskType": "RETRIEVAL_DOCUMENT",
                "outputDimensionality": DIMENSION,
            })
        };
        let items: Vec<_> = batch.iter().map(item).collect();
        let answer = agent
            .post(&url)
            .header("x-goog-api-key", KEY)
            // The stand-in requires this header.
            .header("x-goog-api-client", "chroma-blocking/bench")
            .header("content-type", "application/json")
            .send(json!({ "requests": items }).to_string())?;
        let answer = answer
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .read_to_string()?;
        let answer: Answer = serde_json::from_str(&answer)?;
        vectors.extend(answer.embeddings.into_iter().map(|e| unit(e.values)));
    }
    Ok(vectors)
}

/// Normalizes a vector, which Google leaves to its clients.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}
