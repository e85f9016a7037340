//! [`OpenAi`]: OpenAI's models, and services with the same API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{Ask, KeyHeader, Provider, Service, check_segment};
use crate::embed::settings;
use crate::error::InvalidInput;

const BASE_URL: &str = "https://api.openai.com/v1";

static SERVICE: Service = Service {
    name: "openai",
    key_variables: &["OPENAI_API_KEY", "CHROMA_OPENAI_API_KEY"],
    hosts: &["api.openai.com"],
    texts: "input",
    answer: Answer::at(&["data"]),
    batch_size: 2_048,
    // 300,000 tokens
    max_bytes: 1_000_000,
    max_tokens: Some(8_191),
};

/// OpenAI's models, and those of services with the same API: vLLM, LiteLLM, llama.cpp, LM Studio, Azure. The
/// key is in `OPENAI_API_KEY` or `CHROMA_OPENAI_API_KEY`.
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenAi {
    #[serde(default = "model")]
    model_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_base: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    /// Whether `dimensions` applies. Chroma's Python client stores and ignores it for some models.
    #[serde(skip)]
    sends_dimensions: bool,
}

/// The model of Chroma's Python client.
fn model() -> String {
    "text-embedding-ada-002".to_owned()
}

impl OpenAi {
    /// Reads what a collection stores. Python stores every setting, and ignores the dimension for models of
    /// another name; JavaScript stores those that are set.
    pub(in crate::embed::http) fn read(config: &Value) -> Result<OpenAi, String> {
        let mut function: OpenAi = settings::read(config)?;
        function.sends_dimensions = config.get("organization_id").is_none()
            || function.model_name.contains("text-embedding-3");
        Ok(function)
    }

    /// Returns the function of a model, for example `text-embedding-3-small`.
    pub fn new(model: impl Into<String>) -> OpenAi {
        OpenAi {
            model_name: model.into(),
            ..OpenAi::default()
        }
    }

    /// Sets the number of floats per vector, for models that can shorten their vectors. Default: the model's.
    #[must_use]
    pub fn dimensions(mut self, floats: usize) -> OpenAi {
        self.dimensions = Some(floats);
        self.sends_dimensions = true;
        self
    }

    /// Sets the address of the API, up to the part before `/embeddings`. Default: OpenAI's.
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

    /// Uses a deployment on Azure, with the version of its API, for example `2024-10-21`.
    #[must_use]
    pub fn azure(
        mut self,
        endpoint: impl Into<String>,
        deployment: impl Into<String>,
        version: impl Into<String>,
    ) -> OpenAi {
        self.api_type = Some("azure".to_owned());
        self.api_base = Some(endpoint.into());
        self.deployment_id = Some(deployment.into());
        self.api_version = Some(version.into());
        self
    }

    fn is_azure(&self) -> bool {
        self.api_type.as_deref() == Some("azure")
    }
}

impl Provider for OpenAi {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> String {
        self.api_base.as_deref().unwrap_or(BASE_URL).to_owned()
    }

    fn path(&self, _: bool) -> String {
        if !self.is_azure() {
            return "/embeddings".to_owned();
        }
        let deployment = self.deployment_id.as_deref().unwrap_or_default();
        let version = self.api_version.as_deref().unwrap_or_default();
        format!("/openai/deployments/{deployment}/embeddings?api-version={version}")
    }

    fn needs_key(&self) -> bool {
        self.api_base.is_none() || self.is_azure()
    }

    fn key_header(&self) -> KeyHeader {
        if self.is_azure() {
            KeyHeader::Named("api-key")
        } else {
            KeyHeader::Bearer
        }
    }

    fn has_headers(&self) -> bool {
        let headers = self.default_headers.as_ref();
        headers.is_some_and(|headers| !headers.is_empty())
    }

    fn headers(&self) -> Vec<(String, String)> {
        let organization = self.organization_id.iter();
        let organization = organization.map(|id| ("openai-organization".to_owned(), id.clone()));
        let others = self.default_headers.clone().into_iter().flatten();
        organization.chain(others).collect()
    }

    fn stored_url(&self) -> Option<&str> {
        self.api_base.as_deref()
    }

    fn body(&self, _: Ask) -> Value {
        let mut body = json!({ "model": self.model_name, "encoding_format": "base64" });
        if let Some(floats) = self.dimension() {
            body["dimensions"] = floats.into();
        }
        body
    }

    fn dimension(&self) -> Option<usize> {
        self.dimensions.filter(|_| self.sends_dimensions)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        if !self.is_azure() {
            return Ok(());
        }
        if self.api_base.is_none() {
            let why = "a deployment on Azure needs its address";
            return Err(InvalidInput::setting("api_base", "", why));
        }
        let deployment = self.deployment_id.as_deref().unwrap_or_default();
        check_segment("deployment_id", deployment)?;
        check_segment(
            "api_version",
            self.api_version.as_deref().unwrap_or_default(),
        )
    }
}
