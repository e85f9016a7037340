//! [`Embed`]: a call of Gemini, with its options.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::embedder::Embedder;
use super::task::TaskType;
use crate::embed::http::{Call, Text};
use crate::error::{InvalidInput, Result};
use crate::metrics::EmbeddingUsage;
use crate::model::embeddings::Embeddings;
use crate::model::progress::Progress;

/// A call that embeds texts. Made by [`Gemini::embed`](crate::Gemini::embed), and sent by
/// [`run`](Embed::run).
#[must_use = "nothing is sent until run() is called"]
pub struct Embed<'a, T> {
    embedder: &'a Embedder,
    texts: Vec<T>,
    titles: Option<Vec<Option<&'a str>>>,
    task: Option<TaskType>,
    deadline: Option<Duration>,
    cancel: Option<Arc<AtomicBool>>,
    /// The flag of an [`EmbeddingContext`](crate::embed::EmbeddingContext).
    context_cancel: Option<&'a AtomicBool>,
    on_progress: Box<dyn FnMut(&Progress) + 'a>,
}

impl<'a, T: AsRef<str>> Embed<'a, T> {
    pub(super) fn new(embedder: &'a Embedder, texts: Vec<T>) -> Embed<'a, T> {
        Embed {
            embedder,
            texts,
            titles: None,
            task: embedder.document_task,
            deadline: embedder.engine.calls.deadline,
            cancel: None,
            context_cancel: None,
            on_progress: Box::new(|_| {}),
        }
    }

    pub(super) fn for_queries(mut self) -> Embed<'a, T> {
        self.task = self.embedder.query_task;
        self
    }

    pub(super) fn cancelled_by(mut self, flag: Option<&'a AtomicBool>) -> Embed<'a, T> {
        self.context_cancel = flag;
        self
    }

    /// Sets what the vectors are for. Default: the builder's
    /// [`document_task`](crate::embed::GeminiBuilder::document_task).
    pub fn task(mut self, task: TaskType) -> Embed<'a, T> {
        self.task = Some(task);
        self
    }

    /// Sets a title for each text, or `None` for a text without one. Titles improve the vectors of documents.
    /// They are allowed only with [`TaskType::RetrievalDocument`]. Default: no titles.
    pub fn titles<S: AsRef<str>>(mut self, titles: &'a [Option<S>]) -> Embed<'a, T> {
        let titles = titles.iter().map(|title| title.as_ref().map(AsRef::as_ref));
        self.titles = Some(titles.collect());
        self
    }

    /// Sets the longest time that the call may take, including all waits. Default: the builder's. A deadline
    /// of the builder's [retry policy](crate::embed::GeminiBuilder::retry) applies as well.
    pub fn deadline(mut self, deadline: Duration) -> Embed<'a, T> {
        self.deadline = Some(deadline);
        self
    }

    /// Sets a flag that stops the call: nothing more is sent once it is `true`. The flag of the
    /// [builder](crate::embed::GeminiBuilder::cancel) applies as well. Default: none.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Embed<'a, T> {
        self.cancel = Some(flag);
        self
    }

    /// Sets a callback that receives the number of texts that have vectors, after each batch. It runs on the
    /// thread that called [`run`](Embed::run). Default: none.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> Embed<'a, T> {
        self.on_progress = Box::new(report);
        self
    }

    /// Embeds the texts. Returns one vector for each, in the order of the texts.
    ///
    /// # Errors
    /// - [`Error::Invalid`](crate::Error::Invalid), before anything is sent: a text is empty or [too
    ///   long](crate::embed::LongTexts), or titles are not allowed or not as many as texts.
    /// - [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded) if the call has some vectors, or some texts
    ///   were refused. Its `source` is the error that stopped the call. Without any vectors, the call returns
    ///   that error itself:
    /// - [`Error::QuotaExhausted`](crate::Error::QuotaExhausted) if the quota of the day is used up.
    /// - [`Error::Cancelled`](crate::Error::Cancelled) if a flag stopped the call.
    /// - [`Error::Timeout`](crate::Error::Timeout) if the deadline has passed.
    /// - The errors of any request.
    pub fn run(self) -> Result<Embeddings> {
        let (engine, texts) = (&self.embedder.engine, self.texts.len());
        engine.counted(texts, |used| self.run_for(used))
    }

    /// Like [`run`](Embed::run). Adds cache hits, retries and waits to `used` instead of the metrics of the
    /// function.
    pub(super) fn run_for(mut self, used: &mut EmbeddingUsage) -> Result<Embeddings> {
        let engine = &self.embedder.engine;
        self.check_titles()
            .map_err(|reason| engine.call().invalid(reason))?;
        let flags = [self.cancel.as_deref(), self.context_cancel];
        let flags: Vec<&AtomicBool> = flags.into_iter().flatten().collect();
        let call = Call {
            engine,
            format: &self.embedder.parameters(self.task),
            texts: &texts(&self.texts, self.titles.as_deref()),
            deadline: self.deadline,
            cancel: &flags,
            on_progress: &mut self.on_progress,
        };
        call.run(used)
    }

    fn check_titles(&self) -> Result<(), InvalidInput> {
        let Some(titles) = &self.titles else {
            return Ok(());
        };
        let bad = |why: String| {
            let value = format!("{} titles", titles.len());
            Err(InvalidInput::setting("titles", value, why))
        };
        if titles.len() != self.texts.len() {
            let texts = self.texts.len();
            return bad(format!(
                "there are {texts} texts; give one for each, or None"
            ));
        }
        let has_any = titles.iter().any(Option::is_some);
        if has_any && self.task != Some(TaskType::RetrievalDocument) {
            let why = "only texts with the task RETRIEVAL_DOCUMENT have titles";
            return bad(why.to_owned());
        }
        Ok(())
    }
}

impl<T> fmt::Debug for Embed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embed")
            .field("model", &self.embedder.engine.model)
            .field("texts", &self.texts.len())
            .field("task", &self.task)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

fn texts<'a, T: AsRef<str>>(texts: &'a [T], titles: Option<&[Option<&'a str>]>) -> Vec<Text<'a>> {
    let text = |(index, text): (usize, &'a T)| Text {
        text: text.as_ref(),
        title: titles
            .and_then(|titles| titles[index])
            .filter(|title| !title.is_empty()),
    };
    texts.iter().enumerate().map(text).collect()
}
