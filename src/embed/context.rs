//! [`EmbeddingContext`]: the purpose of a call, its cancellation, and what the function reports.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::EmbeddingError;
use crate::error::{Error, InvalidInput};
use crate::metrics::EmbeddingUsage;
use crate::model::embeddings::Embeddings;
use crate::model::progress::{Progress, ProgressStage};

/// The purpose of texts that are embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The texts are stored: see
    /// [`EmbeddingFunction::embed_documents`](crate::EmbeddingFunction::embed_documents).
    Documents,
    /// The texts search for stored ones: see
    /// [`EmbeddingFunction::embed_queries`](crate::EmbeddingFunction::embed_queries).
    Queries,
}

/// The context of one call of [`EmbeddingFunction::embed_with`](crate::EmbeddingFunction::embed_with).
///
/// It tells the function the [purpose](EmbeddingContext::purpose) of the texts and whether the caller has
/// [cancelled](EmbeddingContext::is_cancelled) the call. The function reports its progress, cache hits,
/// retries and waits to it. They appear in [`Client::metrics`](crate::Client::metrics), in the report of a
/// batch job, and in the progress of [`Collection::with_progress`](crate::Collection::with_progress).
///
/// # For authors of embedding functions
/// - A slow function calls [`progress`](EmbeddingContext::progress) regularly. Between requests it checks
///   [`is_cancelled`](EmbeddingContext::is_cancelled), and if that is true it returns any error, for example
///   `Err("cancelled".into())`. A function that does neither works, too: the caller stops after the function
///   has returned.
/// - A function with a cache calls [`add_cache_hits`](EmbeddingContext::add_cache_hits).
/// - A function that wraps another function passes the context on. If it embeds in parts, it passes on
///   [parts](EmbeddingContext::part) of the context. It also forwards `name`, `dimension`, `default_space`,
///   `config` and `cache_key`, so that collections treat it as the inner function.
///
/// ```
/// use chroma_blocking::embed::{EmbeddingContext, EmbeddingError, Purpose};
/// use chroma_blocking::{EmbeddingFunction, Embeddings, Hashing, Space};
///
/// /// Embeds one text at a time, for a model that cannot embed more at once.
/// struct OneByOne(Hashing);
///
/// impl EmbeddingFunction for OneByOne {
///     fn embed_with(
///         &self,
///         texts: &[&str],
///         context: &mut EmbeddingContext<'_>,
///     ) -> Result<Embeddings, EmbeddingError> {
///         let mut rows = Vec::new();
///         for (index, text) in texts.iter().enumerate() {
///             if context.is_cancelled() {
///                 return Err("cancelled".into());
///             }
///             let vector = context.part(index, texts.len(), |part| {
///                 self.0.embed_with(&[text], part)
///             })?;
///             rows.push(vector.into_flat());
///             context.progress(rows.len(), texts.len());
///         }
///         Ok(Embeddings::from_rows(rows)?)
///     }
///
///     // The default `embed_with` calls these two. Here they call
///     // `embed_with`, so `embed_with` must be implemented as well.
///     fn embed_documents(
///         &self,
///         documents: &[&str],
///     ) -> Result<Embeddings, EmbeddingError> {
///         let mut context = EmbeddingContext::new(Purpose::Documents);
///         self.embed_with(documents, &mut context)
///     }
///
///     fn embed_queries(
///         &self,
///         queries: &[&str],
///     ) -> Result<Embeddings, EmbeddingError> {
///         let mut context = EmbeddingContext::new(Purpose::Queries);
///         self.embed_with(queries, &mut context)
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
/// let mut lines = Vec::new();
/// let mut report = |p: &chroma_blocking::Progress| lines.push(p.to_string());
/// let mut context = EmbeddingContext::new(Purpose::Documents)
///     .on_progress(&mut report);
/// let function = OneByOne(Hashing::default());
/// let vectors = function.embed_with(&["a galaxy", "bread"], &mut context)?;
/// assert_eq!(vectors.len(), 2);
/// assert_eq!(context.retries(), 0);
/// assert_eq!(lines, ["embed: 1 of 2 embedded", "embed: 2 of 2 embedded"]);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub struct EmbeddingContext<'a> {
    purpose: Purpose,
    pub(crate) used: EmbeddingUsage,
    on_progress: Option<&'a mut dyn FnMut(&Progress)>,
    cancel: Option<&'a AtomicBool>,
}

