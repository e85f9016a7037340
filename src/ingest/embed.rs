//! Embeds the texts of a batch, and finds the texts that the embedding function refuses.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use log::Level;

use super::batch::{Batch, SharedVector};
use super::job::Job;
use crate::client::operations as op;
use crate::embed::{EmbeddingContext, Purpose};
use crate::error::{Error, InvalidInput, RefusedText, Result};
use crate::logs;
use crate::model::embeddings::Embeddings;
use crate::model::report::IngestStage;
use crate::transport::Backoff;
use crate::wire::cut::halves;

/// If a batch of at least this many texts is refused text by text, the function is assumed to be failing.
const OUTAGE_TEXTS: usize = 10;

/// Embeds each text of a batch that has no vector. Moves records whose texts are refused to the bad ones.
///
/// # Errors
/// If the function fails permanently, or for longer than the job's retry policy allows.
pub(super) fn embed(job: &Job<'_>, batch: &mut Batch) -> Result<()> {
    let texts: Vec<usize> = (batch.records.iter().enumerate())
        .filter(|(_, item)| item.record.embedding.is_none())
        .map(|(index, _)| index)
        .collect();
    batch.embedded += texts.len() as u64;
    if job.settings.dry_run {
        return Ok(());
    }
    let mut embedding = BatchEmbedding {
        job,
        batch,
        backoff: job.settings.retry.backoff(),
        parts: vec![texts.clone()],
        texts,
        refused: HashMap::new(),
        unexplained: 0,
        cached: 0,
    };
    while let Some(part) = embedding.parts.pop() {
        embedding.embed_part(part)?;
    }
    embedding.finish();
    Ok(())
}

/// Checks that there is a function for the texts of a batch, if it has any.
///
/// # Errors
/// If there is none, or it cannot be made here.
pub(super) fn check(job: &Job<'_>, batch: &Batch) -> Result<()> {
    let mut records = batch.records.iter().map(|item| &item.record);
    if job.settings.dry_run {
        return Ok(());
    }
    let Some(first) = records.find(|record| record.embedding.is_none()) else {
        return Ok(());
    };
    let of = || format!("record {:?}", first.id);
    job.settings.collection.embedder(&op::UPSERT, of).map(drop)
}

/// The embedding of one batch, part by part.
struct BatchEmbedding<'a> {
    job: &'a Job<'a>,
    batch: &'a mut Batch,
    backoff: Backoff,
    /// The indices of all records to embed.
    texts: Vec<usize>,
    /// The indices of records still to embed, by call. The last one is next.
    parts: Vec<Vec<usize>>,
    /// Indices of refused records, with the reasons.
    refused: HashMap<usize, String>,
    /// How many texts were refused alone, by an error that may as well be an outage.
    unexplained: usize,
    cached: u64,
}

