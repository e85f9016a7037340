//! [`Reporting`]: an embedding function that reports everything that a function can report.

use std::time::Duration;

use chroma_blocking::{
    EmbeddingFunction, Embeddings, Hashing,
    embed::{EmbeddingContext, EmbeddingError, Purpose},
};

/// Embeds with `Hashing`, and reports cache hits, retries and waits.
pub struct Reporting;

impl EmbeddingFunction for Reporting {
    fn name(&self) -> &'static str {
        "reporting"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Hashing::default().embed_documents(documents)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        if texts == ["bad"] {
            context.add_retries(3);
            return Err("out of order".into());
        }
        context.add_limiter_wait(Duration::from_millis(1500));
        context.add_cache_hits(1);
        context.add_retries(1);
        let half = texts.len() / 2;
        context.progress(half, texts.len());
        assert_eq!(context.purpose() == Purpose::Queries, texts.len() == 1);
        self.embed_documents(texts)
    }
}
