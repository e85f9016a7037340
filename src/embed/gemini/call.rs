//! [`Embed`]: a call that embeds any number of texts, in as many requests as necessary.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::answer;
use super::cached::CachedTexts;
use super::embedder::{EMBED, Embedder, NAME, RefusedTexts};
use super::fault;
use super::gathered::Gathered;
use super::model;
use super::request::Item;
use super::task::TaskType;
use crate::embed::fan_out::{FanOut, Outcome, Work};
use crate::embed::limiter::Cost;
use crate::error::{Error, InvalidInput, Result};
use crate::metrics::{EmbeddingCall, EmbeddingUsage};
use crate::model::embeddings::Embeddings;
use crate::model::json_len::json_len;
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::{CallOptions, HttpRequest};
use crate::wire::cut::cut;

/// The most that an entry of a request takes in addition to its text, its title and the model's name.
const ENTRY_BYTES: usize = 250;

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
            deadline: embedder.deadline,
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
    /// - [`Error::Invalid`], before anything is sent: a text is empty or [too long](crate::embed::LongTexts),
    ///   or titles are not allowed or not as many as texts.
    /// - [`Error::PartlyEmbedded`] if the call has some vectors, or some texts were refused. Its `source` is
    ///   the error that stopped the call. Without any vectors, the call returns that error itself:
    /// - [`Error::QuotaExhausted`] if the quota of the day is used up.
    /// - [`Error::Cancelled`] if a flag stopped the call.
    /// - [`Error::Timeout`] if the deadline has passed.
    /// - The errors of any request.
    pub fn run(self) -> Result<Embeddings> {
        let (embedder, texts, started) = (self.embedder, self.texts.len(), Instant::now());
        let mut used = EmbeddingUsage::default();
        let result = self.run_for(&mut used);
        let call = EmbeddingCall {
            texts,
            used,
            failed: result.is_err(),
            took: started.elapsed(),
        };
        embedder.transport.recorder().record_embedding(NAME, &call);
        result
    }

    /// Like [`run`](Embed::run). Adds cache hits, retries and waits to `used` instead of the embedder's
    /// metrics.
    pub(super) fn run_for(mut self, used: &mut EmbeddingUsage) -> Result<Embeddings> {
        let started = Instant::now();
        let embedder = self.embedder;
        self.check_titles()
            .map_err(|reason| embedder.call().invalid(reason))?;
        let (texts, titles) = (std::mem::take(&mut self.texts), self.titles.take());
        let items = items(&texts, titles.as_deref());
        let mut gathered = Gathered::new(items.len(), embedder.dimension);
        let checked = check_texts(embedder, &items, &mut gathered)?;
        let distinct = gathered.remove_duplicates(&items, checked.good);
        let cached = CachedTexts::new(embedder, self.task, &items);
        let distinct = cached.take(distinct, &mut gathered);
        if gathered.count() > 0 {
            used.cache_hits += gathered.count() as u64;
            (self.on_progress)(&progress(&gathered, items.len()));
        }
        let work = Texts {
            embedder,
            distinct,
            items: &items,
            task: self.task,
            started,
            deadline: self.deadline_from(started),
        };
        let outcome = self.send(&work, &cached, &mut gathered)?;
        used.retries += outcome.retries;
        used.limiter_wait += outcome.throttled;
        for (index, why) in outcome.refused {
            gathered.refuse(work.distinct[index], &why);
        }
        gathered.finish(outcome.error.or(checked.first_refusal))
    }

    /// Returns the earlier one of the call's and the policy's deadlines. Ignores a time that the clock cannot
    /// represent.
    fn deadline_from(&self, started: Instant) -> Option<Instant> {
        let deadlines = [self.deadline, self.embedder.retry.deadline];
        let shorter = deadlines.into_iter().flatten().min()?;
        started.checked_add(shorter)
    }

    /// Sends all batches, and puts their vectors into the cache and into `gathered`.
    fn send(
        &mut self,
        work: &Texts<'_>,
        cached: &CachedTexts<'_>,
        gathered: &mut Gathered,
    ) -> Result<Outcome> {
        let embedder = self.embedder;
        let mut batches = work.batches();
        let (first, second) = (batches.next(), batches.next());
        let needs_pool = second.is_some() && embedder.concurrency > 1;
        let flags = [
            embedder.cancel.as_deref(),
            self.cancel.as_deref(),
            self.context_cancel,
        ];
        let flags: Vec<&AtomicBool> = flags.into_iter().flatten().collect();
        let fan_out = FanOut {
            work,
            pool: needs_pool.then(|| embedder.pool()).transpose()?,
            limiter: &embedder.limiter,
            policy: &embedder.retry,
            skip_refused: embedder.refused_texts == RefusedTexts::Skip,
            cancel: &flags,
            deadline: work.deadline,
            call: embedder.call(),
            started: work.started,
        };
        let batches = first.into_iter().chain(second).chain(batches);
        let on_progress = &mut self.on_progress;
        Ok(fan_out.run(batches, |batch, vectors| {
            let texts = &work.distinct[batch];
            let rows = || vectors.chunks_exact(embedder.dimension);
            cached.put(texts, rows());
            for (index, row) in texts.iter().zip(rows()) {
                gathered.put(*index, row);
            }
            on_progress(&progress(gathered, work.items.len()));
        }))
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
            .field("model", &self.embedder.model)
            .field("texts", &self.texts.len())
            .field("task", &self.task)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

fn items<'a, T: AsRef<str>>(texts: &'a [T], titles: Option<&[Option<&'a str>]>) -> Vec<Item<'a>> {
    let item = |(index, text): (usize, &'a T)| Item {
        text: text.as_ref(),
        title: titles
            .and_then(|titles| titles[index])
            .filter(|title| !title.is_empty()),
    };
    texts.iter().enumerate().map(item).collect()
}

/// The texts of a call that may be sent, and the error of the first one that may not.
struct Checked {
    good: Vec<usize>,
    first_refusal: Option<Error>,
}

/// Refuses texts that are empty or too long.
fn check_texts(
    embedder: &Embedder,
    items: &[Item<'_>],
    gathered: &mut Gathered,
) -> Result<Checked> {
    let mut checked = Checked {
        good: Vec::with_capacity(items.len()),
        first_refusal: None,
    };
    for (index, item) in items.iter().enumerate() {
        let Some(why) = embedder.reason_against(index, item.text) else {
            checked.good.push(index);
            continue;
        };
        gathered.refuse(index, &why);
        let error = embedder.call().invalid(InvalidInput::Text { index, why });
        if embedder.refused_texts == RefusedTexts::Stop {
            return Err(error);
        }
        checked.first_refusal.get_or_insert(error);
    }
    Ok(checked)
}

/// The texts of a call that are sent.
struct Texts<'a> {
    embedder: &'a Embedder,
    /// All texts of the call.
    items: &'a [Item<'a>],
    /// The indices of those that are sent. Batches are ranges of this list.
    distinct: Vec<usize>,
    task: Option<TaskType>,
    started: Instant,
    deadline: Option<Instant>,
}

impl Texts<'_> {
    /// Cuts the texts into batches by count and by bytes.
    fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let Embedder {
            batch_size,
            max_bytes,
            ..
        } = *self.embedder;
        let bytes = |index| self.max_entry_bytes(index);
        cut(self.distinct.len(), bytes, batch_size, max_bytes)
    }

    fn items_of(&self, batch: Range<usize>) -> impl Iterator<Item = Item<'_>> {
        self.distinct[batch].iter().map(|index| self.items[*index])
    }

    /// The most that a text takes in a request.
    fn max_entry_bytes(&self, index: usize) -> usize {
        let Item { text, title } = self.items[self.distinct[index]];
        json_len(text) + title.map_or(0, json_len) + ENTRY_BYTES + self.embedder.model.len()
    }
}

