//! [`TextEmbeddingsInferenceRerank`]: a server with a reranker of Hugging Face.
//!
//! Requests and responses are those of the route `/rerank` in
//! <https://github.com/huggingface/text-embeddings-inference> (`router/src/http`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RerankProvider;
use super::provider::{Provider, Service, in_order};
use crate::error::InvalidInput;
use crate::wire::read;

static SERVICE: Service = Service {
    name: "text-embeddings-inference",
    title: "Hugging Face",
    key_variables: &["HUGGINGFACE_API_KEY"],
    needs_key: false,
    path: "/rerank",
    // The default of its option `--max-client-batch-size`.
    batch_size: 32,
};

/// The reranker of a server of Hugging Face's Text Embeddings Inference. A server may require a key, in
/// `HUGGINGFACE_API_KEY`. A request has at most 32 documents, the server's default; more are sent in several
/// requests. Scores are from 0 to 1. The server ignores the rest of a document that is longer than its model
/// reads.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpReranker, TextEmbeddingsInferenceRerank};
///
/// let server = TextEmbeddingsInferenceRerank::new("http://localhost:8080");
/// let reranker = HttpReranker::new(server)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TextEmbeddingsInferenceRerank {
    url: String,
}

impl TextEmbeddingsInferenceRerank {
    /// Returns the reranker of the server at a URL, with or without the path `/rerank`.
    pub fn new(url: impl Into<String>) -> TextEmbeddingsInferenceRerank {
        TextEmbeddingsInferenceRerank { url: url.into() }
    }
}

impl From<TextEmbeddingsInferenceRerank> for RerankProvider {
    fn from(provider: TextEmbeddingsInferenceRerank) -> RerankProvider {
        RerankProvider(Arc::new(provider))
    }
}

impl Provider for TextEmbeddingsInferenceRerank {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    /// A server has one model, which requests do not name.
    fn model(&self) -> &str {
        SERVICE.name
    }

    fn base_url(&self) -> &str {
        let url = self.url.trim_end_matches('/');
        url.strip_suffix(SERVICE.path).unwrap_or(url)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        if self.url.trim().is_empty() {
            let why = "set the address of the server, such as http://localhost:8080";
            return Err(InvalidInput::setting("url", "", why));
        }
        Ok(())
    }

    fn body(&self, query: &str, documents: &[&str]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            query: &'a str,
            texts: &'a [&'a str],
            /// From 0 to 1 instead of any number.
            raw_scores: bool,
            /// Otherwise the server refuses a pair that is too long.
            truncate: bool,
        }
        let body = Body {
            query,
            texts: documents,
            raw_scores: false,
            truncate: true,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn read(&self, response: &[u8], documents: usize) -> Result<Vec<f32>, String> {
        #[derive(Deserialize)]
        struct Rank {
            index: usize,
            score: f32,
        }
        let ranks: Vec<Rank> = read::json(response)?;
        let scores = ranks.into_iter().map(|rank| (rank.index, rank.score));
        in_order(response, documents, scores)
    }
}
