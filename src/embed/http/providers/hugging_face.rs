//! [`TextEmbeddingsInference`] and [`HuggingFace`]: models of Hugging Face, on a server or hosted.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::prefixes::Prefixes;
use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{Ask, MAX_BYTES, Provider, Service, check_in_path};
use crate::error::InvalidInput;

const ROUTER: &str = "https://router.huggingface.co";

static SERVER: Service = Service {
    name: "huggingface_server",
    key_variables: &["HUGGINGFACE_API_KEY"],
    hosts: &[],
    texts: "inputs",
    answer: Answer::at(&[]),
    // The default of its option `--max-client-batch-size`.
    batch_size: 32,
    max_bytes: MAX_BYTES,
    max_tokens: None,
};

static HOSTED: Service = Service {
    name: "huggingface",
    key_variables: &["HUGGINGFACE_API_KEY", "CHROMA_HUGGINGFACE_API_KEY"],
    hosts: &[],
    texts: "inputs",
    answer: Answer::at(&[]),
    batch_size: 32,
    max_bytes: MAX_BYTES,
    max_tokens: None,
};

/// The model of a server of Hugging Face's Text Embeddings Inference. A server may require a key, in
/// `HUGGINGFACE_API_KEY`.
///
/// The server refuses texts that are longer than its model reads, unless it was started with
/// `--auto-truncate`.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, TextEmbeddingsInference};
///
/// let server = TextEmbeddingsInference::new("http://localhost:8080/embed");
/// let function = HttpFunction::new(server)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TextEmbeddingsInference {
    url: String,
    #[serde(flatten)]
    prefixes: Prefixes,
}

impl TextEmbeddingsInference {
    /// Returns the function of the server at a URL, with its path: `http://localhost:8080/embed`.
    pub fn new(url: impl Into<String>) -> TextEmbeddingsInference {
        TextEmbeddingsInference {
            url: url.into(),
            prefixes: Prefixes::default(),
        }
    }

    /// Sets the words before each document and each query. Default: none.
    #[must_use]
    pub fn prefixes(mut self, documents: &str, queries: &str) -> TextEmbeddingsInference {
        self.prefixes = Prefixes::new(documents, queries);
        self
    }
}

impl Provider for TextEmbeddingsInference {
    fn service(&self) -> &'static Service {
        &SERVER
    }

    fn model(&self) -> &'static str {
        "text-embeddings-inference"
    }

    fn base_url(&self) -> String {
        self.url.clone()
    }

    fn path(&self, _: bool) -> String {
        String::new()
    }

    fn needs_key(&self) -> bool {
        false
    }

    fn stored_url(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn body(&self, _: Ask) -> Value {
        json!({})
    }

    fn prefix(&self, ask: Ask) -> &str {
        self.prefixes.before(ask)
    }
}

/// Models that Hugging Face hosts: its Inference API. The key is in `HUGGINGFACE_API_KEY` or
/// `CHROMA_HUGGINGFACE_API_KEY`.
///
/// Chroma's Python client sends requests to an address that no longer exists. This crate uses its successor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HuggingFace {
    #[serde(default = "model")]
    model_name: String,
    #[serde(flatten)]
    prefixes: Prefixes,
}

fn model() -> String {
    "sentence-transformers/all-MiniLM-L6-v2".to_owned()
}

impl HuggingFace {
    /// Returns the function of a model, for example `sentence-transformers/all-MiniLM-L6-v2`.
    pub fn new(model: impl Into<String>) -> HuggingFace {
        let model_name = model.into();
        HuggingFace {
            prefixes: Prefixes::of(&model_name),
            model_name,
        }
    }
}

impl Provider for HuggingFace {
    fn service(&self) -> &'static Service {
        &HOSTED
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> String {
        ROUTER.to_owned()
    }

    /// Another address has the paths of the former Inference API.
    fn path(&self, is_own: bool) -> String {
        let model = &self.model_name;
        if is_own {
            format!("/hf-inference/models/{model}/pipeline/feature-extraction")
        } else {
            format!("/pipeline/feature-extraction/{model}")
        }
    }

    fn body(&self, _: Ask) -> Value {
        json!({ "options": { "wait_for_model": true } })
    }

    fn prefix(&self, ask: Ask) -> &str {
        self.prefixes.before(ask)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        check_in_path("model_name", &self.model_name)
    }
}
