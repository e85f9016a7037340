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

    /// Calls `embed` for a number of texts, with a context that reports the progress and has the collection's
    /// cancel flag.
    pub(super) fn with_context<R>(
        &self,
        operation: &'static str,
        (purpose, texts): (Purpose, usize),
        embed: impl FnOnce(&mut EmbeddingContext<'_>) -> Result<R>,
    ) -> Result<R> {
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

    /// Counts a call of an embedding function in the metrics, unless there was none.
    pub(super) fn count_embedding<R>(
        &self,
        (function, texts): (&str, usize),
        embedded: &Result<R>,
        started: Instant,
        context: &EmbeddingContext<'_>,
    ) {
        let was_called = texts > 0
            && !matches!(
                embedded,
                Err(Error::Invalid { .. } | Error::Cancelled { .. })
            );
        if was_called {
            let call = EmbeddingCall {
                texts,
                used: context.used,
                failed: embedded.is_err(),
                took: started.elapsed(),
            };
            self.client.recorder().record_embedding(function, &call);
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
    pub(super) fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings> {
        let (collection, operation) = (self.collection, self.function.call.operation);
        collection.with_context(operation, (purpose, texts.len()), |context| {
            self.embed_with(texts, context)
        })
    }

    /// Embeds texts with a new context, which holds the function's counts afterwards.
    pub(crate) fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings> {
        let CheckedFunction { function, call } = &self.function;
        let started = Instant::now();
        let embedded = self.function.embed(texts, context);
        let work = (function.name(), texts.len());
        self.collection
            .count_embedding(work, &embedded, started, context);
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
