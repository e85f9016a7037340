//! [`Baseten`]: models that Baseten deploys.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::provider::{EmbedMode, Provider, Service};

static SERVICE: Service = Service {
    name: "baseten",
    title: "Baseten",
    key_variables: &["BASETEN_API_KEY", "CHROMA_BASETEN_API_KEY"],
    ..Service::LIKE_OPENAI
};

/// A model that Baseten deploys: Chroma's function `baseten`. The key is in `BASETEN_API_KEY` or
/// `CHROMA_BASETEN_API_KEY`. A request has at most 128 texts.
///
/// Each deployment has another host. To open a collection without naming its function, allow the host with
/// [`ClientBuilder::allow_embedding_host`](crate::ClientBuilder::allow_embedding_host).
///
/// ```no_run
/// use chroma_blocking::embed::{Baseten, HttpFunction};
///
/// let address = "https://model-ID.api.baseten.co/environments/production/sync/v1";
/// let function = HttpFunction::new(Baseten::new(address))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Baseten {
    api_base: String,
}

impl Baseten {
    /// Returns the function of a deployment: its address, up to the part before `/embeddings`.
    pub fn new(api_base: impl Into<String>) -> Baseten {
        let api_base = api_base.into();
        Baseten { api_base }
    }
}

impl Provider for Baseten {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    /// The name that Chroma's Python client sends. A deployment has a single model.
    fn model(&self) -> &'static str {
        "baseten-embedding-model"
    }

    fn base_url(&self) -> &str {
        &self.api_base
    }

    fn url_to_allow(&self) -> Option<&str> {
        Some(&self.api_base)
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model(), "encoding_format": "base64" })
    }
}
