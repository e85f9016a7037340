//! [`Azure`]: the settings of a deployment of OpenAI's models on Azure.

use serde::{Deserialize, Serialize};

use crate::embed::http::provider::{KeyHeader, check_segment};
use crate::error::InvalidInput;

/// The settings of a deployment on Azure, among those of OpenAI.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Azure {
    api_type: Option<String>,
    api_version: Option<String>,
    deployment_id: Option<String>,
}

impl Azure {
    pub(super) fn new(deployment: String, version: String) -> Azure {
        Azure {
            api_type: Some("azure".to_owned()),
            api_version: Some(version),
            deployment_id: Some(deployment),
        }
    }

    /// Whether there is a deployment.
    pub(super) fn is_used(&self) -> bool {
        self.api_type.as_deref() == Some("azure")
    }

    /// Returns the path of the deployment, if there is one.
    pub(super) fn path(&self) -> Option<String> {
        if !self.is_used() {
            return None;
        }
        let (deployment, version) = self.parts();
        Some(format!(
            "/openai/deployments/{deployment}/embeddings?api-version={version}"
        ))
    }

    pub(super) fn key_header(&self) -> KeyHeader {
        if self.is_used() {
            KeyHeader::Named("api-key")
        } else {
            KeyHeader::Bearer
        }
    }

    /// Refuses a deployment that no request can name.
    pub(super) fn check(&self, address: Option<&str>) -> Result<(), InvalidInput> {
        if !self.is_used() {
            return Ok(());
        }
        if address.is_none() {
            let why = "a deployment on Azure needs its address";
            return Err(InvalidInput::setting("api_base", "", why));
        }
        let (deployment, version) = self.parts();
        check_segment("deployment_id", deployment)?;
        check_segment("api_version", version)
    }

    fn parts(&self) -> (&str, &str) {
        let deployment = self.deployment_id.as_deref().unwrap_or_default();
        (deployment, self.api_version.as_deref().unwrap_or_default())
    }
}
