//! [`Ollama`]: models that Ollama serves.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use super::prefixes::Prefixes;
use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "ollama",
    title: "Ollama",
    base_url: "http://localhost:11434",
    path: "/api/embed",
    answer: Answer::at(&["embeddings"]),
    // Ollama has no limit. A request should be shorter than its timeout.
    batch_size: 512,
    ..Service::LIKE_OPENAI
};

/// Models that [Ollama](https://ollama.com) serves, without a key: Chroma's function `ollama`. A request has
/// at most 512 texts.
///
/// Pull the model first, for example with `ollama pull nomic-embed-text`. Ollama ignores the rest of a text
/// that is longer than the model reads.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Ollama};
///
/// let ollama = Ollama::new("nomic-embed-text").url("http://ollama:11434");
/// let function = HttpFunction::new(ollama)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ollama {
    #[serde(default = "url")]
    url: String,
    #[serde(default = "model")]
    model_name: String,
    /// Seconds. Chroma's clients store whole ones, but accept fractions.
    timeout: Option<Number>,
    #[serde(flatten)]
    prefixes: Prefixes,
}

/// The time in seconds that Chroma's Python client stores. It opens no collection without one.
const TIMEOUT: u64 = 60;

fn url() -> String {
    SERVICE.base_url.to_owned()
}

/// The model of Chroma's clients: that of their default function, as 32-bit floats.
fn model() -> String {
    "chroma/all-minilm-l6-v2-f32".to_owned()
}

impl Ollama {
    /// Returns the function of a model, for example `nomic-embed-text`.
    pub fn new(model: impl Into<String>) -> Ollama {
        let model_name = model.into();
        Ollama {
            url: url(),
            timeout: Some(TIMEOUT.into()),
            prefixes: Prefixes::of(&model_name),
            model_name,
        }
    }

    /// Sets the address of the server. Default: `http://localhost:11434`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Ollama {
        self.url = url.into();
        self
    }

    /// Sets the words before each document and each query. Default: those that the makers of
    /// `nomic-embed-text`, `e5` and `mxbai-embed-large` name for these models, and none for others.
    ///
    /// A collection stores them, but Chroma's other clients ignore them. For a collection that those clients
    /// fill as well, set none: `prefixes("", "")`.
    #[must_use]
    pub fn prefixes(mut self, documents: &str, queries: &str) -> Ollama {
        self.prefixes = Prefixes::new(documents, queries);
        self
    }
}

impl Provider for Ollama {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    /// Older clients of Chroma stored the address with the path of an operation.
    fn base_url(&self) -> &str {
        let url = self.url.trim_end_matches('/');
        let url = url.strip_suffix("/api/embeddings").unwrap_or(url);
        url.strip_suffix("/api/embed").unwrap_or(url)
    }

    fn needs_key(&self) -> bool {
        false
    }

    fn url_to_allow(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model_name })
    }

    fn prefix(&self, mode: EmbedMode) -> &str {
        self.prefixes.before(mode)
    }

    fn timeout(&self) -> Option<Duration> {
        let seconds = self.timeout.as_ref()?.as_f64()?;
        // A negative timeout is ignored.
        (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}
