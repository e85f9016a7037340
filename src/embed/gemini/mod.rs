//! [`Gemini`]: Google's embedding models over HTTP.

mod answer;
mod builder;
mod call;
mod gathered;
mod kept;
mod model;
#[cfg(any(test, fuzzing))]
mod parsers;
mod remembered;
mod request;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use ureq::http::Method;

use super::limiter::Limiter;
use super::{EmbeddingCache, EmbeddingContext, EmbeddingError, EmbeddingFunction, Purpose};
use crate::error::{Call, InvalidInput, Result};
use crate::metrics::{Metrics, Used};
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;
use crate::transport::{Kind, Operation, RetryPolicy, Transport};

pub use builder::{GeminiBuilder, LongTexts, RefusedTexts};
pub use call::Embed;
pub use model::ModelStyle;
#[cfg(any(test, fuzzing))]
pub(crate) use parsers::PARSERS;
pub(super) use remembered::{Remembered, same};
pub use request::TaskType;

/// A request is cut at this size; the API refuses a larger body: "Request payload size exceeds the limit: 4194304 bytes".
const MAX_BODY: usize = 4_000_000;

/// Chroma's name for it.
const NAME: &str = "google_gemini";

static EMBED: Operation = Operation {
    name: "embed",
    method: Method::POST,
    path: "/{version}/models/{model}:batchEmbedContents",
    kind: Kind::ReadsRows,
};

/// Google Gemini's embeddings: 768 floats of unit length from `gemini-embedding-001`, unless the
/// [builder](Gemini::builder) says otherwise.
///
/// A text that is stored is embedded as `RETRIEVAL_DOCUMENT`, a text that asks as `RETRIEVAL_QUERY`. Vectors of
/// different models do not match: a collection stays with the model that it was filled with.
///
/// Cheap to clone; clones share connections and limits. The key is in no log, error or `Debug`, and a collection's
/// configuration stores only the name of the variable that holds it.
///
/// A collection that was made with it, here or by Chroma's Python or JavaScript client,
/// [opens](crate::collection::CollectionBuilder::get) without naming it again.
///
/// ```no_run
/// use chroma_blocking::{Client, Gemini};
///
/// let notes = Client::from_env()?
///     .collection("notes")
///     .embedding_function(Gemini::from_env()?)
///     .get_or_create()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Many texts
/// [`embed`](Gemini::embed) takes any number of them. They are cut into batches by count and bytes, several batches are
/// [in flight at a time](GeminiBuilder::concurrency), and the vectors come back in the order of the texts. Texts that are
/// the same are sent once.
///
/// - **Limits** that you [know](GeminiBuilder::requests_per_minute) are kept. When Google says that it was too much, every
///   request waits as long as Google asks, and fewer are in flight after that. A quota of the day is not waited for:
///   [`Error::QuotaExhausted`](crate::Error::QuotaExhausted).
/// - **A batch that fails** is tried again ([`RetryPolicy`](crate::RetryPolicy)). When that is in vain, the call stops, and
///   the error brings what is done: [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded).
/// - **What was paid for once** is not paid for again, with a [cache](GeminiBuilder::cache).
/// - **A text that Google refuses** is found by halving its batch, and named. Whether the others go on is
///   [your choice](RefusedTexts).
///
/// ```no_run
/// use chroma_blocking::{Error, Gemini};
///
/// let gemini = Gemini::builder().concurrency(8).requests_per_minute(3000).build()?;
/// let texts: Vec<String> = std::fs::read_to_string("lines.txt")?.lines().map(str::to_owned).collect();
/// match gemini.embed(&texts).on_progress(|done, all| eprintln!("{done} of {all}")).run() {
///     Ok(vectors) => println!("{vectors:?}"),
///     Err(Error::PartlyEmbedded { done, pending, source, .. }) => {
///         println!("{} are done, {} are not: {source:#}", done.len(), pending.len());
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Gemini(Arc<Inner>);

struct Inner {
    transport: Transport,
    path: String,
    model: String,
    style: ModelStyle,
    /// Unknown for models that are.
    max_tokens: Option<usize>,
    dimension: usize,
    document_task: Option<TaskType>,
    query_task: Option<TaskType>,
    batch_size: usize,
    max_bytes: usize,
    concurrency: usize,
    pool: OnceLock<ThreadPool>,
    limiter: Limiter,
    retry: RetryPolicy,
    refused_texts: RefusedTexts,
    long_texts: LongTexts,
    deadline: Option<Duration>,
    cancel: Option<Arc<AtomicBool>>,
    cache: Option<Arc<dyn EmbeddingCache>>,
    key_variable: String,
}

