//! [`HuggingFace`]: models that Hugging Face hosts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::prefixes::Prefixes;
use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{EmbedMode, Provider, Service, check_in_path};
use crate::error::InvalidInput;

static SERVICE: Service = Service {
    name: "huggingface",
    title: "Hugging Face",
    key_variables: &["HUGGINGFACE_API_KEY", "CHROMA_HUGGINGFACE_API_KEY"],
    base_url: "https://router.huggingface.co",
    texts: "inputs",
    answer: Answer::at(&[]),
    // The default of Text Embeddings Inference, which serves these models
    batch_size: 32,
    ..Service::LIKE_OPENAI
};

/// Models that Hugging Face hosts: Chroma's function `huggingface`. The key is in `HUGGINGFACE_API_KEY` or
/// `CHROMA_HUGGINGFACE_API_KEY`. A request has at most 32 texts.
///
/// Chroma's Python client sends requests to an address that no longer exists. This crate uses its successor.
/// For the models named there, documents and queries get the prefixes of
/// [`Ollama::prefixes`](crate::embed::Ollama::prefixes).
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, HuggingFace};
///
/// let function = HttpFunction::new(HuggingFace::new("BAAI/bge-m3"))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
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

    /// Sets the words before each document and each query. Default and effect: those of
    /// [`Ollama::prefixes`](crate::embed::Ollama::prefixes).
    #[must_use]
    pub fn prefixes(mut self, documents: &str, queries: &str) -> HuggingFace {
        self.prefixes = Prefixes::new(documents, queries);
        self
    }
}

impl Provider for HuggingFace {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn path(&self) -> String {
        let model = &self.model_name;
        format!("/hf-inference/models/{model}/pipeline/feature-extraction")
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "options": { "wait_for_model": true } })
    }

    fn prefix(&self, mode: EmbedMode) -> &str {
        self.prefixes.before(mode)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        check_in_path("model_name", &self.model_name)
    }
}
