//! [`Engine`]: the connection, settings and limits that all clones of a function share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::text::too_long;
use crate::embed::cache::EmbeddingCache;
use crate::embed::limiter::Limiter;
use crate::error::{self, InvalidInput, Result};
use crate::logs;
use crate::metrics::{EmbeddingCall, EmbeddingUsage};
use crate::model::embeddings::Embeddings;
use crate::transport::{Operation, RetryPolicy, Transport};

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
/// A text is too long if it has more words than the model reads tokens, where the client knows that number.
/// Gemini would embed the beginning of the text and ignore the rest. Other providers do the same, or refuse
/// the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LongTexts {
    /// The text is refused.
    #[default]
    Refuse,
    /// The text is sent, and a warning is logged.
    Warn,
}

/// How the calls of a function are made.
#[derive(Clone)]
pub(in crate::embed) struct CallSettings {
    /// The most requests in flight.
    pub(in crate::embed) concurrency: usize,
    pub(in crate::embed) retry: RetryPolicy,
    pub(in crate::embed) refused_texts: RefusedTexts,
    pub(in crate::embed) long_texts: LongTexts,
    pub(in crate::embed) deadline: Option<Duration>,
    pub(in crate::embed) cancel: Option<Arc<AtomicBool>>,
    pub(in crate::embed) cache: Option<Arc<dyn EmbeddingCache>>,
}

impl Default for CallSettings {
    fn default() -> CallSettings {
        CallSettings {
            concurrency: 4,
            retry: RetryPolicy::default(),
            refused_texts: RefusedTexts::default(),
            long_texts: LongTexts::default(),
            deadline: None,
            cancel: None,
            cache: None,
        }
    }
}

/// The connection, settings and limits that all clones of a function share.
pub(in crate::embed) struct Engine {
    pub(in crate::embed) transport: Transport,
    /// Chroma's name of the function.
    pub(in crate::embed) name: &'static str,
    pub(in crate::embed) model: String,
    pub(super) operation: &'static Operation,
    pub(super) path: String,
    /// The floats of a vector. If no setting tells them, the first response does.
    pub(in crate::embed) dimension: OnceLock<usize>,
    /// The most texts in a request.
    pub(in crate::embed) batch_size: usize,
    /// The most bytes in a body.
    pub(in crate::embed) max_bytes: usize,
    /// The most tokens of a text, if they are known.
    pub(super) max_tokens: Option<usize>,
    /// Whether the quota of requests counts texts.
    pub(super) counts_texts: bool,
    pub(in crate::embed) calls: CallSettings,
    /// Started when it is first needed.
    pub(super) pool: OnceLock<ThreadPool>,
    pub(super) limiter: Limiter,
}

impl Engine {
    /// A call of this function, for errors.
    pub(in crate::embed) fn call(&self) -> error::Call {
        error::Call::new(self.operation.name, Some(&self.model))
    }

    /// Makes a call for `texts` texts, and counts it in the metrics of the function.
    pub(in crate::embed) fn counted(
        &self,
        texts: usize,
        run: impl FnOnce(&mut EmbeddingUsage) -> Result<Embeddings>,
    ) -> Result<Embeddings> {
        let (started, mut used) = (Instant::now(), EmbeddingUsage::default());
        let result = run(&mut used);
        let call = EmbeddingCall {
            texts,
            used,
            failed: result.is_err(),
            took: started.elapsed(),
        };
        self.transport.recorder().record_embedding(self.name, &call);
        result
    }

    /// Returns the threads that send requests. Starts them if necessary.
    pub(super) fn pool(&self) -> Result<&ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let name = self.name;
        let pool = ThreadPoolBuilder::new()
            // Two threads more, so that those that parse responses do not keep requests waiting.
            .num_threads(self.calls.concurrency + 2)
            .thread_name(move |number| format!("{name}-{number}"))
            .build();
        let pool = pool.map_err(|error| {
            let why =
                format!("the system cannot start that many threads ({error}); set a lower number");
            let value = self.calls.concurrency.to_string();
            self.call()
                .invalid(InvalidInput::setting("concurrency", value, why))
        })?;
        Ok(self.pool.get_or_init(|| pool))
    }

    /// Returns why a text cannot be sent, or `None` if it can.
    pub(super) fn reason_against(&self, index: usize, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some("is empty; there is nothing to embed".to_owned());
        }
        let why = too_long(text, self.max_tokens?)?;
        match self.calls.long_texts {
            LongTexts::Refuse => Some(format!(
                "{why}; shorten it, or allow it with .long_texts(LongTexts::Warn)"
            )),
            LongTexts::Warn => {
                log::warn!(
                    target: logs::EMBED, operation = self.operation.name, model = logs::text(&self.model);
                    "text {index} (counted from 0) {why}; the provider may ignore the rest, or refuse the text"
                );
                None
            }
        }
    }
}
