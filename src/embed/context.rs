//! [`EmbeddingContext`]: what a caller tells an embedding function beside the texts, and what it is told in return.

use std::fmt;
use std::time::Duration;

use super::EmbeddingError;
use crate::error::{Error, InvalidInput};
use crate::metrics::Used;
use crate::model::embeddings::Embeddings;
use crate::model::progress::{Progress, ProgressStage};

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
/// A function that has a cache or takes long says so. One that wraps another one passes it on, in
/// [parts](EmbeddingContext::part) where it embeds in parts. It forwards `name`, `dimension`, `default_space`, `config` and
/// `cache_key`, too: to a collection it is the inner function then.
///
/// ```
/// use chroma_blocking::{Progress, EmbeddingFunction, Embeddings, Hashing, Space};
/// use chroma_blocking::embed::{EmbeddingContext, EmbeddingError, Purpose};
///
/// /// One text at a time, since the model behind it can do no more.
/// struct OneByOne(Hashing);
///
/// impl EmbeddingFunction for OneByOne {
///     fn embed_with(&self, texts: &[&str], context: &mut EmbeddingContext<'_>) -> Result<Embeddings, EmbeddingError> {
///         let mut rows = Vec::new();
///         for (index, text) in texts.iter().enumerate() {
///             let vector = context.part(index, texts.len(), |part| self.0.embed_with(&[text], part))?;
///             rows.push(vector.into_flat());
///             context.progress(rows.len(), texts.len());
///         }
///         Ok(Embeddings::from_rows(rows)?)
///     }
///
///     // These two do the same as embed_with. (Without the one above, the default one would call them, and they it, without end.)
///     fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
///         self.embed_with(documents, &mut EmbeddingContext::new(Purpose::Documents))
///     }
///
///     fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
///         self.embed_with(queries, &mut EmbeddingContext::new(Purpose::Queries))
///     }
///
///     fn name(&self) -> &str {
///         self.0.name()
///     }
///     fn dimension(&self) -> Option<usize> {
///         self.0.dimension()
///     }
///     fn default_space(&self) -> Space {
///         self.0.default_space()
///     }
///     fn config(&self) -> Option<serde_json::Value> {
///         self.0.config()
///     }
///     fn cache_key(&self, purpose: Purpose) -> String {
///         self.0.cache_key(purpose)
///     }
/// }
///
/// let mut told = Vec::new();
/// let mut report = |progress: &Progress| told.push(progress.to_string());
/// let mut context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
/// let vectors = OneByOne(Hashing::default()).embed_with(&["a galaxy", "bread"], &mut context)?;
/// assert_eq!(vectors.len(), 2);
/// assert_eq!(context.retries(), 0);
/// assert_eq!(told, ["embed: 1 of 2 embedded", "embed: 2 of 2 embedded"]);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub struct EmbeddingContext<'a> {
    purpose: Purpose,
    pub(crate) used: Used,
    on_progress: Option<&'a mut dyn FnMut(&Progress)>,
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
    pub fn on_progress(mut self, report: &'a mut dyn FnMut(&Progress)) -> EmbeddingContext<'a> {
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
            let (done, total) = (done as u64, Some(all as u64));
            report(&Progress::new(
                "embed",
                ProgressStage::Embedding,
                done,
                total,
            ));
        }
    }

    pub(crate) fn report(&mut self, progress: &Progress) {
        if let Some(report) = &mut self.on_progress {
            report(progress);
        }
    }

    /// Texts whose vectors a cache had, as far as it was told.
    pub fn cache_hits(&self) -> u64 {
        self.used.cache_hits
    }

    /// Requests that were made again, as far as it was told.
    pub fn retries(&self) -> u64 {
        self.used.retries
    }

    /// How long requests were held back, as far as it was told; of all together.
    pub fn limiter_wait(&self) -> Duration {
        self.used.limiter_wait
    }

    /// So many texts had their vectors in a cache.
    pub fn add_cache_hits(&mut self, texts: u64) {
        self.used.cache_hits = self.used.cache_hits.saturating_add(texts);
    }

    /// So many requests were made again.
    pub fn add_retries(&mut self, requests: u64) {
        self.used.retries = self.used.retries.saturating_add(requests);
    }

    /// Requests were held back for so long, by a rate or by a pause that the service asked for.
    pub fn add_limiter_wait(&mut self, wait: Duration) {
        self.used.limiter_wait = self.used.limiter_wait.saturating_add(wait);
    }

    /// Embeds a part of the texts: `embed` is given a context whose progress goes on behind `before` texts, of `all`. What it
    /// is told of caches, retries and waits is told to this one, also when `embed` fails.
    ///
    /// # Errors
    /// That of `embed`. A text that it names by its number is numbered among all, and of an
    /// [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded), which is about the part, there is its source.
    pub fn part(
        &mut self,
        before: usize,
        all: usize,
        embed: impl FnOnce(&mut EmbeddingContext<'_>) -> Result<Embeddings, EmbeddingError>,
    ) -> Result<Embeddings, EmbeddingError> {
        self.part_by(|done| before.saturating_add(done), all, embed)
            .map_err(|error| match error.downcast::<Error>() {
                Ok(error) => among_all(*error, before).into(),
                Err(other) => other,
            })
    }

    /// As [`part`](EmbeddingContext::part); `of_all` says how many have vectors when so many of the part have.
    pub(crate) fn part_by<R>(
        &mut self,
        of_all: impl Fn(usize) -> usize,
        all: usize,
        embed: impl FnOnce(&mut EmbeddingContext<'_>) -> R,
    ) -> R {
        let purpose = self.purpose;
        let mut report = |part: &Progress| self.progress(of_all(part.done as usize), all);
        let mut part = EmbeddingContext::new(purpose).on_progress(&mut report);
        let result = embed(&mut part);
        let used = part.used;
        self.add(used);
        result
    }

    /// What another one was told.
    pub(crate) fn add(&mut self, used: Used) {
        self.add_cache_hits(used.cache_hits);
        self.add_retries(used.retries);
        self.add_limiter_wait(used.limiter_wait);
    }
}

/// The error of a part, for all texts; there are so many in front of it.
fn among_all(error: Error, before: usize) -> Error {
    match error {
        Error::PartlyEmbedded { source, .. } => among_all(*source, before),
        Error::Invalid {
            call,
            reason: InvalidInput::Text { index, why },
        } => call.invalid(InvalidInput::Text {
            index: before.saturating_add(index),
            why,
        }),
        other => other,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Call;

    #[test]
    fn the_error_of_a_part_is_about_all() {
        let call = || Box::new(Call::new("embed", None));
        let text = |index| {
            let why = "is empty".to_owned();
            call().invalid(InvalidInput::Text { index, why })
        };
        let partly = Error::PartlyEmbedded {
            call: call(),
            done: vec![0],
            vectors: Box::default(),
            refused: vec![],
            pending: vec![1, 2],
            source: Box::new(text(1)),
        };
        let mut context = EmbeddingContext::new(Purpose::Documents);
        for error in [text(1), partly] {
            let failed = context.part(10, 13, |part| {
                part.add_retries(1);
                Err(error.into())
            });
            assert_eq!(failed.unwrap_err().to_string(), text(11).to_string());
        }
        assert_eq!(context.retries(), 2);
    }
}
