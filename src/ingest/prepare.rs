//! What is done with a batch before it is written: records that are there are left out, and texts become vectors.

use std::collections::HashMap;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use log::Level;

use super::run::Shared;
use super::{Batch, Item, Mode, Settings, content};
use crate::client::operations as op;
use crate::embed::{EmbeddingContext, Purpose};
use crate::error::{Error, InvalidInput, RefusedText, Result};
use crate::logs;
use crate::model::embeddings::Embeddings;
use crate::model::metadata::MetadataValue;
use crate::model::record::Record;
use crate::model::report::{BadRecord, IngestStage};
use crate::model::results::Include;
use crate::wire::cut;

/// So many texts are not all bad at once: rather the function fails.
const SUSPICIOUS: usize = 10;

/// A batch that may be written; or why it may not, and nothing behind it. A panic goes on in the thread that writes.
pub(super) struct Ready {
    pub(super) number: u64,
    pub(super) result: thread::Result<Result<Batch>>,
}

/// Prepares batches as they come, until there are no more.
pub(super) fn run(
    batches: &Mutex<Receiver<Batch>>,
    ready: &Sender<Ready>,
    settings: &Settings,
    shared: &Shared,
) {
    let _counted = shared.count_retries();
    loop {
        let next = batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(mut batch) = next else { return };
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let number = batch.number;
        let prepare = AssertUnwindSafe(|| prepare(&mut batch, settings, shared));
        let result = panic::catch_unwind(prepare).map(|result| result.map(|()| batch));
        if ready.send(Ready { number, result }).is_err() {
            return;
        }
    }
}

fn prepare(batch: &mut Batch, settings: &Settings, shared: &Shared) -> Result<()> {
    if settings.looks_up() && !batch.records.is_empty() {
        let stored = look_up(batch, settings, shared)?;
        leave_out(batch, settings, &stored);
    }
    embed(batch, settings, shared)
}

/// The records of a batch that are there: the value under the key of the hash, by id.
fn look_up(
    batch: &Batch,
    settings: &Settings,
    shared: &Shared,
) -> Result<HashMap<String, Option<String>>> {
    let key = settings.content_hash.as_deref();
    let mut backoff = settings.retry.backoff();
    loop {
        let ids = batch.records.iter().map(|item| item.record.id.as_str());
        let get = settings.collection.get().ids(ids);
        let get = match key {
            Some(_) => get.include([Include::Metadatas]),
            None => get.include([]),
        };
        match get.run() {
            Ok(found) => {
                let hash = |record: &Record| {
                    let value = record.metadata.get(key?)?;
                    value.as_str().map(str::to_owned)
                };
                let rows = found.into_iter();
                return Ok(rows
                    .map(|record| (record.id.clone(), hash(&record)))
                    .collect());
            }
            Err(error) if error.is_retryable() => shared.wait(settings, &mut backoff, error)?,
            Err(error) => return Err(error),
        }
    }
}

/// Leaves out what is there as it is to be, and gives the others their hash.
fn leave_out(batch: &mut Batch, settings: &Settings, stored: &HashMap<String, Option<String>>) {
    let only_new = matches!(settings.mode, Mode::AddNew);
    let function = settings.function_key().unwrap_or_default();
    let before = batch.records.len();
    batch.records.retain_mut(|Item { record, .. }| {
        let there = stored.get(&record.id);
        if only_new && there.is_some() {
            return false;
        }
        let Some(key) = &settings.content_hash else {
            return true;
        };
        let hash = content::of_content(record, &function, key);
        if there.and_then(Option::as_ref) == Some(&hash) {
            return false;
        }
        record
            .metadata
            .insert(key.as_str(), MetadataValue::String(hash));
        true
    });
    batch.skipped += (before - batch.records.len()) as u64;
}