impl Work for Texts<'_> {
    fn cost(&self, batch: Range<usize>) -> Cost {
        let tokens = |Item { text, title }| model::tokens(text) + title.map_or(0, model::tokens);
        Cost {
            items: batch.len(),
            tokens: self.items_of(batch).map(tokens).sum(),
        }
    }

    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<f32>> {
        let embedder = self.embedder;
        let mut body = Vec::new();
        let parameters = embedder.parameters(self.task);
        parameters.write(&mut body, self.items_of(batch.clone()));
        let out = HttpRequest {
            operation: &EMBED,
            subject: Some(&embedder.model),
            namespace: None,
            path: &embedder.path,
            body: Some(&body),
        };
        let expected = answer::Expected {
            texts: &self.distinct[batch],
            dimension: embedder.dimension,
            has_unit_length: embedder.style.answers_unit_length(embedder.dimension),
        };
        let options = CallOptions::single_attempt(self.deadline);
        embedder.transport.send(options, out, |bytes| {
            answered();
            expected.read(bytes)
        })
    }

    fn is_refusal(&self, error: &Error) -> bool {
        fault::is_about_texts(error)
    }
}

/// How many of the call's `texts` have vectors.
fn progress(gathered: &Gathered, texts: usize) -> Progress {
    let done = gathered.count() as u64;
    Progress::new(EMBED.name, ProgressStage::Embedding, done).out_of(texts as u64)
}
