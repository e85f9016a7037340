//! [`Voyage`]: Voyage AI's models.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "voyageai",
    title: "Voyage AI",
    key_variables: &["VOYAGE_API_KEY", "CHROMA_VOYAGE_API_KEY"],
    base_url: "https://api.voyageai.com/v1",
    // Voyage AI's API reference
    batch_size: 1_000,
    // 120,000 tokens for its large models
    max_bytes: 400_000,
    ..Service::LIKE_OPENAI
};

/// Voyage AI's models: Chroma's function `voyageai`. The key is in `VOYAGE_API_KEY` or
/// `CHROMA_VOYAGE_API_KEY`. A request has at most 1,000 texts.
///
/// Queries have the input type `query`, documents have none. Voyage AI documents their vectors as compatible.
/// Chroma's Python client embeds both with the same type;
/// [`as_python`](crate::embed::HttpFunctionBuilder::as_python) does the same.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Voyage};
///
/// let function = HttpFunction::new(Voyage::new("voyage-3.5"))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Voyage {
    #[serde(default = "model")]
    model_name: String,
    input_type: Option<String>,
    #[serde(default = "truncation")]
    truncation: bool,
}

/// The model of Chroma's Python client.
fn model() -> String {
    "voyage-large-2".to_owned()
}

fn truncation() -> bool {
    true
}

impl Voyage {
    /// Returns the function of a model, for example `voyage-3.5`.
    pub fn new(model: impl Into<String>) -> Voyage {
        Voyage {
            model_name: model.into(),
            input_type: None,
            truncation: truncation(),
        }
    }

    /// Sets the input type of documents, `document` or `query`. Default: none. Queries have the type `query`.
    #[must_use]
    pub fn input_type(mut self, input_type: impl Into<String>) -> Voyage {
        self.input_type = Some(input_type.into());
        self
    }

    /// Sets whether a text that is longer than the model reads is cut off. If not, it is refused. Default:
    /// `true`.
    #[must_use]
    pub fn truncation(mut self, truncation: bool) -> Voyage {
        self.truncation = truncation;
        self
    }
}

impl Provider for Voyage {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn body(&self, mode: EmbedMode) -> Value {
        let input_type = if mode.is_distinct_query() {
            Some("query")
        } else {
            self.input_type.as_deref()
        };
        json!({
            "model": self.model_name,
            "input_type": input_type,
            "truncation": self.truncation,
            "encoding_format": "base64",
        })
    }
}
