//! [`HttpReranker`]: a reranker over HTTP.

mod builder;
mod cohere;
pub(super) mod provider;
mod scoring;
#[cfg(test)]
mod tests;
mod text_embeddings_inference;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ureq::http::Method;

use self::provider::Provider;
use self::scoring::Scoring;
use super::engine::Engine;
use super::options::Options;
use super::sending::Sending;
use crate::embed::error::EmbeddingError;
use crate::embed::rerank::{RerankContext, Reranker};
use crate::error::{InvalidInput, Result};
use crate::metrics::Metrics;
use crate::transport::{Kind, Operation};

pub use builder::HttpRerankerBuilder;
pub use cohere::CohereRerank;
pub use text_embeddings_inference::TextEmbeddingsInferenceRerank;

/// The operation of all requests.
static RERANK: Operation = Operation {
    name: "rerank",
    method: Method::POST,
    path: "/{path}",
    kind: Kind::ReadsRows,
};

/// The settings of a provider: [`CohereRerank`] and [`TextEmbeddingsInferenceRerank`] convert into it.
#[derive(Debug, Clone)]
pub struct RerankProvider(Arc<dyn Provider>);

/// A reranker over HTTP.
///
/// It cuts documents into batches, sends several at a time, respects rate limits and repeats failed requests,
/// in the same way as [`Gemini`](crate::Gemini#many-texts). Clones are cheap, and share connections and
/// limits. No key appears in a log line, error or `Debug` output.
///
/// ```no_run
/// use chroma_blocking::Client;
/// use chroma_blocking::embed::{CohereRerank, HttpReranker};
///
/// let cohere = HttpReranker::new(CohereRerank::new("rerank-v3.5"))?;
/// let notes = Client::from_env()?.collection("notes").get()?;
/// let query = notes.query("memory safety").n_results(5);
/// for hit in query.rerank(&cohere).run()? {
///     println!("{:?}  {}", hit.score, hit.id);
/// }
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// Without a collection, call [`Reranker::rerank`]:
///
/// ```no_run
/// use chroma_blocking::embed::{
///     HttpReranker, RerankContext, Reranker, TextEmbeddingsInferenceRerank,
/// };
///
/// let url = "http://localhost:8080";
/// let server = HttpReranker::new(TextEmbeddingsInferenceRerank::new(url))?;
/// let documents = ["bread", "a galaxy"];
/// let scores = server.rerank("stars", &documents, &RerankContext::new())?;
/// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
/// ```
///
/// # Errors
/// [`Reranker::rerank`] returns this crate's [`Error`](crate::Error): [`InvalidInput::Setting`] for an empty
/// query, [`InvalidInput::Text`] for a document that the service refuses, and
/// [`Error::Decode`](crate::Error::Decode) for a response that does not have one finite score for each
/// document.
#[derive(Clone)]
pub struct HttpReranker(Arc<Inner>);

struct Inner {
    engine: Engine,
    provider: RerankProvider,
}

impl HttpReranker {
    /// Returns the reranker of a provider, with default options. The key is in the provider's variable.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if there is no key, or a setting is malformed.
    pub fn new(provider: impl Into<RerankProvider>) -> Result<HttpReranker> {
        HttpReranker::builder(provider).build()
    }

    /// Returns a builder with the default options.
    pub fn builder(provider: impl Into<RerankProvider>) -> HttpRerankerBuilder {
        HttpRerankerBuilder {
            provider: provider.into(),
            options: Options::default(),
        }
    }

    /// Returns the model's name, or a substitute if the settings have none.
    pub fn model(&self) -> &str {
        &self.0.engine.model
    }

    /// Returns what all clones have sent so far: requests, bytes, times and connections, with the operation
    /// `rerank`; see [`Gemini::metrics`](crate::Gemini::metrics).
    pub fn metrics(&self) -> Metrics {
        self.0.engine.transport.metrics()
    }

    fn scores(&self, query: &str, documents: &[&str], context: &RerankContext) -> Result<Vec<f32>> {
        let engine = &self.0.engine;
        if query.trim().is_empty() {
            let why = "there is nothing to compare the documents with; pass a text";
            let reason = InvalidInput::setting("query", "", why);
            return Err(engine.call().invalid(reason));
        }
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let budget = context.time_left();
        let work = Scoring {
            sending: Sending::start(engine, context.cancel_flag(), budget),
            provider: &*self.0.provider.0,
            query,
            documents,
        };
        let mut scores = vec![0.0; documents.len()];
        let done = |batch: Range<usize>, found: Vec<f32>| scores[batch].copy_from_slice(&found);
        let outcome = work.sending.send_all(&work, work.batches(), done)?;
        if outcome.is_out_of_time {
            // An earlier deadline, that of the retry policy, is an error of the call.
            let own = engine.calls.retry.deadline;
            if budget.is_some_and(|budget| own.is_none_or(|own| budget <= own)) {
                context.give_up();
            }
        }
        if let Some((index, why)) = outcome.refused.into_iter().next() {
            let why = format!("was refused by the server: {why}");
            return Err(engine.call().invalid(InvalidInput::Text { index, why }));
        }
        outcome.error.map_or(Ok(scores), Err)
    }
}

impl fmt::Debug for HttpReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpReranker")
            .field("name", &self.0.engine.name)
            .field("model", &self.0.engine.model)
            .finish_non_exhaustive()
    }
}

impl Reranker for HttpReranker {
    fn name(&self) -> &str {
        self.0.engine.name
    }

    fn rerank(
        &self,
        query: &str,
        documents: &[&str],
        context: &RerankContext,
    ) -> Result<Vec<f32>, EmbeddingError> {
        Ok(self.scores(query, documents, context)?)
    }
}
