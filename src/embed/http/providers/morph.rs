//! [`Morph`]: Morph's models for code.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "morph",
    title: "Morph",
    key_variables: &["MORPH_API_KEY"],
    hosts: &["api.morphllm.com"],
    ..Service::LIKE_OPENAI
};

/// Morph's models for code: Chroma's function `morph`. The key is in `MORPH_API_KEY`. A request has at most
/// 128 texts.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Morph};
///
/// let function = HttpFunction::new(Morph::new("morph-embedding-v2"))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Morph {
    #[serde(default = "model")]
    model_name: String,
    #[serde(default = "url")]
    api_base: String,
    #[serde(default = "format")]
    encoding_format: String,
}

fn model() -> String {
    "morph-embedding-v2".to_owned()
}

fn url() -> String {
    "https://api.morphllm.com/v1".to_owned()
}

fn format() -> String {
    "float".to_owned()
}

impl Morph {
    /// Returns the function of a model, for example `morph-embedding-v2`.
    pub fn new(model: impl Into<String>) -> Morph {
        Morph {
            model_name: model.into(),
            api_base: url(),
            encoding_format: format(),
        }
    }
}

impl Provider for Morph {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> &str {
        &self.api_base
    }

    fn url_to_allow(&self) -> Option<&str> {
        Some(&self.api_base)
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model_name, "encoding_format": self.encoding_format })
    }
}
