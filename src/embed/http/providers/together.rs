//! [`Together`]: models that Together AI hosts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "together_ai",
    title: "Together AI",
    key_variables: &["TOGETHER_API_KEY", "CHROMA_TOGETHER_AI_API_KEY"],
    base_url: "https://api.together.xyz/v1",
    ..Service::LIKE_OPENAI
};

/// Models that Together AI hosts: Chroma's function `together_ai`. The key is in `TOGETHER_API_KEY` or
/// `CHROMA_TOGETHER_AI_API_KEY`. A request has at most 128 texts.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Together};
///
/// let together = Together::new("intfloat/multilingual-e5-large-instruct");
/// let function = HttpFunction::new(together)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Together {
    model_name: String,
}

impl Together {
    /// Returns the function of a model, for example `intfloat/multilingual-e5-large-instruct`.
    pub fn new(model: impl Into<String>) -> Together {
        let model_name = model.into();
        Together { model_name }
    }
}

impl Provider for Together {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model_name })
    }
}
