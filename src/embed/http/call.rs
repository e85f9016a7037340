//! [`Call`]: embeds any number of texts, in as many requests as necessary.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::cached::CachedTexts;
use super::engine::{Engine, RefusedTexts};
use super::format::Format;
use super::gathered::Gathered;
use super::received::Received;
use super::sending::Sending;
use super::text::Text;
use crate::embed::fan_out::{Outcome, Work};
use crate::embed::limiter::Cost;
use crate::error::{Error, InvalidInput, Result};
use crate::metrics::EmbeddingUsage;
use crate::model::embeddings::Embeddings;
use crate::model::progress::{Progress, ProgressStage};
use crate::wire::cut::cut;

/// Returns the maximum size of a response with this many vectors, in bytes.
fn max_response_size(vectors: usize, dimension: Option<usize>) -> u64 {
    /// Google writes each float on its own line, in about 30 bytes.
    const FLOAT_LEN: u64 = 64;
    /// For models of an unknown dimension. Few have as many floats, and most APIs write each float in less
    /// than 15 bytes.
    const UNKNOWN: usize = 4_096;
    const OTHER: u64 = 1 << 20;
    let floats = (vectors as u64).saturating_mul(dimension.unwrap_or(UNKNOWN) as u64);
    floats.saturating_mul(FLOAT_LEN).saturating_add(OTHER)
}

/// A call that embeds texts.
pub(in crate::embed) struct Call<'a> {
    pub(in crate::embed) engine: &'a Engine,
    pub(in crate::embed) format: &'a dyn Format,
    pub(in crate::embed) texts: &'a [Text<'a>],
    /// The longest time that the call may take. A deadline of the retry policy applies as well.
    pub(in crate::embed) deadline: Option<Duration>,
    /// Flags that stop the call, in addition to the engine's.
    pub(in crate::embed) cancel: &'a [&'a AtomicBool],
    pub(in crate::embed) on_progress: &'a mut dyn FnMut(&Progress),
}

impl Call<'_> {
    /// Embeds the texts. Adds cache hits, retries and waits to `used`.
    pub(in crate::embed) fn run(mut self, used: &mut EmbeddingUsage) -> Result<Embeddings> {
        let sending = Sending::start(self.engine, self.cancel.iter().copied(), self.deadline);
        let (engine, texts) = (self.engine, self.texts);
        let mut gathered = Gathered::new(texts.len(), engine.dimension.get().copied());
        let checked = check_texts(engine, texts, &mut gathered)?;
        let distinct = gathered.remove_duplicates(texts, checked.good);
        let cached = CachedTexts::new(engine, self.format, texts);
        let distinct = cached.take(distinct, &mut gathered);
        if gathered.count() > 0 {
            used.cache_hits += gathered.count() as u64;
            (self.on_progress)(&progress(&gathered, texts.len()));
        }
        let work = Texts {
            sending,
            dimension: gathered
                .dimension()
                .map_or_else(OnceLock::new, OnceLock::from),
            format: self.format,
            distinct,
            all: texts,
        };
        let outcome = self.send(&work, &cached, &mut gathered)?;
        used.retries += outcome.retries;
        used.limiter_wait += outcome.throttled;
        for (index, why) in outcome.refused {
            gathered.refuse(work.distinct[index], &why);
        }
        gathered.finish(outcome.error.or(checked.first_refusal))
    }

    /// Sends all batches, and puts their vectors into the cache and into `gathered`.
    fn send(
        &mut self,
        work: &Texts<'_>,
        cached: &CachedTexts<'_>,
        gathered: &mut Gathered,
    ) -> Result<Outcome> {
        let on_progress = &mut self.on_progress;
        work.sending
            .send_all(work, work.batches(), |batch, vectors| {
                let texts = &work.distinct[batch];
                let rows = || vectors.chunks_exact(vectors.len() / texts.len());
                cached.put(texts, rows());
                for (index, row) in texts.iter().zip(rows()) {
                    gathered.put(*index, row);
                }
                on_progress(&progress(gathered, work.all.len()));
            })
    }
}

/// The texts of a call that may be sent, and the error of the first one that may not.
struct Checked {
    good: Vec<usize>,
    first_refusal: Option<Error>,
}

/// Refuses texts that are empty or too long.
fn check_texts(engine: &Engine, texts: &[Text<'_>], gathered: &mut Gathered) -> Result<Checked> {
    let mut checked = Checked {
        good: Vec::with_capacity(texts.len()),
        first_refusal: None,
    };
    for (index, text) in texts.iter().enumerate() {
        let Some(why) = engine.reason_against(index, text.text) else {
            checked.good.push(index);
            continue;
        };
        gathered.refuse(index, &why);
        let error = engine.call().invalid(InvalidInput::Text { index, why });
        if engine.calls.refused_texts == RefusedTexts::Stop {
            return Err(error);
        }
        checked.first_refusal.get_or_insert(error);
    }
    Ok(checked)
}

/// The texts of a call that are sent.
struct Texts<'a> {
    sending: Sending<'a>,
    /// The dimension, once the settings, the cache or a response of this call has told it.
    dimension: OnceLock<usize>,
    format: &'a dyn Format,
    /// All texts of the call.
    all: &'a [Text<'a>],
    /// The indices of those that are sent. Batches are ranges of this list.
    distinct: Vec<usize>,
}

impl Texts<'_> {
    /// Cuts the texts into batches by count and by bytes.
    fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let (engine, more) = (self.sending.engine, self.format.bytes_per_text());
        let bytes = move |index: usize| self.all[self.distinct[index]].json_len() + more;
        let count = self.distinct.len();
        cut(count, bytes, engine.batch_size, engine.max_bytes)
    }

    fn texts_of(&self, batch: Range<usize>) -> impl Iterator<Item = Text<'_>> {
        self.distinct[batch].iter().map(|index| self.all[*index])
    }
}

impl Work for Texts<'_> {
    fn cost(&self, batch: Range<usize>) -> Cost {
        Cost {
            items: if self.sending.engine.counts_texts {
                batch.len()
            } else {
                1
            },
            tokens: self.texts_of(batch).map(|text| text.tokens()).sum(),
        }
    }

    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<f32>> {
        let mut body = Vec::new();
        let mut texts = self.texts_of(batch.clone());
        self.format.write(&mut texts, &mut body);
        let dimension = self.dimension.get().copied();
        let max_response_size = max_response_size(batch.len(), dimension);
        self.sending.send(&body, max_response_size, |response| {
            answered();
            let mut received = Received::new(&self.distinct[batch], &self.dimension);
            self.format.read(response, &mut received)?;
            received.agree_on(&self.sending.engine.dimension)?;
            Ok(received.into_floats())
        })
    }

    fn is_refusal(&self, error: &Error) -> bool {
        self.format.is_about_texts(error)
    }
}

/// How many of the call's `texts` have vectors.
fn progress(gathered: &Gathered, texts: usize) -> Progress {
    let done = gathered.count() as u64;
    Progress::new("embed", ProgressStage::Embedding, done).out_of(texts as u64)
}
