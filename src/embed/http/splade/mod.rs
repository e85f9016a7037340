//! [`ChromaCloudSplade`]: sparse vectors by a model that Chroma Cloud hosts.

pub(super) mod texts;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::http::HeaderName;

use self::texts::SpladeTexts;
use crate::embed::allowed::Allowed;
use crate::embed::context::{EmbeddingContext, Purpose};
use crate::embed::error::EmbeddingError;
use crate::embed::http::build::{Address, Plan};
use crate::embed::http::dialect;
use crate::embed::http::engine::Engine;
use crate::embed::http::function::EMBED;
use crate::embed::http::header::Header;
use crate::embed::http::key::KeyVariables;
use crate::embed::http::options::Options;
use crate::embed::http::provider::MAX_BYTES;
use crate::embed::http::providers::{
    CHROMA_API_KEY, CHROMA_CLOUD, CHROMA_EMBED_URL, MODEL_HEADER, TOKEN_HEADER,
};
use crate::embed::http::sending::Sending;
use crate::embed::settings;
use crate::embed::sparse::SparseEmbeddingFunction;
use crate::environment::Environment;
use crate::error::{self, InvalidInput, Result};
use crate::metrics::Metrics;
use crate::model::metadata::SparseVector;
use crate::transport::RetryPolicy;

/// The name of the function in a schema.
pub(in crate::embed) const NAME: &str = "chroma-cloud-splade";

const KEYS: KeyVariables = KeyVariables {
    own: &[CHROMA_API_KEY],
    stored: Some(CHROMA_API_KEY),
    of: "Chroma Cloud",
};

/// The most texts in a request.
const BATCH: usize = 100;

/// Sparse vectors by the model SPLADE, which Chroma Cloud hosts: Chroma's function `chroma-cloud-splade`. The
/// key is in `CHROMA_API_KEY`. It is read when the first text is embedded.
///
/// A request has at most 100 texts, and up to four requests are sent at a time. Failed requests are repeated,
/// and rate limits are respected, as by [`Gemini`](crate::Gemini#many-texts). Equal texts are sent once. An
/// empty text is not sent; its vector is empty. Clones share their connections and limits.
///
/// A schema stores the model and the name of the variable, but neither the key, nor the address, nor the
/// retry policy. To write and search with those, open the collection with the function:
///
/// ```no_run
/// use chroma_blocking::Client;
/// use chroma_blocking::embed::ChromaCloudSplade;
///
/// let key = std::fs::read_to_string("splade.key").unwrap_or_default();
/// let splade = ChromaCloudSplade::new().api_key(key.trim());
/// let notes = Client::cloud_from_env()?
///     .collection("notes")
///     .sparse_embedding_function("words", splade)
///     .get()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct ChromaCloudSplade {
    settings: Settings,
    options: Options,
    origin: Origin,
    engine: Arc<OnceLock<Engine>>,
}

/// The settings that a schema stores.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    model: String,
    /// Whether the service also returns the tokens. This crate ignores them.
    include_tokens: bool,
    api_key_env_var: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            model: "prithivida/Splade_PP_en_v1".to_owned(),
            include_tokens: false,
            api_key_env_var: CHROMA_API_KEY.to_owned(),
        }
    }
}

/// Where the settings of a function are from.
#[derive(Clone)]
enum Origin {
    Code,
    Schema {
        /// Why the key must not be read.
        refusal: Option<String>,
    },
}

impl Default for ChromaCloudSplade {
    fn default() -> ChromaCloudSplade {
        ChromaCloudSplade::new()
    }
}

impl ChromaCloudSplade {
    /// Returns the function.
    pub fn new() -> ChromaCloudSplade {
        ChromaCloudSplade {
            settings: Settings::default(),
            options: Options::default(),
            origin: Origin::Code,
            engine: Arc::default(),
        }
    }

