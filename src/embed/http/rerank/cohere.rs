//! [`CohereRerank`]: Cohere's rerankers.
//!
//! Requests and responses are those of `V2Client.rerank` in <https://github.com/cohere-ai/cohere-python>
//! (`src/cohere/v2/raw_client.py`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RerankProvider;
use super::provider::{Provider, Service, in_order};
use crate::embed::settings;
use crate::error::InvalidInput;
use crate::wire::read;

static SERVICE: Service = Service {
    name: "cohere",
    title: "Cohere",
    key_variables: &["COHERE_API_KEY", "CHROMA_COHERE_API_KEY"],
    needs_key: true,
    path: "/rerank",
    // Cohere recommends not to send more.
    batch_size: 1_000,
};

/// Cohere's rerankers. The key is in `COHERE_API_KEY` or `CHROMA_COHERE_API_KEY`. A request has at most 1,000
/// documents, as Cohere recommends. Scores are from 0 to 1. Cohere ignores the rest of a document that is
/// longer than 4,096 tokens.
///
/// ```no_run
/// use chroma_blocking::embed::{CohereRerank, HttpReranker};
///
/// let reranker = HttpReranker::new(CohereRerank::new("rerank-v3.5"))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// For another server with the same API, set its address with
/// [`base_url`](crate::embed::HttpRerankerBuilder::base_url).
#[derive(Debug, Clone)]
pub struct CohereRerank {
    model: String,
}

impl CohereRerank {
    /// Returns the reranker of a model, for example `rerank-v3.5`.
    pub fn new(model: impl Into<String>) -> CohereRerank {
        CohereRerank {
            model: model.into(),
        }
    }
}

impl From<CohereRerank> for RerankProvider {
    fn from(provider: CohereRerank) -> RerankProvider {
        RerankProvider(Arc::new(provider))
    }
}

impl Provider for CohereRerank {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn base_url(&self) -> &str {
        "https://api.cohere.com/v2"
    }

    fn check(&self) -> Result<(), InvalidInput> {
        if self.model.trim().is_empty() {
            let why = "name a model that reranks, such as rerank-v3.5";
            return Err(InvalidInput::setting("model", "", why));
        }
        let shown = || self.model.chars().take(20).collect::<String>();
        settings::check_model(&self.model)
            .map_err(|why| InvalidInput::setting("model", shown(), why))
    }

    fn body(&self, query: &str, documents: &[&str]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            model: &'a str,
            query: &'a str,
            documents: &'a [&'a str],
        }
        let body = Body {
            model: &self.model,
            query,
            documents,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn read(&self, response: &[u8], documents: usize) -> Result<Vec<f32>, String> {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Rank>,
        }
        #[derive(Deserialize)]
        struct Rank {
            index: usize,
            relevance_score: f32,
        }
        let answer: Answer = read::json(response)?;
        let ranks = answer.results.into_iter();
        let scores = ranks.map(|rank| (rank.index, rank.relevance_score));
        in_order(response, documents, scores)
    }
}