impl BatchEmbedding<'_> {
    /// Embeds the texts of some records by one call.
    fn embed_part(&mut self, part: Vec<usize>) -> Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        let mut context = EmbeddingContext::new(Purpose::Documents);
        let vectors = self.call(&part, &mut context);
        self.job.add_retries(context.used.retries);
        let cached = context.used.cache_hits.saturating_add(self.cached);
        match vectors {
            Ok(vectors) => {
                self.cached = cached;
                self.store(&part, &vectors);
                Ok(())
            }
            Err(error) => match Failure::of(error) {
                Failure::Partial(partial) => {
                    self.cached = cached;
                    self.accept_partial(&part, partial)
                }
                Failure::Temporary(error) => {
                    self.job.wait(&mut self.backoff, error)?;
                    self.parts.push(part);
                    Ok(())
                }
                Failure::Refused(error) if part.len() == 1 => self.refuse(part[0], error),
                Failure::Refused(error) => {
                    self.halve(&part, &error);
                    Ok(())
                }
                Failure::Permanent(error) => Err(error),
            },
        }
    }

    fn call(&self, part: &[usize], context: &mut EmbeddingContext<'_>) -> Result<Embeddings> {
        let record = |index: &usize| &self.batch.records[*index].record;
        let text = |index| record(index).document.as_deref().unwrap_or_default();
        let texts: Vec<&str> = part.iter().map(text).collect();
        let first = || format!("record {:?}", record(&part[0]).id);
        let collection = &self.job.settings.collection;
        let embedder = collection.embedder(&op::UPSERT, first)?;
        embedder.embed_with(&texts, context)
    }

    /// Gives the vectors of one call to the records.
    fn store(&mut self, part: &[usize], vectors: &Embeddings) {
        let floats = Arc::new(self.job.vectors.copy(vectors.as_flat()));
        for (row, index) in part.iter().enumerate() {
            let start = row * vectors.dimension();
            self.batch.records[*index].vector = Some(SharedVector {
                floats: floats.clone(),
                range: start..start + vectors.dimension(),
            });
        }
    }

    /// Keeps the vectors of a call that embedded only some texts, and schedules the rest.
    fn accept_partial(&mut self, part: &[usize], partial: Partial) -> Result<()> {
        let records = |texts: &[usize]| -> Vec<usize> {
            let indices = texts.iter().map(|text| part[*text]);
            indices.collect()
        };
        self.store(&records(&partial.done), &partial.vectors);
        let has_refused = !partial.refused.is_empty();
        let refused = partial.refused.into_iter();
        self.refused
            .extend(refused.map(|text| (part[text.index], text.message)));
        if partial.pending.is_empty() {
            return Ok(());
        }
        if partial.source.is_retryable() {
            self.job.wait(&mut self.backoff, *partial.source)?;
        } else if !has_refused {
            return Err(*partial.source);
        }
        self.parts.push(records(&partial.pending));
        Ok(())
    }

    /// Refuses one text. Starts the batch again after a wait if the function refused each of its texts.
    fn refuse(&mut self, index: usize, error: Error) -> Result<()> {
        self.refused.insert(index, format!("{error:#}"));
        self.unexplained += usize::from(is_unexplained(&error));
        let texts = self.texts.len();
        if self.unexplained < texts || texts < OUTAGE_TEXTS {
            return Ok(());
        }
        self.job.wait(&mut self.backoff, error)?;
        self.refused.clear();
        (self.unexplained, self.cached) = (0, 0);
        self.parts = vec![self.texts.clone()];
        Ok(())
    }

    fn halve(&mut self, part: &[usize], error: &Error) {
        let texts = part.len();
        let pairs = [self.job.settings.log_pair(), ("texts", texts.into())];
        logs::Line::new(logs::INGEST, Level::Warn, &pairs).log_failure(
            error,
            format_args!("retrying the {texts} texts in two halves"),
        );
        let [first, second] = halves(0..texts);
        self.parts
            .extend([part[second].to_vec(), part[first].to_vec()]);
    }

    fn finish(self) {
        self.batch.embedded -= self.refused.len() as u64;
        self.batch.cached = self.cached.min(self.batch.embedded);
        self.batch.reject(self.refused, IngestStage::Embed);
    }
}

/// Whether an error does not come from this crate, so that the texts may not be its cause.
fn is_unexplained(error: &Error) -> bool {
    matches!(error, Error::Embedding { source, .. } if !source.is::<Error>())
}

/// The meaning of an embedding function's error for a job.
pub(super) enum Failure {
    /// Some texts have vectors.
    Partial(Partial),
    /// A later call may succeed.
    Temporary(Error),
    /// One of the texts may be the cause.
    Refused(Error),
    /// No later call will succeed.
    Permanent(Error),
}

/// The fields of [`Error::PartlyEmbedded`].
pub(super) struct Partial {
    done: Vec<usize>,
    vectors: Box<Embeddings>,
    refused: Vec<RefusedText>,
    pending: Vec<usize>,
    pub(super) source: Box<Error>,
}

impl Failure {
    pub(super) fn of(error: Error) -> Failure {
        let Error::Embedding {
            call,
            function,
            source,
        } = error
        else {
            return Failure::Permanent(error);
        };
        let embedding = |source| Error::Embedding {
            call,
            function,
            source,
        };
        match source.downcast::<Error>().map(|source| *source) {
            Ok(Error::PartlyEmbedded {
                done,
                vectors,
                refused,
                pending,
                source,
                ..
            }) => Failure::Partial(Partial {
                done,
                vectors,
                refused,
                pending,
                source,
            }),
            // The function has its own flag, which may be the same as the job's.
            Ok(cancelled @ Error::Cancelled { .. }) => Failure::Permanent(cancelled),
            Ok(own) if own.is_retryable() => Failure::Temporary(embedding(own.into())),
            Ok(own) if refused_text(&own).is_some() => Failure::Refused(embedding(own.into())),
            Ok(own) => Failure::Permanent(embedding(own.into())),
            Err(other) if other.is::<io::Error>() => Failure::Temporary(embedding(other)),
            Err(other) => Failure::Refused(embedding(other)),
        }
    }
}

/// Returns the index of the text that an error is about.
pub(super) fn refused_text(error: &Error) -> Option<usize> {
    match error {
        Error::Invalid {
            reason: InvalidInput::Text { index, .. },
            ..
        } => Some(*index),
        _ => None,
    }
}
