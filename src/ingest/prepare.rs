//! Prepares batches for writing: skips records that are already stored, and embeds the texts of the others.

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::batch::{Batch, Item};
use super::embed;
use super::hash::content_hash;
use super::job::Job;
use super::settings::{Mode, Settings};
use super::sparse;
use crate::error::Result;
use crate::model::metadata::MetadataValue;
use crate::model::record::{AsRecord, Record};
use crate::model::results::Include;

/// A batch that is ready to be written.
pub(super) struct Prepared {
    pub(super) number: u64,
    /// An error ends the job before this batch. A panic is resumed by the writer.
    pub(super) result: thread::Result<Result<Batch>>,
}

/// Prepares batches until there are no more, or the job is finished.
pub(super) fn run(job: &Job<'_>, batches: &Mutex<Receiver<Batch>>, prepared: &Sender<Prepared>) {
    let _retries = job.count_retries();
    loop {
        let next = batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(mut batch) = next else { return };
        if job.is_finished() {
            return;
        }
        let number = batch.number;
        let prepare = AssertUnwindSafe(|| prepare(job, &mut batch));
        let result = panic::catch_unwind(prepare).map(|result| result.map(|()| batch));
        if prepared.send(Prepared { number, result }).is_err() {
            return;
        }
    }
}

fn prepare(job: &Job<'_>, batch: &mut Batch) -> Result<()> {
    if job.settings.needs_lookup() && !batch.records.is_empty() {
        let stored = look_up(job, batch)?;
        skip_stored(job.settings, batch, &stored);
    }
    embed::check(job, batch)?;
    // Sparse vectors first: they cost less, so a failure of the second function wastes less.
    sparse::fill_in(job, batch)?;
    embed::embed(job, batch)
}

/// Asks the server which records of a batch exist. Returns them by id.
fn look_up(job: &Job<'_>, batch: &Batch) -> Result<HashMap<String, Record>> {
    let settings = job.settings;
    let include: &[Include] = match (&settings.content_hash, settings.replace_metadata) {
        (Some(_), _) => &[Include::Documents, Include::Metadatas],
        (None, true) => &[Include::Metadatas],
        (None, false) => &[],
    };
    let found = job.retry(|| {
        let ids = batch.records.iter().map(|item| item.record.id.as_str());
        let get = settings.collection.get().ids(ids);
        get.include(include.iter().copied()).run()
    })?;
    let found = found.into_iter().map(|record| (record.id.clone(), record));
    Ok(found.collect())
}

/// Removes records that need not be written, and completes the metadata of the others.
fn skip_stored(settings: &Settings, batch: &mut Batch, stored: &HashMap<String, Record>) {
    let only_new = matches!(settings.mode, Mode::AddNew);
    let function = settings.function_key().unwrap_or_default();
    let before = batch.records.len();
    batch.records.retain_mut(|Item { record, .. }| {
        let stored = stored.get(&record.id);
        if only_new && stored.is_some() {
            return false;
        }
        let mut is_unchanged = false;
        if let Some(key) = &settings.content_hash {
            let hash = MetadataValue::String(content_hash(record, &function, key));
            is_unchanged = stored.is_some_and(|stored| {
                stored.metadata.get(key) == Some(&hash) && is_as_written(stored, record)
            });
            record.metadata.insert(key.as_str(), hash);
        }
        if let (true, Some(stored)) = (settings.replace_metadata, stored) {
            for (key, _) in &stored.metadata {
                let row = record.as_record();
                if row.metadata.get(key).is_none() && !settings.collection.fills_in(key, row) {
                    is_unchanged = false;
                    record.metadata.insert(key, MetadataValue::Null);
                }
            }
        }
        !is_unchanged
    });
    batch.skipped += (before - batch.records.len()) as u64;
}

/// Whether a stored record that holds the hash of `record` also has its document and its metadata.
///
/// It does not if another program has changed the stored record, but not the hash.
fn is_as_written(stored: &Record, record: &Record) -> bool {
    let is_same = |(key, value): (&str, &MetadataValue)| match (value, stored.metadata.get(key)) {
        (MetadataValue::Null, stored) => stored.is_none(),
        // Servers may round floats.
        (
            MetadataValue::Float(_) | MetadataValue::Floats(_) | MetadataValue::SparseVector(_),
            Some(_),
        ) => true,
        (value, stored) => stored == Some(value),
    };
    let has_text = record.document.is_none() || record.document == stored.document;
    has_text && record.metadata.iter().all(is_same)
}
