//! [`Reranker`]: the trait of everything that scores documents for a query.

mod check;
mod context;

use std::sync::Arc;

pub(crate) use check::CheckedReranker;
pub use context::RerankContext;

use super::error::EmbeddingError;

/// Scores documents by how well they answer a query.
///
/// A reranker reads the query and a document together, so it is more exact than a distance of vectors, and
/// slower. [`Query::rerank`](crate::collection::Query::rerank) fetches more hits than it returns, and lets a
/// reranker choose among them. `HttpReranker` (feature `functions`) calls a service. Implement the trait for
/// your own model:
///
/// ```
/// use chroma_blocking::embed::{EmbeddingError, RerankContext, Reranker};
///
/// /// Counts the words of the query that a document has.
/// struct SharedWords;
///
/// impl Reranker for SharedWords {
///     fn name(&self) -> &str {
///         "shared_words"
///     }
///
///     fn rerank(
///         &self,
///         query: &str,
///         documents: &[&str],
///         _: &RerankContext,
///     ) -> Result<Vec<f32>, EmbeddingError> {
///         let shared = |document: &&str| {
///             let words = query.split(' ');
///             words.filter(|word| document.contains(word)).count() as f32
///         };
///         Ok(documents.iter().map(shared).collect())
///     }
/// }
///
/// let documents = ["bread", "a far galaxy"];
/// let context = RerankContext::new();
/// let scores = SharedWords.rerank("far stars", &documents, &context)?;
/// assert_eq!(scores, [0.0, 1.0]);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub trait Reranker: Send + Sync {
    /// Returns the name of the reranker, for errors.
    fn name(&self) -> &str;

    /// Returns one score for each document, in the order of the documents. A larger score is a better match.
    /// Scores are finite, and may be negative.
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn rerank(
        &self,
        query: &str,
        documents: &[&str],
        context: &RerankContext,
    ) -> Result<Vec<f32>, EmbeddingError>;
}

/// Implements the trait for a pointer to a reranker.
macro_rules! delegate {
    ($($Pointer:ty),*) => {
        $(
            impl<R: Reranker + ?Sized> Reranker for $Pointer {
                fn name(&self) -> &str {
                    (**self).name()
                }

                fn rerank(
                    &self,
                    query: &str,
                    documents: &[&str],
                    context: &RerankContext,
                ) -> Result<Vec<f32>, EmbeddingError> {
                    (**self).rerank(query, documents, context)
                }
            }
        )*
    };
}
delegate!(&R, Arc<R>, Box<R>);
