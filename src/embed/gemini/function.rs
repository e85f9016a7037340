//! [`Gemini`]: the embedding function.

use std::fmt;
use std::sync::Arc;

use super::call::Embed;
use super::embedder::Embedder;
use super::task::TaskType;
use crate::embed::context::{EmbeddingContext, Purpose};
use crate::embed::error::EmbeddingError;
use crate::embed::function::EmbeddingFunction;
use crate::embed::http::Format as _;
use crate::embed::names::GEMINI;
use crate::error::Result;
use crate::metrics::{EmbeddingUsage, Metrics};
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// Google Gemini's embeddings. Default: vectors of 768 floats and unit length from `gemini-embedding-001`;
/// see [`builder`](Gemini::builder).
///
/// Stored texts are embedded with the task `RETRIEVAL_DOCUMENT`, queries with `RETRIEVAL_QUERY`. Vectors of
/// different models do not match, so a collection must keep the model that it was filled with.
///
/// Clones are cheap, and share connections and limits. The API key appears in no log line, error or `Debug`
/// output. The configuration of a collection stores only the name of the variable that holds the key.
///
/// A collection that was created with this function, by this crate or by Chroma's Python or JavaScript
/// client, [opens](crate::collection::CollectionBuilder::get) without naming the function again.
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
/// [`embed`](Gemini::embed) takes any number of texts. It cuts them into batches by count and bytes, and
/// sends several batches [at a time](crate::embed::GeminiBuilder::concurrency). The vectors come in the order
/// of the texts. Equal texts are sent once.
///
/// - **Rate limits**: the client respects the [limits that you
///   set](crate::embed::GeminiBuilder::requests_per_minute). If Google reports a rate limit, all requests
///   wait for as long as Google asks, and fewer are in flight after that. If the quota of the day is used up,
///   the call fails: [`Error::QuotaExhausted`](crate::Error::QuotaExhausted).
/// - **Failed batches** are sent again ([`RetryPolicy`](crate::RetryPolicy)). If all retries fail, the call
///   stops. The error has the vectors so far: [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded).
/// - **A [cache](crate::embed::GeminiBuilder::cache)** keeps vectors that were paid for.
/// - **Refused texts**: if Google refuses a batch, the client halves it until it finds the text, and names
///   it. You [choose](crate::embed::RefusedTexts) whether the other texts are embedded.
///
/// ```no_run
/// use chroma_blocking::{Error, Gemini};
///
/// let gemini = Gemini::builder()
///     .concurrency(8)
///     .requests_per_minute(3000)
///     .build()?;
/// let lines = std::fs::read_to_string("lines.txt")?;
/// let call = gemini.embed(lines.lines()).on_progress(|p| eprintln!("{p}"));
/// match call.run() {
///     Ok(vectors) => println!("{vectors:?}"),
///     Err(Error::PartlyEmbedded { done, pending, source, .. }) => {
///         println!("{} done, {} pending: {source:#}", done.len(), pending.len());
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Gemini(pub(super) Arc<Embedder>);

impl Gemini {
    /// Returns the model's name.
    pub fn model(&self) -> &str {
        &self.0.engine.model
    }

    /// Returns what all clones have sent so far: requests, bytes, times and connections, with the operation
    /// `embed`. A repeated request counts again.
    ///
    /// [`Metrics::embeddings`] covers the calls of [`embed`](Gemini::embed): their retries, cache hits, and
    /// how long they were delayed. Calls for a collection are in the metrics of its
    /// [client](crate::Client::metrics) instead, and calls of [`embed_with`](EmbeddingFunction::embed_with)
    /// in their context.
    pub fn metrics(&self) -> Metrics {
        self.0.engine.transport.metrics()
    }

    /// Prepares a call that embeds any number of texts, as documents by default. [`Embed::run`] sends it.
    ///
    /// ```no_run
    /// let gemini = chroma_blocking::Gemini::from_env()?;
    /// let vectors = gemini.embed(["a galaxy", "bread"]).run()?;
    /// assert_eq!(vectors.len(), 2);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn embed<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Embed<'_, T> {
        Embed::new(&self.0, texts.into_iter().collect())
    }

    /// Embeds the text of a query.
    ///
    /// # Errors
    /// Those of [`Embed::run`].
    pub fn embed_query(&self, query: &str) -> Result<Vec<f32>> {
        let vectors = self.embed([query]).for_queries().run()?;
        Ok(vectors.into_flat())
    }
}

impl fmt::Debug for Gemini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemini")
            .field("model", &self.0.engine.model)
            .field("dimension", &self.0.dimension)
            .field("document_task", &self.0.document_task)
            .field("query_task", &self.0.query_task)
            .finish_non_exhaustive()
    }
}

impl EmbeddingFunction for Gemini {
    fn name(&self) -> &str {
        GEMINI
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
        let mut used = EmbeddingUsage::default();
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

    /// Returns the keys that Chroma's schema for `google_gemini` allows. It allows no others.
    fn config(&self) -> Option<serde_json::Value> {
        let mut config = serde_json::json!({
            "model_name": self.0.engine.model,
            "dimension": self.0.dimension,
            "api_key_env_var": self.0.key_variable,
        });
        if let Some(task) = self.0.document_task {
            config["task_type"] = task.name().into();
        }
        Some(config)
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        let task: Option<TaskType> = match purpose {
            Purpose::Documents => self.0.document_task,
            Purpose::Queries => self.0.query_task,
        };
        self.0.parameters(task).cache_key()
    }
}
