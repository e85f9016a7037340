//! Embeds texts with a collection's embedding function.

use std::time::Instant;

use super::Collection;
use crate::embed::{self, EmbeddingContext, Purpose};
use crate::error::{Error, InvalidInput, Result};
use crate::metrics::EmbeddingCall;
use crate::model::embeddings::Embeddings;
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::Operation;

impl Collection {
    /// Embeds texts and reports the progress. `of` names the text in the error of a collection without an
    /// embedding function.
    pub(super) fn embed(
        &self,
        operation: &'static Operation,
        texts: &[&str],
        purpose: Purpose,
        of: impl FnOnce() -> String,
    ) -> Result<Embeddings> {
        let total = texts.len() as u64;
        let report = |done| {
            let stage = ProgressStage::Embedding;
            self.report_progress(&Progress::new(operation.name, stage, done, Some(total)));
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
        let embedded = self.embed_with(operation, texts, &mut context, of);
        let vectors = match embedded {
            // The function fails in its own way when it is cancelled.
            Err(Error::Embedding { call, .. }) if context.is_cancelled() => {
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

    /// Embeds texts with a new context, which holds the function's counts afterwards. `of` names the text in
    /// the error of a collection without an embedding function.
    pub(crate) fn embed_with(
        &self,
        operation: &'static Operation,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
        of: impl FnOnce() -> String,
    ) -> Result<Embeddings> {
        let call = self.unsent_call(operation);
        let Some(function) = &self.inner.embedding_function else {
            let unusable = self.inner.unusable_function.clone();
            let reason = unusable.unwrap_or_else(|| InvalidInput::NoEmbeddingFunction { of: of() });
            return Err(call.invalid(reason));
        };
        let started = Instant::now();
        let embedded = embed::embed(function.as_ref(), texts, context, &call);
        let was_called = !texts.is_empty()
            && !matches!(
                embedded,
                Err(Error::Invalid { .. } | Error::Cancelled { .. })
            );
        if was_called {
            let call = EmbeddingCall {
                texts: texts.len(),
                used: context.used,
                failed: embedded.is_err(),
                took: started.elapsed(),
            };
            self.client
                .recorder()
                .record_embedding(function.name(), &call);
        }
        let vectors = embedded?;
        match self.dimension() {
            Some(expected) if !vectors.is_empty() && vectors.dimension() != expected => Err(call
                .invalid(InvalidInput::Dimension {
                    of: format!("the embedding function {}", function.name()),
                    expected,
                    found: vectors.dimension(),
                })),
            _ => Ok(vectors),
        }
    }
}
