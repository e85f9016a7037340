//! [`ChromaCloudSplade`]: sparse vectors by a model that Chroma Cloud hosts.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::{HeaderName, HeaderValue};

use super::build::{Address, Plan};
use super::dialect::Errors;
use super::engine::Engine;
use super::function::EMBED;
use super::key::KeyVariables;
use super::options::Options;
use super::provider::MAX_BYTES;
use super::providers::{CHROMA_API_KEY, CHROMA_CLOUD, CHROMA_EMBED_URL};
use crate::embed::allowed::Allowed;
use crate::embed::error::EmbeddingError;
use crate::embed::settings;
use crate::embed::sparse::SparseEmbeddingFunction;
use crate::environment::Environment;
use crate::error::{self, InvalidInput, Result};
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::metadata::SparseVector;
use crate::transport::{CallOptions, HttpRequest, RetryPolicy};
use crate::wire::read::{self, unread};

/// The name of the function in a schema.
pub(in crate::embed) const NAME: &str = "chroma-cloud-splade";

const KEYS: KeyVariables = KeyVariables {
    own: &[CHROMA_API_KEY],
    stored: CHROMA_API_KEY,
    of: "Chroma Cloud",
};

/// The most texts in a request.
const BATCH: usize = 100;

/// Sparse vectors by the model SPLADE, which Chroma Cloud hosts: Chroma's function `chroma-cloud-splade`. The
/// key is in `CHROMA_API_KEY`. It is read when the first text is embedded.
///
/// Requests are sent one after the other, each with at most 100 texts.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ChromaCloudSplade {
    model: String,
    include_tokens: bool,
    api_key_env_var: String,
    #[serde(skip)]
    options: Options,
    /// Why the key must not be read.
    #[serde(skip)]
    refusal: Option<String>,
    #[serde(skip)]
    engine: Arc<OnceLock<Engine>>,
}

impl Default for ChromaCloudSplade {
    fn default() -> ChromaCloudSplade {
        ChromaCloudSplade {
            model: "prithivida/Splade_PP_en_v1".to_owned(),
            include_tokens: false,
            api_key_env_var: KEYS.stored.to_owned(),
            options: Options::default(),
            refusal: None,
            engine: Arc::default(),
        }
    }
}

impl ChromaCloudSplade {
    /// Returns the function.
    pub fn new() -> ChromaCloudSplade {
        ChromaCloudSplade::default()
    }

