//! [`Cleanup`]: deletes the records that a sync did not find in the input.

use std::collections::HashSet;

use super::hash::id_hash;
use super::job::Job;
use super::writer::Writer;
use crate::error::Result;
use crate::logs;
use crate::model::filter::Where;

/// The number of records that one request deletes.
const IDS_PER_DELETE: usize = 1_000;

/// The last step of a sync.
pub(super) struct Cleanup<'a> {
    /// Only records that match this filter are deleted.
    pub(super) within: &'a Where,
    /// The hashes of all ids of the input.
    pub(super) seen: &'a HashSet<u64>,
    /// The number of items that could not be read.
    pub(super) unreadable: u64,
}

impl Cleanup<'_> {
    /// Deletes the records of the job's shard that match the filter and are not in the input. Calls `report`
    /// after each request.
    pub(super) fn run<'w>(
        &self,
        writer: &mut Writer<'w>,
        mut report: impl FnMut(&Writer<'w>),
    ) -> Result<()> {
        let job = writer.job;
        if !self.is_safe(job) {
            return Ok(());
        }
        let settings = job.settings;
        let scan = || {
            let scan = settings.collection.scan();
            scan.filter(self.within.clone()).include([])
        };
        let (mut backoff, mut records) = (settings.retry.backoff(), scan());
        let mut missing = Vec::new();
        while let Some(record) = records.next() {
            if job.check_cancelled() {
                return Ok(());
            }
            let id = match record {
                Ok(record) => record.id,
                Err(error) if error.is_retryable() && !settings.dry_run => {
                    job.wait(&mut backoff, error)?;
                    // The new scan does not return records that are deleted already.
                    missing.clear();
                    records = scan();
                    continue;
                }
                Err(error) => return Err(error),
            };
            let hash = id_hash(&id);
            if settings.shard.contains(hash) && !self.seen.contains(&hash) {
                missing.push(id);
            }
            if missing.len() == IDS_PER_DELETE {
                writer.delete(&mut missing)?;
                report(writer);
            }
        }
        if !missing.is_empty() {
            writer.delete(&mut missing)?;
            report(writer);
        }
        Ok(())
    }

    /// Whether all ids of the input are known. Logs a warning if they are not.
    fn is_safe(&self, job: &Job<'_>) -> bool {
        let collection = job.settings.collection.name();
        let unreadable = self.unreadable;
        if unreadable > 0 {
            log::warn!(
                target: logs::INGEST, collection = collection, unreadable = unreadable;
                "the sync deletes nothing: {unreadable} items of the input could not be read"
            );
            return false;
        }
        if self.seen.is_empty() {
            log::warn!(
                target: logs::INGEST, collection = collection;
                "the sync deletes nothing: the input is empty"
            );
            return false;
        }
        true
    }
}
