//! [`OpenAi`]: OpenAI's models, and services with the same API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::azure::Azure;
use crate::embed::http::header::{Header, Headers};
use crate::embed::http::provider::{EmbedMode, KeyHeader, Provider, Service};
use crate::embed::model_identity::ignores_dimension;
use crate::embed::settings;
use crate::error::InvalidInput;

static SERVICE: Service = Service {
    name: "openai",
    title: "OpenAI",
    key_variables: &["OPENAI_API_KEY", "CHROMA_OPENAI_API_KEY"],
    base_url: "https://api.openai.com/v1",
    // With those of its regions, which OpenAI's SDK names
    hosts: &[
        "api.openai.com",
        "ae.api.openai.com",
        "eu.api.openai.com",
        "us.api.openai.com",
    ],
    // OpenAI's API reference
    batch_size: 2_048,
    // At most 300,000 tokens
    max_bytes: 1_000_000,
    ..Service::LIKE_OPENAI
};

/// OpenAI's models, and those of services with the same API (vLLM, LiteLLM, llama.cpp, LM Studio, Azure):
/// Chroma's function `openai`. The key is in `OPENAI_API_KEY` or `CHROMA_OPENAI_API_KEY`. A request has at
/// most 2,048 texts, and a text at most 8,191 tokens, unless another service serves the model.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, OpenAi};
///
/// let large = OpenAi::new("text-embedding-3-large").dimensions(1024);
/// let function = HttpFunction::new(large)?;
///
/// // A server on this machine needs no key.
/// let local = OpenAi::new("nomic-embed").base_url("http://localhost:8080/v1");
/// let function = HttpFunction::new(local)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenAi {
    #[serde(default = "model")]
    model_name: String,
    organization_id: Option<String>,
    api_base: Option<String>,
    #[serde(flatten)]
    azure: Azure,
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    default_headers: Headers,
    dimensions: Option<usize>,
}

/// The model of Chroma's Python client.
fn model() -> String {
    "text-embedding-ada-002".to_owned()
}

impl OpenAi {
    /// Reads what a collection stores.
    pub(in crate::embed::http) fn read(config: &Value) -> Result<OpenAi, String> {
        let mut function: OpenAi = settings::read(config)?;
        if ignores_dimension(config) {
            function.dimensions = None;
        }
        Ok(function)
    }

    /// Returns the function of a model, for example `text-embedding-3-small`.
    pub fn new(model: impl Into<String>) -> OpenAi {
        OpenAi {
            model_name: model.into(),
            organization_id: None,
            api_base: None,
            azure: Azure::default(),
            default_headers: Headers::default(),
            dimensions: None,
        }
    }

    /// Sets the number of floats per vector, for models that can shorten their vectors. Default: the model's.
    #[must_use]
    pub fn dimensions(mut self, floats: usize) -> OpenAi {
        self.dimensions = Some(floats);
        self
    }

    /// Sets the address of the API, up to the part before `/embeddings`: `http://localhost:8000/v1`. Default:
    /// OpenAI's.
    ///
    /// A service at another address needs no key. If there is one, also in `OPENAI_API_KEY`, the service gets
    /// it over https or on this machine.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> OpenAi {
        self.api_base = Some(url.into());
        self
    }

    /// Sets the organization that pays. Default: that of the key.
    #[must_use]
    pub fn organization(mut self, id: impl Into<String>) -> OpenAi {
        self.organization_id = Some(id.into());
        self
    }

    /// Uses a deployment on Azure: the endpoint of the resource, for example `https://acme.openai.azure.com`,
    /// the name of the deployment, and the version of the API, for example `2024-10-21`. Default: no
    /// deployment.
    ///
    /// To open a collection without naming its function, allow the host with
    /// [`ClientBuilder::allow_embedding_host`](crate::ClientBuilder::allow_embedding_host).
    #[must_use]
    pub fn azure(
        mut self,
        endpoint: impl Into<String>,
        deployment: impl Into<String>,
        version: impl Into<String>,
    ) -> OpenAi {
        self.api_base = Some(endpoint.into());
        self.azure = Azure::new(deployment.into(), version.into());
        self
    }

    /// Whether the models are OpenAI's own, and not those of another service.
    fn is_own(&self) -> bool {
        let is_openais = |url: &String| {
            let url = url.trim_end_matches('/').to_ascii_lowercase();
            let host = url
                .strip_prefix("https://")
                .and_then(|rest| rest.strip_suffix("/v1"));
            host.is_some_and(|host| SERVICE.hosts.contains(&host))
        };
        self.api_base.as_ref().is_none_or(is_openais) || self.azure.is_used()
    }
}

impl Provider for OpenAi {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> &str {
        self.api_base.as_deref().unwrap_or(SERVICE.base_url)
    }

    fn path(&self) -> String {
        self.azure.path().unwrap_or_else(|| SERVICE.path.to_owned())
    }

    fn needs_key(&self) -> bool {
        self.is_own()
    }

    fn key_header(&self) -> KeyHeader {
        self.azure.key_header()
    }

    fn headers(&self) -> Vec<Header<'_>> {
        let ids = self.organization_id.iter();
        let organization =
            ids.map(|id| Header::public("organization_id", "openai-organization", id));
        let others = self.default_headers.all("default_headers");
        organization.chain(others).collect()
    }

    fn url_to_allow(&self) -> Option<&str> {
        self.api_base.as_deref()
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({ "model": self.model_name, "encoding_format": "base64", "dimensions": self.dimensions })
    }

    fn dimension(&self) -> Option<usize> {
        self.dimensions
    }

    fn max_tokens(&self) -> Option<usize> {
        self.is_own().then_some(8_191)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.azure.check(self.api_base.as_deref())
    }
}