    /// Sets the API key. Default: the value of `CHROMA_API_KEY`.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> ChromaCloudSplade {
        self.options.key = Some(key.into());
        self.without_engine()
    }

    /// Sets whether the server also returns the tokens, as Chroma's clients can ask it to. This crate ignores
    /// them. Default: `false`.
    #[must_use]
    pub fn include_tokens(mut self, include: bool) -> ChromaCloudSplade {
        self.include_tokens = include;
        self
    }

    /// Sets the address of the API. Default: the value of `CHROMA_EMBED_URL`, or Chroma's address if that is
    /// not set.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> ChromaCloudSplade {
        self.options.base_url = Some(url.into());
        self.without_engine()
    }

    /// Sets when and how often a request is sent again. Default: [`RetryPolicy::default`].
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> ChromaCloudSplade {
        self.options.retry = policy;
        self.without_engine()
    }

    /// Another setting needs another engine; clones share theirs.
    fn without_engine(self) -> ChromaCloudSplade {
        ChromaCloudSplade {
            engine: Arc::default(),
            ..self
        }
    }

    /// Reads what a schema stores.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(in crate::embed) fn stored(
        config: &Value,
        allowed: &Allowed,
    ) -> std::result::Result<ChromaCloudSplade, String> {
        let mut function: ChromaCloudSplade = settings::read(config)?;
        let variable = &function.api_key_env_var;
        function.refusal = allowed.check_key_variable(variable, KEYS.own).err();
        function.options.key_variables = vec![variable.clone()];
        function.options.fallback_key = allowed.cloud_key().map(str::to_owned);
        Ok(function)
    }

    fn engine(&self) -> Result<&Engine, InvalidInput> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        if let Some(why) = &self.refusal {
            return Err(InvalidInput::StoredEmbeddingFunction {
                name: NAME.to_owned(),
                why: why.clone(),
            });
        }
        let environment = Environment::of_process();
        let model = HeaderValue::try_from(&self.model).map_err(|_| {
            InvalidInput::setting("model", &self.model, "it cannot be part of a header")
        })?;
        let plan = Plan {
            name: NAME,
            model: self.model.clone(),
            operation: &EMBED,
            address: Address::chosen(
                &self.options,
                Some(CHROMA_EMBED_URL),
                &environment,
                CHROMA_CLOUD,
            )?,
            path: "/embed_sparse".to_owned(),
            key: Some(KEYS.key(&self.options, &environment)?),
            key_header: (HeaderName::from_static("x-chroma-token"), ""),
            headers: vec![(HeaderName::from_static("x-chroma-embedding-model"), model)],
            dialect: &Errors,
            dimension: None,
            max_batch: BATCH,
            max_bytes: MAX_BYTES,
            max_tokens: None,
            counts_texts: false,
        };
        let engine = plan.build(self.options.clone(), &environment)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    fn send(&self, engine: &Engine, texts: &[&str]) -> Result<Vec<SparseVector>> {
        let body = json!({
            "texts": texts, "task": "", "target": "",
            "fetch_tokens": self.include_tokens.to_string(),
        });
        let body = body.to_string();
        let request = HttpRequest {
            operation: engine.operation,
            subject: Some(&engine.model),
            namespace: None,
            path: &engine.path,
            body: Some(body.as_bytes()),
        };
        let options = CallOptions::from(engine.retry);
        engine
            .transport
            .send(options, request, |response| read(response, texts.len()))
    }
}

/// Reads the vectors of a response, whose indices have no order.
pub(super) fn read(
    response: &[u8],
    texts: usize,
) -> std::result::Result<Vec<SparseVector>, String> {
    #[derive(Deserialize)]
    struct Answer {
        embeddings: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        indices: Vec<u32>,
        values: Vec<f32>,
    }
    let answer: Answer = read::json(response)?;
    let found = answer.embeddings.len();
    if found != texts {
        return Err(format!("{found} vectors for {texts} texts"));
    }
    let vector = |Entry { indices, values }: Entry| {
        if indices.len() != values.len() || !values.iter().all(|value| value.is_finite()) {
            return Err(unread(response, "a sparse vector that is not whole"));
        }
        let mut pairs: Vec<_> = indices.into_iter().zip(values).collect();
        pairs.sort_unstable_by_key(|(index, _)| *index);
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(unread(response, "a sparse vector with an index twice"));
        }
        let (indices, values): (Vec<u32>, Vec<f32>) = pairs.into_iter().unzip();
        Ok(SparseVector::new(indices, values))
    };
    answer.embeddings.into_iter().map(vector).collect()
}

impl fmt::Debug for ChromaCloudSplade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChromaCloudSplade")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl From<ChromaCloudSplade> for EmbeddingFunctionConfiguration {
    fn from(function: ChromaCloudSplade) -> EmbeddingFunctionConfiguration {
        function.configuration()
    }
}

impl SparseEmbeddingFunction for ChromaCloudSplade {
    fn name(&self) -> &str {
        NAME
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        let engine = self
            .engine()
            .map_err(|reason| error::Call::new(EMBED.name, Some(&self.model)).invalid(reason))?;
        let mut vectors = Vec::with_capacity(documents.len());
        for batch in documents.chunks(BATCH) {
            vectors.extend(self.send(engine, batch)?);
        }
        Ok(vectors)
    }

    fn config(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }
}
