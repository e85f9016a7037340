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
use crate::error::Result;
use crate::model::metadata::MetadataValue;
use crate::model::record::Record;
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
    embed::embed(job, batch)
}

/// The ids that exist, with their stored content hashes.
type StoredHashes = HashMap<String, Option<String>>;

/// Asks the server which records of a batch exist.
fn look_up(job: &Job<'_>, batch: &Batch) -> Result<StoredHashes> {
    let key = job.settings.content_hash.as_deref();
    let include = key.map(|_| Include::Metadatas);
    let found = job.retry(|| {
        let ids = batch.records.iter().map(|item| item.record.id.as_str());
        let get = job.settings.collection.get().ids(ids);
        get.include(include).run()
    })?;
    let stored_hash = |record: &Record| {
        let value = record.metadata.get(key?)?;
        value.as_str().map(str::to_owned)
    };
    let found = found.into_iter().map(|record| {
        let hash = stored_hash(&record);
        (record.id, hash)
    });
    Ok(found.collect())
}

/// Removes records that need not be written, and adds the content hash to the others.
fn skip_stored(settings: &Settings, batch: &mut Batch, stored: &StoredHashes) {
    let only_new = matches!(settings.mode, Mode::AddNew);
    let function = settings.function_key().unwrap_or_default();
    let before = batch.records.len();
    batch.records.retain_mut(|Item { record, .. }| {
        let stored = stored.get(&record.id);
        if only_new && stored.is_some() {
            return false;
        }
        let Some(key) = &settings.content_hash else {
            return true;
        };
        let hash = content_hash(record, &function, key);
        if stored.and_then(Option::as_ref) == Some(&hash) {
            return false;
        }
        let hash = MetadataValue::String(hash);
        record.metadata.insert(key.as_str(), hash);
        true
    });
    batch.skipped += (before - batch.records.len()) as u64;
}