impl Gemini {
    /// With the key in `GOOGLE_API_KEY`, or else in `GEMINI_API_KEY`, and the address in `GOOGLE_GEMINI_BASE_URL` if
    /// that is set.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] when neither variable holds a key, or the address is none.
    pub fn from_env() -> Result<Gemini> {
        Gemini::builder().build()
    }

    /// With options.
    pub fn builder() -> GeminiBuilder {
        GeminiBuilder::default()
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// What was asked of Google so far, by all clones: requests (operation `embed`; one that is made again counts anew), bytes,
    /// times, connections. Under [`embeddings`](Metrics::embeddings) are the calls of [`embed`](Gemini::embed), with their
    /// retries, cache hits, and how long they were held back; those for a collection are in the metrics of its
    /// [client](crate::Client::metrics), and those by [`embed_with`](EmbeddingFunction::embed_with) in their context.
    pub fn metrics(&self) -> Metrics {
        self.0.transport.metrics()
    }

    /// Embeds any number of texts, as documents if nothing else is said.
    pub fn embed<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Embed<'_, T> {
        Embed::new(&self.0, texts.into_iter().collect())
    }

    /// The vector of a text that asks.
    ///
    /// # Errors
    /// As [`run`](Embed::run).
    pub fn embed_query(&self, query: &str) -> Result<Vec<f32>> {
        let vectors = self.embed([query]).for_queries().run()?;
        Ok(vectors.into_flat())
    }
}

impl Inner {
    /// The threads that send, started when they are first needed.
    fn pool(&self) -> Result<&ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = ThreadPoolBuilder::new()
            // Those that read answers do not hold up those that send.
            .num_threads(self.concurrency + 2)
            .thread_name(|number| format!("gemini-{number}"))
            .build();
        let pool = pool.map_err(|error| {
            let reason = InvalidInput::Setting {
                name: "concurrency",
                value: self.concurrency.to_string(),
                why: format!("so many threads cannot be started: {error}"),
            };
            Call::new(EMBED.name, Some(&self.model)).invalid(reason)
        })?;
        Ok(self.pool.get_or_init(|| pool))
    }
}

impl fmt::Debug for Gemini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemini")
            .field("model", &self.0.model)
            .field("dimension", &self.0.dimension)
            .field("document_task", &self.0.document_task)
            .field("query_task", &self.0.query_task)
            .finish_non_exhaustive()
    }
}

impl EmbeddingFunction for Gemini {
    fn name(&self) -> &str {
        NAME
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(self.embed(documents).run()?)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(self.embed(queries).for_queries().run()?)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let call = match context.purpose() {
            Purpose::Documents => self.embed(texts),
            Purpose::Queries => self.embed(texts).for_queries(),
        };
        let call = call.cancelled_by(context.cancel_flag());
        let mut used = Used::default();
        let result = call.on_progress(|p| context.report(p)).run_for(&mut used);
        context.add(used);
        Ok(result?)
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.0.dimension)
    }

    fn default_space(&self) -> Space {
        Space::Cosine
    }

    /// The keys that Chroma's schema for `google_gemini` allows; it allows no others.
    fn config(&self) -> Option<serde_json::Value> {
        let mut config = serde_json::json!({
            "model_name": self.0.model,
            "dimension": self.0.dimension,
            "api_key_env_var": self.0.key_variable,
        });
        if let Some(task) = self.0.document_task {
            config["task_type"] = task.name().into();
        }
        Some(config)
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        let inner = &*self.0;
        let task = match purpose {
            Purpose::Documents => inner.document_task,
            Purpose::Queries => inner.query_task,
        };
        cache_key(&inner.model, inner.style, inner.dimension, task)
    }
}

/// What makes a difference to a vector: the task, whatever it is for, and not the key's variable.
fn cache_key(model: &str, style: ModelStyle, dimension: usize, task: Option<TaskType>) -> String {
    let style = match style {
        ModelStyle::TaskField => "task in a field",
        ModelStyle::TaskInText => "task in the text",
    };
    let task = task.map(TaskType::name);
    serde_json::json!([NAME, model, style, dimension, task]).to_string()
}
