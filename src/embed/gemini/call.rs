//! [`Embed`]: any number of texts, embedded in as many requests as it takes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::gathered::Gathered;
use super::kept::Kept;
use super::request::{self, Item};
use super::{EMBED, Inner, LongTexts, NAME, RefusedTexts, TaskType, answer, model};
use crate::embed::fan_out::{FanOut, Work};
use crate::embed::limiter::Cost;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::logs;
use crate::metrics::{Embedded, Used};
use crate::model::embeddings::Embeddings;
use crate::model::json_len::json_len;
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::{CallOptions, Outgoing};
use crate::wire::cut::cut;

/// What stands around a text in a request, at most, but for the model's name.
const AROUND: usize = 250;

/// Texts to be embedded; made by [`Gemini::embed`](crate::Gemini::embed).
#[must_use = "nothing is sent until run() is called"]
pub struct Embed<'a, T> {
    gemini: &'a Inner,
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
    pub(super) fn new(gemini: &'a Inner, texts: Vec<T>) -> Embed<'a, T> {
        Embed {
            gemini,
            texts,
            titles: None,
            task: gemini.document_task,
            deadline: gemini.deadline,
            cancel: None,
            context_cancel: None,
            on_progress: Box::new(|_| {}),
        }
    }

    pub(super) fn for_queries(mut self) -> Embed<'a, T> {
        self.task = self.gemini.query_task;
        self
    }

    pub(super) fn cancelled_by(mut self, flag: Option<&'a AtomicBool>) -> Embed<'a, T> {
        self.context_cancel = flag;
        self
    }

    /// What the vectors are for. Default: the builder's [`document_task`](crate::embed::GeminiBuilder::document_task).
    pub fn task(mut self, task: TaskType) -> Embed<'a, T> {
        self.task = Some(task);
        self
    }

    /// A title for each text, `None` for one that has none. They make for better vectors, and are only for
    /// [`TaskType::RetrievalDocument`].
    pub fn titles<S: AsRef<str>>(mut self, titles: &'a [Option<S>]) -> Embed<'a, T> {
        let titles = titles.iter().map(|title| title.as_ref().map(AsRef::as_ref));
        self.titles = Some(titles.collect());
        self
    }

    /// How long the call may take, whatever it waits for. Default: the builder's. A deadline of the builder's
    /// [policy](crate::embed::GeminiBuilder::retry) counts, too.
    pub fn deadline(mut self, deadline: Duration) -> Embed<'a, T> {
        self.deadline = Some(deadline);
        self
    }

    /// A flag that stops the call, beside the [builder's](crate::embed::GeminiBuilder::cancel): when it is true nothing more is
    /// sent.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Embed<'a, T> {
        self.cancel = Some(flag);
        self
    }

    /// Is told after each batch how many texts have vectors, and how many there are. On the thread that called
    /// [`run`](Embed::run).
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> Embed<'a, T> {
        self.on_progress = Box::new(report);
        self
    }

    /// Embeds them: a vector for each text, in the order of the texts.
    ///
    /// # Errors
    /// - [`Error::Invalid`] before anything is sent: an empty text or one that is [too long](LongTexts), titles where
    ///   they cannot be.
    /// - [`Error::PartlyEmbedded`] when something is known already: vectors, or texts that were refused. Else the plain
    ///   error, which is its `source` there:
    /// - [`Error::QuotaExhausted`], [`Error::Cancelled`], [`Error::Timeout`] when the deadline has passed, and those of any
    ///   request.
    pub fn run(self) -> Result<Embeddings> {
        let (gemini, texts, started) = (self.gemini, self.texts.len(), Instant::now());
        let mut used = Used::default();
        let result = self.run_for(&mut used);
        let call = Embedded {
            texts,
            used,
            failed: result.is_err(),
            took: started.elapsed(),
        };
        gemini.transport.recorder().embedded(NAME, call);
        result
    }

    /// As [`run`](Embed::run), and says what it took.
    pub(super) fn run_for(mut self, used: &mut Used) -> Result<Embeddings> {
        let started = Instant::now();
        let gemini = self.gemini;
        let call = || Call::new(EMBED.name, Some(&gemini.model));
        self.check_titles()
            .map_err(|reason| call().invalid(reason))?;
        let items: Vec<Item<'_>> = (self.texts.iter().enumerate())
            .map(|(index, text)| Item {
                text: text.as_ref(),
                title: (self.titles.as_ref())
                    .and_then(|titles| titles[index])
                    .filter(|title| !title.is_empty()),
            })
            .collect();
        let mut gathered = Gathered::new(items.len(), gemini.dimension);
        let mut refusal = None;
        let mut sound = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let Some(why) = gemini.what_is_wrong(index, item.text) else {
                sound.push(index);
                continue;
            };
            gathered.refuse(index, &why);
            let error = call().invalid(InvalidInput::Text { index, why });
            if gemini.refused_texts == RefusedTexts::Stop {
                return Err(error);
            }
            refusal.get_or_insert(error);
        }
        let distinct = gathered.distinct(&items, sound);
        let kept = Kept::new(gemini, self.task, &items);
        let distinct = kept.take(distinct, &mut gathered);
        if gathered.count() > 0 {
            used.cache_hits += gathered.count() as u64;
            (self.on_progress)(&progress(&gathered, items.len()));
        }
        let within = [self.deadline, gemini.retry.deadline];
        let within = within.into_iter().flatten().min();
        let work = Texts {
            gemini,
            distinct,
            items: &items,
            task: self.task,
            // One that is too far away for the clock is none.
            deadline: within.and_then(|time| started.checked_add(time)),
        };
        let mut batches = cut(
            work.distinct.len(),
            |index| work.bytes(index),
            gemini.batch_size,
            gemini.max_bytes,
        );
        let (first, second) = (batches.next(), batches.next());
        let several = second.is_some() && gemini.concurrency > 1;
        let flags = [
            gemini.cancel.as_deref(),
            self.cancel.as_deref(),
            self.context_cancel,
        ];
        let flags: Vec<&AtomicBool> = flags.into_iter().flatten().collect();
        let outcome = FanOut {
            pool: several.then(|| gemini.pool()).transpose()?,
            limiter: &gemini.limiter,
            policy: &gemini.retry,
            go_on: gemini.refused_texts == RefusedTexts::GoOn,
            cancel: &flags,
            deadline: work.deadline,
            call: call(),
            started,
        }
        .run(
            &work,
            first.into_iter().chain(second).chain(batches),
            |batch, vectors| {
                let texts = &work.distinct[batch];
                let rows = || vectors.chunks_exact(gemini.dimension);
                kept.keep(texts, rows());
                for (index, row) in texts.iter().zip(rows()) {
                    gathered.put(*index, row);
                }
                (self.on_progress)(&progress(&gathered, items.len()));
            },
        );
        used.retries += outcome.retries;
        used.limiter_wait += outcome.held_back;
        for (index, why) in outcome.refused {
            gathered.refuse(work.distinct[index], &why);
        }
        gathered.finish(outcome.error.or(refusal))
    }

    fn check_titles(&self) -> Result<(), InvalidInput> {
        let Some(titles) = &self.titles else {
            return Ok(());
        };
        let bad = |why: String| {
            Err(InvalidInput::Setting {
                name: "titles",
                value: format!("{} titles", titles.len()),
                why,
            })
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

impl Inner {
    /// Why a text is not to be sent.
    fn what_is_wrong(&self, index: usize, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some("is empty; there is nothing to embed".to_owned());
        }
        let why = model::too_long(text, self.max_tokens?)?;
        match self.long_texts {
            LongTexts::Refuse => Some(format!(
                "{why}: cut it, or allow it with .long_texts(LongTexts::Warn)"
            )),
            LongTexts::Warn => {
                log::warn!(target: logs::EMBED, operation = EMBED.name, model = self.model.as_str(); "text {index} {why}: the rest is ignored");
                None
            }
        }
    }
}

/// The texts of a call.
struct Texts<'a> {
    gemini: &'a Inner,
    items: &'a [Item<'a>],
    /// Those that are sent; batches are ranges of these.
    distinct: Vec<usize>,
    task: Option<TaskType>,
    deadline: Option<Instant>,
}

