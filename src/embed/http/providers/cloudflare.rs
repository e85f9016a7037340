//! [`Cloudflare`]: models of Cloudflare Workers AI.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{EmbedMode, Provider, Service, check_in_path, check_segment};
use crate::error::InvalidInput;

const GATEWAY: &str = "https://gateway.ai.cloudflare.com";

static SERVICE: Service = Service {
    name: "cloudflare_workers_ai",
    title: "Cloudflare",
    key_variables: &["CLOUDFLARE_API_KEY", "CHROMA_CLOUDFLARE_API_KEY"],
    base_url: "https://api.cloudflare.com",
    texts: "text",
    answer: Answer::at(&["result", "data"]),
    // The schema of Cloudflare's models
    batch_size: 100,
    ..Service::LIKE_OPENAI
};

/// Models of Cloudflare Workers AI: Chroma's function `cloudflare_workers_ai`. The key is in
/// `CLOUDFLARE_API_KEY` or `CHROMA_CLOUDFLARE_API_KEY`. A request has at most 100 texts.
///
/// ```no_run
/// use chroma_blocking::embed::{Cloudflare, HttpFunction};
///
/// let workers = Cloudflare::new("ACCOUNT_ID", "@cf/baai/bge-m3");
/// let function = HttpFunction::new(workers)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cloudflare {
    model_name: String,
    account_id: String,
    gateway_id: Option<String>,
}

impl Cloudflare {
    /// Returns the function of a model, for example `@cf/baai/bge-m3`, in an account.
    pub fn new(account_id: impl Into<String>, model: impl Into<String>) -> Cloudflare {
        Cloudflare {
            model_name: model.into(),
            account_id: account_id.into(),
            gateway_id: None,
        }
    }

    /// Sends requests through an AI Gateway of the account. Default: none.
    #[must_use]
    pub fn gateway(mut self, id: impl Into<String>) -> Cloudflare {
        self.gateway_id = Some(id.into());
        self
    }
}

impl Provider for Cloudflare {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> &str {
        self.url_to_allow().unwrap_or(SERVICE.base_url)
    }

    fn path(&self) -> String {
        let (account, model) = (&self.account_id, &self.model_name);
        match &self.gateway_id {
            Some(gateway) => format!("/v1/{account}/{gateway}/workers-ai/{model}"),
            None => format!("/client/v4/accounts/{account}/ai/run/{model}"),
        }
    }

    /// Requests through a gateway can be read by its owner.
    fn url_to_allow(&self) -> Option<&str> {
        self.gateway_id.as_ref().map(|_| GATEWAY)
    }

    fn body(&self, _: EmbedMode) -> Value {
        json!({})
    }

    fn check(&self) -> Result<(), InvalidInput> {
        check_in_path("model_name", &self.model_name)?;
        check_segment("account_id", &self.account_id)?;
        match &self.gateway_id {
            Some(gateway) => check_segment("gateway_id", gateway),
            None => Ok(()),
        }
    }
}
