//! [`TextEmbeddingsInference`]: a server with a model of Hugging Face.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::prefixes::Prefixes;
use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "huggingface_server",
    title: "Hugging Face",
    key_variables: &["HUGGINGFACE_API_KEY"],
    path: "",
    texts: "inputs",
    answer: Answer::at(&[]),
    // The default of its option `--max-client-batch-size`.
    batch_size: 32,
    ..Service::LIKE_OPENAI
};

/// The model of a server of Hugging Face's Text Embeddings Inference: Chroma's function `huggingface_server`.
/// A server may require a key, in `HUGGINGFACE_API_KEY`. A request has at most 32 texts, the server's
/// default.
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
    model_name: Option<String>,
    #[serde(flatten)]
    prefixes: Prefixes,
}

impl TextEmbeddingsInference {
    /// Returns the function of the server at a URL, with its path: `http://localhost:8080/embed`.
    pub fn new(url: impl Into<String>) -> TextEmbeddingsInference {
        TextEmbeddingsInference {
            url: url.into(),
            model_name: None,
            prefixes: Prefixes::default(),
        }
    }

    /// Sets the name of the server's model, for example `sentence-transformers/all-MiniLM-L6-v2`. It is not
    /// sent. A collection stores it, and opens with other functions of the same model. Default: none.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> TextEmbeddingsInference {
        self.model_name = Some(name.into());
        self
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
        &SERVICE
    }

    fn model(&self) -> &str {
        let name = self.model_name.as_deref();
        name.unwrap_or("text-embeddings-inference")
    }

    fn base_url(&self) -> &str {
        &self.url
    }

    fn needs_key(&self) -> bool {
        false
    }

    /// Chroma's JavaScript client opens no collection whose variable is not set.
    fn stores_key_variable(&self) -> bool {
        false
    }

    fn url_to_allow(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({})
    }

    fn prefix(&self, mode: EmbedMode) -> &str {
        self.prefixes.before(mode)
    }
}