impl Texts<'_> {
    fn batch(&self, range: Range<usize>) -> impl Iterator<Item = Item<'_>> {
        self.distinct[range].iter().map(|index| self.items[*index])
    }

    /// What an item takes in a request, at most.
    fn bytes(&self, index: usize) -> usize {
        let Item { text, title } = self.items[self.distinct[index]];
        json_len(text) + title.map_or(0, json_len) + AROUND + self.gemini.model.len()
    }
}

impl Work for Texts<'_> {
    fn cost(&self, batch: Range<usize>) -> Cost {
        let tokens = |Item { text, title }| model::tokens(text) + title.map_or(0, model::tokens);
        Cost {
            items: batch.len(),
            tokens: self.batch(batch).map(tokens).sum(),
        }
    }

    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<f32>> {
        let gemini = self.gemini;
        let mut body = Vec::new();
        request::write(
            &mut body,
            self.batch(batch.clone()),
            &gemini.model,
            gemini.style,
            self.task,
            gemini.dimension,
        );
        let out = Outgoing {
            operation: &EMBED,
            subject: Some(&gemini.model),
            namespace: None,
            path: &gemini.path,
            body: Some(&body),
        };
        let unit = gemini.style.answers_unit_length(gemini.dimension);
        gemini
            .transport
            .send(CallOptions::single_attempt(self.deadline), out, |bytes| {
                answered();
                answer::read(bytes, &self.distinct[batch], gemini.dimension, unit)
            })
    }

    fn refuses(&self, error: &Error) -> bool {
        answer::refuses_texts(error)
    }
}

/// How many of `texts` have vectors.
fn progress(gathered: &Gathered, texts: usize) -> Progress {
    let (done, total) = (gathered.count() as u64, Some(texts as u64));
    Progress::new(EMBED.name, ProgressStage::Embedding, done, total)
}
