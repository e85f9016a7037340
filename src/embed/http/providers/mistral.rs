//! [`Mistral`]: Mistral's models.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "mistral",
    title: "Mistral",
    key_variables: &["MISTRAL_API_KEY"],
    base_url: "https://api.mistral.ai/v1",
    ..Service::LIKE_OPENAI
};

/// Mistral's models: Chroma's function `mistral`. The key is in `MISTRAL_API_KEY`. A request has at most 128
/// texts.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Mistral};
///
/// let function = HttpFunction::new(Mistral::new("mistral-embed"))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mistral {
    #[serde(default = "model")]
    model: String,
}

fn model() -> String {
    "mistral-embed".to_owned()
}

impl Mistral {
    /// Returns the function of a model, for example `mistral-embed`.
    pub fn new(model: impl Into<String>) -> Mistral {
        let model = model.into();
        Mistral { model }
    }
}

impl Provider for Mistral {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model })
    }
}
