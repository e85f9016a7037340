//! [`EmbeddingContext`]: what a caller tells an embedding function beside the texts, and what it is told in return.

use std::fmt;
use std::time::Duration;

use crate::metrics::Used;

/// What texts are embedded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To be stored: [`EmbeddingFunction::embed_documents`](crate::EmbeddingFunction::embed_documents).
    Documents,
    /// To ask for stored ones: [`EmbeddingFunction::embed_queries`](crate::EmbeddingFunction::embed_queries).
    Queries,
}

/// What a caller tells an embedding function beside the texts, and what the function tells of its work while it is at it and
/// at the end. It ends up in [`Client::metrics`](crate::Client::metrics), in the report of a batch job, and in what
/// [`Collection::with_progress`](crate::Collection::with_progress) reports.
///
/// A function that wraps another one passes it on; one that has a cache or takes long says so:
///
/// ```
/// use chroma_blocking::{EmbeddingContext, EmbeddingError, EmbeddingFunction, Embeddings, Hashing, Purpose};
///
/// /// One text at a time, since the model behind it can do no more.
/// struct OneByOne(Hashing);
///
/// impl EmbeddingFunction for OneByOne {
///     fn name(&self) -> &str {
///         "one_by_one"
///     }
///
///     fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
///         self.embed_with(documents, &mut EmbeddingContext::new(Purpose::Documents))
///     }
///
///     fn embed_with(&self, texts: &[&str], context: &mut EmbeddingContext<'_>) -> Result<Embeddings, EmbeddingError> {
///         let mut rows = Vec::new();
///         for text in texts {
///             rows.push(self.0.embed_documents(&[text])?.into_flat());
///             context.progress(rows.len(), texts.len());
///         }
///         Ok(Embeddings::from_rows(rows)?)
///     }
/// }
///
/// let vectors = OneByOne(Hashing::default()).embed_documents(&["a galaxy", "bread"])?;
/// assert_eq!(vectors.len(), 2);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub struct EmbeddingContext<'a> {
    purpose: Purpose,
    pub(crate) used: Used,
    on_progress: Option<&'a mut dyn FnMut(usize, usize)>,
}

impl<'a> EmbeddingContext<'a> {
    /// One that nobody listens to.
    pub fn new(purpose: Purpose) -> EmbeddingContext<'a> {
        EmbeddingContext {
            purpose,
            used: Used::default(),
            on_progress: None,
        }
    }

    /// Is told how many texts have vectors, and how many there are.
    #[must_use]
    pub fn on_progress(mut self, report: &'a mut dyn FnMut(usize, usize)) -> EmbeddingContext<'a> {
        self.on_progress = Some(report);
        self
    }

    /// What the texts are for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// So many of the texts have vectors now, of so many.
    pub fn progress(&mut self, done: usize, all: usize) {
        if let Some(report) = &mut self.on_progress {
            report(done, all);
        }
    }

    /// So many texts had their vectors in a cache.
    pub fn add_cache_hits(&mut self, texts: u64) {
        self.used.cache_hits += texts;
    }

    /// So many requests were made again.
    pub fn add_retries(&mut self, requests: u64) {
        self.used.retries += requests;
    }

    /// Requests were held back for so long, by a rate or by a pause that the service asked for.
    pub fn add_limiter_wait(&mut self, wait: Duration) {
        self.used.limiter_wait += wait;
    }

    /// What another one was told.
    pub(crate) fn add(&mut self, used: Used) {
        self.add_cache_hits(used.cache_hits);
        self.add_retries(used.retries);
        self.add_limiter_wait(used.limiter_wait);
    }
}

impl fmt::Debug for EmbeddingContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingContext")
            .field("purpose", &self.purpose)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}