impl<'a> EmbeddingContext<'a> {
    /// Returns a context without a progress callback and without a cancellation flag.
    pub fn new(purpose: Purpose) -> EmbeddingContext<'a> {
        EmbeddingContext {
            purpose,
            used: EmbeddingUsage::default(),
            on_progress: None,
            cancel: None,
        }
    }

    /// Sets the callback that receives the progress of the call. Default: none.
    #[must_use]
    pub fn on_progress(mut self, report: &'a mut dyn FnMut(&Progress)) -> EmbeddingContext<'a> {
        self.on_progress = Some(report);
        self
    }

    /// Sets a flag that cancels the call when it becomes `true`, from any thread. Default: none.
    ///
    /// [`Gemini`](crate::embed::Gemini) then sends nothing more. Its call ends with
    /// [`Error::Cancelled`](crate::Error::Cancelled), or with
    /// [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded) if some vectors are already known. Other
    /// functions may finish first.
    ///
    /// ```
    /// use std::sync::atomic::AtomicBool;
    ///
    /// use chroma_blocking::embed::{EmbeddingContext, Purpose};
    ///
    /// let flag = AtomicBool::new(true);
    /// let context = EmbeddingContext::new(Purpose::Queries).cancel(&flag);
    /// assert!(context.is_cancelled());
    /// ```
    #[must_use]
    pub fn cancel(mut self, flag: &'a AtomicBool) -> EmbeddingContext<'a> {
        self.cancel = Some(flag);
        self
    }

    /// Returns the purpose of the texts.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns whether the caller has cancelled the call. Check it before each request, or once per second of
    /// work.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// The caller's flag, for functions that also check it while they wait.
    #[cfg(feature = "gemini")]
    pub(crate) fn cancel_flag(&self) -> Option<&'a AtomicBool> {
        self.cancel
    }

    /// Reports that `done` of the call's `all` texts have vectors.
    pub fn progress(&mut self, done: usize, all: usize) {
        let progress = Progress::new("embed", ProgressStage::Embedding, done as u64);
        self.report(&progress.out_of(all as u64));
    }

    pub(crate) fn report(&mut self, progress: &Progress) {
        if let Some(report) = &mut self.on_progress {
            report(progress);
        }
    }

    /// Returns the number of texts whose vectors came from a cache, as reported by the function.
    pub fn cache_hits(&self) -> u64 {
        self.used.cache_hits
    }

    /// Returns the number of repeated requests, as reported by the function.
    pub fn retries(&self) -> u64 {
        self.used.retries
    }

    /// Returns the total time for which requests were delayed, as reported by the function.
    pub fn limiter_wait(&self) -> Duration {
        self.used.limiter_wait
    }

    /// Adds to the number of texts whose vectors came from a cache.
    pub fn add_cache_hits(&mut self, texts: u64) {
        self.used.cache_hits = self.used.cache_hits.saturating_add(texts);
    }

    /// Adds to the number of repeated requests.
    pub fn add_retries(&mut self, requests: u64) {
        self.used.retries = self.used.retries.saturating_add(requests);
    }

    /// Adds to the time for which requests were delayed by a rate limit, or by a pause that the service asked
    /// for.
    pub fn add_limiter_wait(&mut self, wait: Duration) {
        self.used.limiter_wait = self.used.limiter_wait.saturating_add(wait);
    }

    /// Calls `embed` for a part of the texts, with a separate context.
    ///
    /// The part follows `before` texts; the call has `all` texts. The part's progress is reported as progress
    /// of the whole call. Its cache hits, retries and waits are added to this context, even if `embed` fails.
    /// The part has the same purpose, and is cancelled by the same flag.
    ///
    /// # Errors
    /// Returns the error of `embed`. If that error names a text by its index in the part, the index is
    /// replaced by the index in the whole call. An [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded)
    /// would describe only the part, so its source is returned instead.
    pub fn part(
        &mut self,
        before: usize,
        all: usize,
        embed: impl FnOnce(&mut EmbeddingContext<'_>) -> Result<Embeddings, EmbeddingError>,
    ) -> Result<Embeddings, EmbeddingError> {
        self.part_by(|done| before.saturating_add(done), all, embed)
            .map_err(|error| match error.downcast::<Error>() {
                Ok(error) => of_whole_call(*error, before).into(),
                Err(other) => other,
            })
    }

    /// Like [`part`](EmbeddingContext::part), with a function from the number of the part's texts that are
    /// done to the number of the call's texts that are done. Errors are returned as they are.
    pub(crate) fn part_by<R>(
        &mut self,
        done_of_all: impl Fn(usize) -> usize,
        all: usize,
        embed: impl FnOnce(&mut EmbeddingContext<'_>) -> R,
    ) -> R {
        let (purpose, cancel) = (self.purpose, self.cancel);
        let mut report = |part: &Progress| self.progress(done_of_all(part.done as usize), all);
        let mut part = EmbeddingContext::new(purpose).on_progress(&mut report);
        part.cancel = cancel;
        let result = embed(&mut part);
        let used = part.used;
        self.add(used);
        result
    }

    /// Adds the cache hits, retries and waits of another call.
    pub(crate) fn add(&mut self, used: EmbeddingUsage) {
        self.add_cache_hits(used.cache_hits);
        self.add_retries(used.retries);
        self.add_limiter_wait(used.limiter_wait);
    }
}

/// Turns the error of a part, which follows `before` texts, into one about the whole call.
fn of_whole_call(error: Error, before: usize) -> Error {
    match error {
        Error::PartlyEmbedded { source, .. } => of_whole_call(*source, before),
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
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Call;

    #[test]
    fn the_error_of_a_part_names_texts_of_the_whole_call() {
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
    #[test]
    fn a_flag_cancels_the_call_and_its_parts() {
        let flag = AtomicBool::new(false);
        let mut context = EmbeddingContext::new(Purpose::Documents).cancel(&flag);
        assert!(!context.is_cancelled());
        flag.store(true, Ordering::Relaxed);
        assert!(context.is_cancelled());
        let part_is_cancelled = context.part_by(
            |done| done,
            2,
            |part| part.part_by(|done| done, 1, |part| part.is_cancelled()),
        );
        assert!(part_is_cancelled);
        assert!(!EmbeddingContext::new(Purpose::Documents).is_cancelled());
    }
}