    /// Sets the API key. Default: the value of `CHROMA_API_KEY`. A schema does not store it.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> ChromaCloudSplade {
        self.options.key = Some(key.into());
        self.without_engine()
    }

    /// Sets the address of the API. Default: the value of `CHROMA_EMBED_URL`, or Chroma's address if that is
    /// not set. A schema does not store it.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> ChromaCloudSplade {
        self.options.base_url = Some(url.into());
        self.without_engine()
    }

    /// Sets when and how often a request is sent again. A deadline of the policy applies to a whole call.
    /// Default: [`RetryPolicy::default`]. A schema does not store it.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> ChromaCloudSplade {
        self.options.calls.retry = policy;
        self.without_engine()
    }

    /// Sets a flag that stops calls. While it is `true`, nothing more is sent. Default: none. A schema does
    /// not store it.
    #[must_use]
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> ChromaCloudSplade {
        self.options.calls.cancel = Some(flag);
        self.without_engine()
    }

    /// Returns what all clones have sent so far: requests, bytes, times and connections, with the operation
    /// `embed`; see [`Gemini::metrics`](crate::Gemini::metrics).
    pub fn metrics(&self) -> Metrics {
        let engine = self.engine.get();
        engine.map_or_else(Metrics::default, |engine| engine.transport.metrics())
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
        let settings: Settings = settings::read(config)?;
        settings::check_model(&settings.model)?;
        let variable = settings.api_key_env_var.clone();
        let refusal = allowed.check_key_variable(&variable, KEYS.own).err();
        let mut function = ChromaCloudSplade::new();
        function.settings = settings;
        function.options.key_variables = vec![variable];
        function.options.fallback_key = allowed.cloud_key().map(str::to_owned);
        function.origin = Origin::Schema { refusal };
        Ok(function)
    }

    /// Returns the engine. Makes it unless an earlier call has made it.
    fn engine(&self) -> std::result::Result<&Engine, EmbeddingError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = match &self.origin {
            Origin::Code => {
                let call = error::Call::new(EMBED.name, Some(&self.settings.model));
                self.build().map_err(|reason| call.invalid(reason))?
            }
            Origin::Schema { refusal } => {
                let allowed = refusal.clone().map_or(Ok(()), Err);
                let built =
                    allowed.and_then(|()| self.build().map_err(|reason| reason.to_string()));
                built.map_err(|why| InvalidInput::StoredSparseFunction {
                    name: NAME.to_owned(),
                    why,
                })?
            }
        };
        Ok(self.engine.get_or_init(|| engine))
    }

    fn build(&self) -> Result<Engine, InvalidInput> {
        let environment = Environment::of_process();
        let model = &self.settings.model;
        let header = Header::public("model", MODEL_HEADER, model).parse()?;
        let address = Address::chosen(
            &self.options,
            Some(CHROMA_EMBED_URL),
            &environment,
            CHROMA_CLOUD,
        )?;
        let plan = Plan {
            name: NAME,
            model: model.clone(),
            operation: &EMBED,
            address,
            path: "/embed_sparse".to_owned(),
            key: Some(KEYS.key(&self.options, &environment)?),
            key_header: (HeaderName::from_static(TOKEN_HEADER), ""),
            headers: vec![header],
            dialect: &dialect::EMBEDDING,
            dimension: None,
            max_batch: BATCH,
            max_bytes: MAX_BYTES,
            max_tokens: None,
            counts_texts: false,
        };
        plan.build(self.options.clone(), &environment)
    }

    /// Embeds texts in as many requests as necessary. Adds retries and waits to the context.
    fn embed(
        &self,
        engine: &Engine,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>> {
        let sending = Sending::start(engine, context.cancel_flag(), engine.calls.deadline);
        let (distinct, places) = texts::distinct(texts);
        let mut vectors = vec![SparseVector::default(); distinct.len()];
        let work = SpladeTexts {
            sending,
            distinct,
            fetch_tokens: self.settings.include_tokens,
        };
        let mut done = 0;
        let sent = |batch: Range<usize>, found: Vec<SparseVector>| {
            done += batch.len();
            for (vector, found) in vectors[batch].iter_mut().zip(found) {
                *vector = found;
            }
            context.progress(done, texts.len());
        };
        let outcome = work.sending.send_all(&work, work.batches(), sent)?;
        context.add_retries(outcome.retries);
        context.add_limiter_wait(outcome.throttled);
        if let Some((place, why)) = outcome.refused.into_iter().next() {
            let refused = work.distinct[place];
            let index = texts.iter().position(|text| *text == refused);
            let (index, why) = (
                index.unwrap_or(0),
                format!("was refused by the server: {why}"),
            );
            return Err(engine.call().invalid(InvalidInput::Text { index, why }));
        }
        if let Some(error) = outcome.error {
            return Err(error);
        }
        let vector = |text: &&str| places.get(text).map(|place| vectors[*place].clone());
        Ok(texts
            .iter()
            .map(|text| vector(text).unwrap_or_default())
            .collect())
    }
}

impl fmt::Debug for ChromaCloudSplade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChromaCloudSplade")
            .field("model", &self.settings.model)
            .finish_non_exhaustive()
    }
}

impl SparseEmbeddingFunction for ChromaCloudSplade {
    fn name(&self) -> &str {
        NAME
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        let mut context = EmbeddingContext::new(Purpose::Documents);
        self.embed_with(documents, &mut context)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        let mut context = EmbeddingContext::new(Purpose::Queries);
        self.embed_with(queries, &mut context)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>, EmbeddingError> {
        Ok(self.embed(self.engine()?, texts, context)?)
    }

    fn config(&self) -> Value {
        serde_json::to_value(&self.settings).unwrap_or_default()
    }
}
