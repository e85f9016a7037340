//! [`Prepared`]: upserts whose bodies are made before they are sent. The floor of a copy.

use std::error::Error;

use base64_simd::STANDARD as BASE64;
use serde_json::json;
use ureq::Agent;

use crate::numbered::{document, id, vector};

/// Records of a request.
pub const BATCH: usize = 1_000;

pub struct Prepared {
    agent: Agent,
    bodies: Vec<Vec<u8>>,
}

impl Prepared {
    /// Prepares the upserts of the records with the numbers below `records`.
    pub fn new(records: usize) -> Result<Prepared, Box<dyn Error>> {
        let numbers: Vec<usize> = (0..records).collect();
        let bodies = numbers.chunks(BATCH).map(|batch| {
            let all = |make: &dyn Fn(usize) -> String| -> Vec<String> {
                batch.iter().map(|number| make(*number)).collect()
            };
            let metadata = |number: &usize| json!({ "number": number, "part": format!("part {}", number % 10) });
            serde_json::to_vec(&json!({
                "ids": all(&id),
                "embeddings": all(&|number| base64(&vector(number))),
                "documents": all(&document),
                "metadatas": batch.iter().map(metadata).collect::<Vec<_>>(),
            }))
        });
        Ok(Prepared {
            agent: Agent::config_builder().proxy(None).build().new_agent(),
            bodies: bodies.collect::<Result<_, _>>()?,
        })
    }

    /// Sends them all to a collection, one after the other.
    pub fn send(&self, url: &str, collection: &str) -> Result<(), Box<dyn Error>> {
        let url = format!(
            "{url}/api/v2/tenants/default_tenant/databases/default_database/collections/{collection}/upsert"
        );
        for body in &self.bodies {
            let request = self.agent.post(&url);
            let request = request.header("content-type", "application/json");
            request.send(body.as_slice())?.into_body().read_to_vec()?;
        }
        Ok(())
    }
}

/// Returns the little-endian floats in base64, as servers since 1.0.21 read them.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    BASE64.encode_to_string(bytes)
}
