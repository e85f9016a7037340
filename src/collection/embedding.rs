//! [`TextEmbedder`]: embeds texts with a collection's embedding function.

use std::time::Instant;

use super::Collection;
use crate::embed::{CheckedFunction, EmbeddingContext, Purpose};
use crate::error::{Error, InvalidInput, Result};
use crate::metrics::EmbeddingCall;
use crate::model::embeddings::Embeddings;
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::Operation;

impl Collection {
    /// Prepares to embed texts. `of` names the text in the error of a collection without an embedding
    /// function.
    pub(crate) fn embedder(
        &self,
        operation: &'static Operation,
        of: impl FnOnce() -> String,
    ) -> Result<TextEmbedder<'_>> {
        let call = self.unsent_call(operation);
        let Some(function) = self.inner.embedding_function.as_deref() else {
            let unusable = self.inner.unusable_function.clone();
            let reason = unusable.unwrap_or_else(|| InvalidInput::NoEmbeddingFunction { of: of() });
            return Err(call.invalid(reason));
        };
        Ok(TextEmbedder {
            collection: self,
            function: CheckedFunction { function, call },
        })
    }

    /// Calls `embed` with a context that reports the progress and has the collection's cancel flag.
    pub(super) fn with_context<R>(
        &self,
        task: EmbeddingTask,
        embed: impl FnOnce(&mut EmbeddingContext<'_>) -> Result<R>,
    ) -> Result<R> {
        let EmbeddingTask {
            operation,
            purpose,
            texts,
        } = task;
        let total = texts as u64;
        let report = |done| {
            let progress = Progress::new(operation, ProgressStage::Embedding, done);
            self.report_progress(&progress.out_of(total));
        };
        let mut reported = 0;
        // The total of the function is not used: it may cover only a part of the texts.
        let mut on_progress = |progress: &Progress| {
            reported = progress.done.min(total);
            report(reported);
        };
        let mut context = EmbeddingContext::new(purpose).on_progress(&mut on_progress);
        if let Some(flag) = self.client.cancel_flag() {
            context = context.cancel(flag);
        }
        let vectors = match embed(&mut context) {
            // The function fails in its own way when it is cancelled. Vectors that it made stay in its error.
            Err(Error::Embedding { call, source, .. })
                if context.is_cancelled() && !has_vectors(&*source) =>
            {
                return Err(Error::Cancelled { call });
            }
            embedded => embedded?,
        };
        // Not every function reports its progress.
        if reported < total {
            report(total);
        }
        Ok(vectors)
    }

    /// Starts a call of an embedding function, to be [counted](StartedEmbedding::count).
    pub(super) fn start_embedding<'a>(
        &'a self,
        function: &'a str,
        texts: usize,
    ) -> StartedEmbedding<'a> {
        StartedEmbedding {
            collection: self,
            function,
            texts,
            started: Instant::now(),
        }
    }
}

/// A number of texts to embed.
#[derive(Clone, Copy)]
pub(super) struct EmbeddingTask {
    /// The name of the operation that needs the vectors.
    pub(super) operation: &'static str,
    pub(super) purpose: Purpose,
    pub(super) texts: usize,
}

/// A call of an embedding function that has started.
pub(super) struct StartedEmbedding<'a> {
    collection: &'a Collection,
    function: &'a str,
    texts: usize,
    started: Instant,
}

impl StartedEmbedding<'_> {
    /// Counts the call in the metrics, unless the function was not called.
    pub(super) fn count<R>(self, embedded: &Result<R>, context: &EmbeddingContext<'_>) {
        let was_called = self.texts > 0
            && !matches!(
                embedded,
                Err(Error::Invalid { .. } | Error::Cancelled { .. })
            );
        if was_called {
            let call = EmbeddingCall {
                texts: self.texts,
                used: context.used,
                failed: embedded.is_err(),
                took: self.started.elapsed(),
            };
            let recorder = self.collection.client.recorder();
            recorder.record_embedding(self.function, &call);
        }
    }
}

/// Whether an embedding function's error holds vectors that it made before it failed.
fn has_vectors(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(Error::PartlyEmbedded { vectors, .. }) if !vectors.is_empty()
    )
}

/// A collection's embedding function in a call.
pub(crate) struct TextEmbedder<'a> {
    collection: &'a Collection,
    function: CheckedFunction<'a>,
}

impl TextEmbedder<'_> {
    /// Embeds texts and reports the progress.
    pub(crate) fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings> {
        let task = EmbeddingTask {
            operation: self.function.call.operation,
            purpose,
            texts: texts.len(),
        };
        let embed = |context: &mut EmbeddingContext<'_>| self.embed_with(texts, context);
        self.collection.with_context(task, embed)
    }

    /// Embeds texts with a new context, which holds the function's counts afterwards.
    pub(crate) fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings> {
        let CheckedFunction { function, call } = &self.function;
        let started = self
            .collection
            .start_embedding(function.name(), texts.len());
        let embedded = self.function.embed(texts, context);
        started.count(&embedded, context);
        let vectors = embedded?;
        match self.collection.dimension() {
            Some(expected) if !vectors.is_empty() && vectors.dimension() != expected => {
                Err(call.clone().invalid(InvalidInput::Dimension {
                    of: format!("the embedding function {}", function.name()),
                    expected,
                    found: vectors.dimension(),
                }))
            }
            _ => Ok(vectors),
        }
    }
}
