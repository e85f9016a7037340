//! [`Perplexity`]: Perplexity's models.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::answer::{Answer, Packed};
use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "perplexity",
    title: "Perplexity",
    key_variables: &["PERPLEXITY_API_KEY"],
    base_url: "https://api.perplexity.ai/v1",
    answer: Answer {
        path: &["data"],
        packed: Packed::Bytes,
    },
    // Perplexity's API reference
    batch_size: 512,
    // 120,000 tokens of about four bytes
    max_bytes: 400_000,
    ..Service::LIKE_OPENAI
};

/// Perplexity's models: Chroma's function `perplexity`. The key is in `PERPLEXITY_API_KEY`. A request has at
/// most 512 texts, and a text at most 32,000 tokens.
///
/// The vectors are whole numbers from -128 to 127, so only [`Space::Cosine`](crate::Space::Cosine), the
/// default, compares them well.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Perplexity};
///
/// let perplexity = Perplexity::new("pplx-embed-v1-0.6b");
/// let function = HttpFunction::new(perplexity)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Perplexity {
    #[serde(default = "model")]
    model_name: String,
    dimensions: Option<usize>,
}

fn model() -> String {
    "pplx-embed-v1-0.6b".to_owned()
}

impl Perplexity {
    /// Returns the function of a model, for example `pplx-embed-v1-0.6b`.
    pub fn new(model: impl Into<String>) -> Perplexity {
        Perplexity {
            model_name: model.into(),
            dimensions: None,
        }
    }

    /// Sets the number of floats per vector. Default: the model's.
    #[must_use]
    pub fn dimensions(mut self, floats: usize) -> Perplexity {
        self.dimensions = Some(floats);
        self
    }
}

impl Provider for Perplexity {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model_name, "dimensions": self.dimensions })
    }

    fn dimension(&self) -> Option<usize> {
        self.dimensions
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(32_000)
    }
}
