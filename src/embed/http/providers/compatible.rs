//! [`Mistral`], [`Together`], [`Perplexity`], [`Morph`] and [`Baseten`]: services whose API is that of OpenAI
//! with few differences.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::http::answer::{Answer, Packed};
use crate::embed::http::provider::{Ask, MAX_BYTES, Provider, Service};

const fn service(
    name: &'static str,
    key_variables: &'static [&'static str],
    batch_size: usize,
) -> Service {
    Service {
        name,
        key_variables,
        hosts: &[],
        texts: "input",
        answer: Answer::at(&["data"]),
        batch_size,
        max_bytes: MAX_BYTES,
        max_tokens: None,
    }
}

static MISTRAL: Service = service("mistral", &["MISTRAL_API_KEY"], 128);
static TOGETHER: Service = service(
    "together_ai",
    &["TOGETHER_API_KEY", "CHROMA_TOGETHER_AI_API_KEY"],
    128,
);
static MORPH: Service = Service {
    hosts: &["api.morphllm.com"],
    ..service("morph", &["MORPH_API_KEY"], 128)
};
static BASETEN: Service = service(
    "baseten",
    &["BASETEN_API_KEY", "CHROMA_BASETEN_API_KEY"],
    128,
);
static PERPLEXITY: Service = Service {
    answer: Answer {
        path: &["data"],
        packed: Packed::Bytes,
    },
    ..service("perplexity", &["PERPLEXITY_API_KEY"], 512)
};

/// Mistral's models. The key is in `MISTRAL_API_KEY`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mistral {
    #[serde(default = "mistral_model")]
    model: String,
}

fn mistral_model() -> String {
    "mistral-embed".to_owned()
}

impl Mistral {
    /// Returns the function of a model, for example `mistral-embed`.
    pub fn new(model: impl Into<String>) -> Mistral {
        Mistral {
            model: model.into(),
        }
    }
}

impl Provider for Mistral {
    fn service(&self) -> &'static Service {
        &MISTRAL
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn base_url(&self) -> String {
        "https://api.mistral.ai/v1".to_owned()
    }

    fn path(&self, _: bool) -> String {
        "/embeddings".to_owned()
    }

    fn body(&self, _: Ask) -> Value {
        json!({ "model": self.model })
    }
}

/// Models that Together AI hosts. The key is in `TOGETHER_API_KEY` or `CHROMA_TOGETHER_AI_API_KEY`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Together {
    model_name: String,
}

impl Together {
    /// Returns the function of a model, for example `intfloat/multilingual-e5-large-instruct`.
    pub fn new(model: impl Into<String>) -> Together {
        Together {
            model_name: model.into(),
        }
    }
}

impl Provider for Together {
    fn service(&self) -> &'static Service {
        &TOGETHER
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> String {
        "https://api.together.xyz/v1".to_owned()
    }

    fn path(&self, _: bool) -> String {
        "/embeddings".to_owned()
    }

    fn body(&self, _: Ask) -> Value {
        json!({ "model": self.model_name })
    }
}

/// Perplexity's models. The key is in `PERPLEXITY_API_KEY`. Their vectors are whole numbers from -128 to 127,
/// so only [`Space::Cosine`](crate::Space::Cosine) compares them well.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Perplexity {
    #[serde(default = "perplexity_model")]
    model_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

fn perplexity_model() -> String {
    "pplx-embed-v1-0.6b".to_owned()
}

impl Perplexity {
    /// Returns the function of a model, for example `pplx-embed-v1-0.6b`.
    pub fn new(model: impl Into<String>) -> Perplexity {
        Perplexity {
            model_name: model.into(),
            dimensions: None,
        }
    }

    /// Sets the number of floats per vector. Default: the model's.
    #[must_use]
    pub fn dimensions(mut self, floats: usize) -> Perplexity {
        self.dimensions = Some(floats);
        self
    }
}

impl Provider for Perplexity {
    fn service(&self) -> &'static Service {
        &PERPLEXITY
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> String {
        "https://api.perplexity.ai".to_owned()
    }

    fn path(&self, _: bool) -> String {
        "/v1/embeddings".to_owned()
    }

    fn body(&self, _: Ask) -> Value {
        json!({ "model": self.model_name, "dimensions": self.dimensions })
    }

    fn dimension(&self) -> Option<usize> {
        self.dimensions
    }
}

/// Morph's models for code. The key is in `MORPH_API_KEY`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Morph {
    #[serde(default = "morph_model")]
    model_name: String,
    #[serde(default = "morph_url")]
    api_base: String,
    #[serde(default = "morph_format")]
    encoding_format: String,
}

fn morph_model() -> String {
    "morph-embedding-v2".to_owned()
}

fn morph_url() -> String {
    "https://api.morphllm.com/v1".to_owned()
}

fn morph_format() -> String {
    "float".to_owned()
}

impl Morph {
    /// Returns the function of a model, for example `morph-embedding-v2`.
    pub fn new(model: impl Into<String>) -> Morph {
        Morph {
            model_name: model.into(),
            api_base: morph_url(),
            encoding_format: morph_format(),
        }
    }
}

impl Provider for Morph {
    fn service(&self) -> &'static Service {
        &MORPH
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn base_url(&self) -> String {
        self.api_base.clone()
    }

    fn path(&self, _: bool) -> String {
        "/embeddings".to_owned()
    }

    fn stored_url(&self) -> Option<&str> {
        Some(&self.api_base)
    }

    fn body(&self, _: Ask) -> Value {
        json!({ "model": self.model_name, "encoding_format": self.encoding_format })
    }
}

/// A model that Baseten deploys. The key is in `BASETEN_API_KEY` or `CHROMA_BASETEN_API_KEY`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Baseten {
    api_base: String,
}

impl Baseten {
    /// Returns the function of a deployment: its address, up to the part before `/embeddings`.
    pub fn new(api_base: impl Into<String>) -> Baseten {
        Baseten {
            api_base: api_base.into(),
        }
    }
}

impl Provider for Baseten {
    fn service(&self) -> &'static Service {
        &BASETEN
    }

    /// The name that Chroma's Python client sends. A deployment has a single model.
    fn model(&self) -> &'static str {
        "baseten-embedding-model"
    }

    fn base_url(&self) -> String {
        self.api_base.clone()
    }

    fn path(&self, _: bool) -> String {
        "/embeddings".to_owned()
    }

    fn stored_url(&self) -> Option<&str> {
        Some(&self.api_base)
    }

    fn body(&self, _: Ask) -> Value {
        json!({ "model": self.model(), "encoding_format": "base64" })
    }
}
