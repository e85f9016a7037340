//! [`Embedder`]: the connection, settings and limits that all clones of a `Gemini` share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use ureq::http::Method;

use super::model::{self, ModelStyle};
use super::request::Parameters;
use super::task::TaskType;
use crate::embed::cache::EmbeddingCache;
use crate::embed::limiter::Limiter;
use crate::error::{Call, InvalidInput, Result};
use crate::logs;
use crate::transport::{Kind, Operation, RetryPolicy, Transport};

/// The name of the function in a collection's configuration. Chroma's Python and JavaScript clients use the
/// same one.
pub(in crate::embed) const NAME: &str = "google_gemini";

/// The operation of all requests.
pub(super) static EMBED: Operation = Operation {
    name: "embed",
    method: Method::POST,
    path: "/{version}/models/{model}:batchEmbedContents",
    kind: Kind::ReadsRows,
};

/// Decides what happens to a call when one of its texts is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RefusedTexts {
    /// The call stops. Texts that the client itself refuses (empty ones, and [too long](LongTexts) ones) are
    /// found before anything is sent.
    #[default]
    Stop,
    /// The other texts are embedded. The call ends with
    /// [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded), which has their vectors and names the refused
    /// texts. After 100 refusals without a success the call stops, because then the texts are probably not
    /// the reason.
    Skip,
}

/// Decides what happens to a text that is too long for the model.
///
/// A text is too long if it has more words than the model reads tokens. The model would embed the beginning
/// of the text and ignore the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LongTexts {
    /// The text is refused.
    #[default]
    Refuse,
    /// The text is embedded, and a warning is logged.
    Warn,
}

/// The connection, settings and limits that all clones of a `Gemini` share.
pub(super) struct Embedder {
    pub(super) transport: Transport,
    pub(super) path: String,
    pub(super) model: String,
    pub(super) style: ModelStyle,
    /// `None` for a model that this version of the crate does not know.
    pub(super) max_tokens: Option<usize>,
    pub(super) dimension: usize,
    pub(super) document_task: Option<TaskType>,
    pub(super) query_task: Option<TaskType>,
    pub(super) batch_size: usize,
    pub(super) max_bytes: usize,
    pub(super) concurrency: usize,
    /// Started when it is first needed.
    pub(super) pool: OnceLock<ThreadPool>,
    pub(super) limiter: Limiter,
    pub(super) retry: RetryPolicy,
    pub(super) refused_texts: RefusedTexts,
    pub(super) long_texts: LongTexts,
    pub(super) deadline: Option<Duration>,
    pub(super) cancel: Option<Arc<AtomicBool>>,
    pub(super) cache: Option<Arc<dyn EmbeddingCache>>,
    pub(super) key_variable: String,
}

impl Embedder {
    /// A call of this embedder, for errors.
    pub(super) fn call(&self) -> Call {
        Call::new(EMBED.name, Some(&self.model))
    }

    /// Returns the threads that send requests. Starts them if necessary.
    pub(super) fn pool(&self) -> Result<&ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = ThreadPoolBuilder::new()
            // Two threads more, so that those that parse responses do not keep requests waiting.
            .num_threads(self.concurrency + 2)
            .thread_name(|number| format!("gemini-{number}"))
            .build();
        let pool = pool.map_err(|error| {
            let why =
                format!("the system cannot start that many threads ({error}); set a lower number");
            let value = self.concurrency.to_string();
            self.call()
                .invalid(InvalidInput::setting("concurrency", value, why))
        })?;
        Ok(self.pool.get_or_init(|| pool))
    }

    /// Returns the parameters that all texts of a request share.
    pub(super) fn parameters(&self, task: Option<TaskType>) -> Parameters<'_> {
        Parameters {
            model: &self.model,
            style: self.style,
            task,
            dimension: self.dimension,
        }
    }

    /// Returns why a text cannot be sent, or `None` if it can.
    pub(super) fn reason_against(&self, index: usize, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some("is empty; there is nothing to embed".to_owned());
        }
        let why = model::too_long(text, self.max_tokens?)?;
        match self.long_texts {
            LongTexts::Refuse => Some(format!(
                "{why}; shorten it, or allow it with .long_texts(LongTexts::Warn)"
            )),
            LongTexts::Warn => {
                log::warn!(
                    target: logs::EMBED, operation = EMBED.name, model = logs::text(&self.model);
                    "text {index} (counted from 0) {why}; the model ignores the rest"
                );
                None
            }
        }
    }
}

/// Returns the cache key of all vectors with these parameters. The key depends on the task, and not on the
/// purpose or the variable that holds the API key.
pub(super) fn cache_key(parameters: Parameters<'_>) -> String {
    let style = match parameters.style {
        ModelStyle::TaskField => "task in a field",
        ModelStyle::TaskInText => "task in the text",
    };
    let task = parameters.task.map(TaskType::name);
    let (model, dimension) = (parameters.model, parameters.dimension);
    serde_json::json!([NAME, model, style, dimension, task]).to_string()
}
