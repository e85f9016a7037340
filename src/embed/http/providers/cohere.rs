//! [`Cohere`]: Cohere's models.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{EmbedMode, Provider, Service};
use crate::model::space::Space;

static SERVICE: Service = Service {
    name: "cohere",
    title: "Cohere",
    key_variables: &["COHERE_API_KEY", "CHROMA_COHERE_API_KEY"],
    base_url: "https://api.cohere.com/v1",
    path: "/embed",
    texts: "texts",
    answer: Answer::at(&["embeddings"]),
    // Cohere's API reference
    batch_size: 96,
    ..Service::LIKE_OPENAI
};

/// Cohere's models: Chroma's function `cohere`. The key is in `COHERE_API_KEY` or `CHROMA_COHERE_API_KEY`. A
/// request has at most 96 texts. Cohere ignores the rest of a text that is longer than the model reads.
///
/// Queries are embedded as `search_query`, documents as `search_document`. Chroma's Python client embeds both
/// as documents; [`as_python`](crate::embed::HttpFunctionBuilder::as_python) does the same.
///
/// ```no_run
/// use chroma_blocking::embed::{Cohere, HttpFunction};
///
/// let function = HttpFunction::new(Cohere::new("embed-v4.0"))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cohere {
    #[serde(default = "model")]
    model_name: String,
}

/// The model of Chroma's Python client.
fn model() -> String {
    "large".to_owned()
}

impl Cohere {
    /// Returns the function of a model, for example `embed-v4.0`.
    pub fn new(model: impl Into<String>) -> Cohere {
        Cohere {
            model_name: model.into(),
        }
    }
}

impl Provider for Cohere {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn body(&self, mode: EmbedMode) -> Value {
        let input_type = if mode.is_distinct_query() {
            "search_query"
        } else {
            "search_document"
        };
        json!({ "model": self.model_name, "input_type": input_type })
    }

    /// Vectors of this model do not have unit length.
    fn default_space(&self) -> Space {
        match &*self.model_name {
            "embed-multilingual-v2.0" => Space::Ip,
            _ => Space::Cosine,
        }
    }
}