/// Makes a vector for each text that has none.
fn embed(batch: &mut Batch, settings: &Settings, shared: &Shared) -> Result<()> {
    let without: Vec<usize> = (batch.records.iter().enumerate())
        .filter(|(_, item)| item.record.embedding.is_none())
        .map(|(index, _)| index)
        .collect();
    batch.embedded += without.len() as u64;
    if settings.dry_run {
        return Ok(());
    }
    let mut backoff = settings.retry.backoff();
    let mut refused: HashMap<usize, String> = HashMap::new();
    let (mut foreign, mut cached) = (0, 0_u64);
    let all = without.len();
    let mut parts = vec![without.clone()];
    while let Some(part) = parts.pop() {
        let Some(first) = part.first() else { continue };
        let texts: Vec<&str> = part
            .iter()
            .map(|index| {
                batch.records[*index]
                    .record
                    .document
                    .as_deref()
                    .unwrap_or_default()
            })
            .collect();
        let of = || format!("record {:?}", batch.records[*first].record.id);
        let collection = &settings.collection;
        let mut context = EmbeddingContext::new(Purpose::Documents);
        let made = collection.embed_with(&op::UPSERT, &texts, &mut context, of);
        (shared.retries).fetch_add(context.used.retries, Ordering::Relaxed);
        let error = match made {
            Ok(vectors) => {
                cached = context.used.cache_hits.saturating_add(cached);
                put(batch, &part, &vectors, shared);
                continue;
            }
            Err(error) => error,
        };
        match Verdict::of(error) {
            Verdict::Partly {
                done,
                vectors,
                refused: texts,
                pending,
                source,
            } => {
                cached = context.used.cache_hits.saturating_add(cached);
                let at = |index: &usize| part[*index];
                let done: Vec<usize> = done.iter().map(at).collect();
                put(batch, &done, &vectors, shared);
                let any = !texts.is_empty();
                refused.extend(
                    texts
                        .into_iter()
                        .map(|text| (part[text.index], text.message)),
                );
                if !pending.is_empty() {
                    match (any, source.is_retryable()) {
                        (_, true) => shared.wait(settings, &mut backoff, *source)?,
                        (true, false) => {}
                        (false, false) => return Err(*source),
                    }
                }
                parts.push(pending.iter().map(at).collect());
            }
            Verdict::Later(error) => {
                shared.wait(settings, &mut backoff, error)?;
                parts.push(part);
            }
            Verdict::Texts(error) if part.len() == 1 => {
                refused.insert(part[0], format!("{error:#}"));
                foreign += usize::from(is_foreign(&error));
                if foreign == all && all >= SUSPICIOUS {
                    // It is not the texts.
                    shared.wait(settings, &mut backoff, error)?;
                    (refused, foreign, cached) = (HashMap::new(), 0, 0);
                    parts = vec![without.clone()];
                }
            }
            Verdict::Texts(error) => {
                logs::failure(
                    logs::INGEST,
                    Level::Warn,
                    &error,
                    &[settings.logged(), ("texts", part.len().into())],
                    format_args!("{error:#}; {} texts are tried again in halves", part.len()),
                );
                let [first, second] = cut::halves(0..part.len());
                parts.extend([part[second].to_vec(), part[first].to_vec()]);
            }
            Verdict::Fatal(error) => return Err(error),
        }
    }
    batch.embedded -= refused.len() as u64;
    batch.cached = cached.min(batch.embedded);
    batch.take_out(refused, IngestStage::Embed);
    Ok(())
}

/// Whether it is an error of which nothing is known.
fn is_foreign(error: &Error) -> bool {
    matches!(error, Error::Embedding { source, .. } if !source.is::<Error>())
}

fn put(batch: &mut Batch, part: &[usize], vectors: &Embeddings, shared: &Shared) {
    let floats = Arc::new(shared.floats.copy(vectors.as_flat()));
    for (row, index) in part.iter().enumerate() {
        let start = row * vectors.dimension();
        let range = start..start + vectors.dimension();
        batch.records[*index].made = Some((floats.clone(), range));
    }
}

/// What an embedding function's error means for a job.
enum Verdict {
    /// Some texts have vectors.
    Partly {
        done: Vec<usize>,
        vectors: Box<Embeddings>,
        refused: Vec<RefusedText>,
        pending: Vec<usize>,
        source: Box<Error>,
    },
    /// It may go well later.
    Later(Error),
    /// It may be about one of the texts.
    Texts(Error),
    /// It will not go well.
    Fatal(Error),
}

impl Verdict {
    fn of(error: Error) -> Verdict {
        let Error::Embedding {
            call,
            function,
            source,
        } = error
        else {
            return Verdict::Fatal(error);
        };
        match source.downcast::<Error>().map(|source| *source) {
            Ok(Error::PartlyEmbedded {
                done,
                vectors,
                refused,
                pending,
                source,
                ..
            }) => Verdict::Partly {
                done,
                vectors,
                refused,
                pending,
                source,
            },
            // Its own flag, which may be the job's.
            Ok(own @ Error::Cancelled { .. }) => Verdict::Fatal(own),
            Ok(own) => {
                let later = own.is_retryable();
                let texts = matches!(
                    own,
                    Error::Invalid {
                        reason: InvalidInput::Text { .. },
                        ..
                    }
                );
                let error = Error::Embedding {
                    call,
                    function,
                    source: own.into(),
                };
                match (later, texts) {
                    (true, _) => Verdict::Later(error),
                    (_, true) => Verdict::Texts(error),
                    _ => Verdict::Fatal(error),
                }
            }
            Err(source) => {
                let later = source.is::<io::Error>();
                let error = Error::Embedding {
                    call,
                    function,
                    source,
                };
                match later {
                    true => Verdict::Later(error),
                    // Somebody else's, of which nothing is known.
                    false => Verdict::Texts(error),
                }
            }
        }
    }
}

impl Batch {
    /// Takes out bad records, by their indices.
    pub(super) fn take_out(&mut self, bad: HashMap<usize, String>, stage: IngestStage) {
        if bad.is_empty() {
            return;
        }
        let mut index = 0..;
        let records = std::mem::take(&mut self.records);
        for item in records {
            let reason = index.next().and_then(|index| bad.get(&index));
            match reason {
                None => self.records.push(item),
                Some(reason) => {
                    let described = BadRecord {
                        item: item.number,
                        id: Some(item.record.id.clone()),
                        stage,
                        reason: reason.clone(),
                    };
                    self.bad.push((described, Some(item.record)));
                }
            }
        }
    }
}
