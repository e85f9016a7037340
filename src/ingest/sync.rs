//! [`Cleanup`]: deletes the records that a sync did not find in the input.

use std::collections::HashSet;

use super::documents::Documents;
use super::hash::id_hash;
use super::job::Job;
use super::writer::{IDS_PER_DELETE, Writer};
use crate::collection::Scan;
use crate::error::Result;
use crate::model::filter::Where;
use crate::model::record::Record;
use crate::model::results::Include;

/// The last step of a sync.
pub(super) struct Cleanup<'a> {
    /// Only records that match this filter are deleted.
    pub(super) within: &'a Where,
    /// The hashes of all ids of the input.
    pub(super) seen: &'a HashSet<u64>,
    /// All documents of the input, if the job replaces documents.
    pub(super) documents: Option<&'a Documents>,
    /// The number of items that could not be read.
    pub(super) unreadable: u64,
}

impl Cleanup<'_> {
    /// Deletes the records of the job's shard that match the filter and are not in the input, or counts them
    /// if it is not safe to delete them. Calls `report` after each request.
    pub(super) fn run<'w>(
        &self,
        writer: &mut Writer<'w>,
        mut report: impl FnMut(&Writer<'w>),
    ) -> Result<()> {
        let job = writer.job;
        let withheld_because = self.withheld_because(job);
        let mut withheld = 0;
        let (mut backoff, mut records) = (job.settings.retry.backoff(), self.scan(job));
        let mut missing = Vec::new();
        while let Some(record) = records.next() {
            if job.check_cancelled() {
                return Ok(());
            }
            match record {
                Ok(record) if !self.is_missing(job, &record) => {}
                Ok(_) if withheld_because.is_some() => withheld += 1,
                Ok(record) => missing.push(record.id),
                Err(error) if error.is_retryable() && !job.settings.dry_run => {
                    job.wait(&mut backoff, error)?;
                    // The new scan does not return records that are deleted already.
                    missing.clear();
                    withheld = 0;
                    records = self.scan(job);
                }
                Err(error) => return Err(error),
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
        if let Some(why) = withheld_because {
            writer.report.withhold(withheld, &why);
        }
        Ok(())
    }

    /// Scans the records that match the filter.
    fn scan(&self, job: &Job<'_>) -> Scan {
        let scan = job.settings.collection.scan();
        let include = self.documents.map(|_| Include::Metadatas);
        scan.filter(self.within.clone()).include(include)
    }

    /// Whether a stored record belongs to the job's shard and is not in the input.
    ///
    /// The old pieces of a document of the input are not missing: the job has deleted or kept them.
    fn is_missing(&self, job: &Job<'_>, record: &Record) -> bool {
        let id = id_hash(&record.id);
        let document = self.documents.and_then(|documents| documents.hash(record));
        let has_document = self
            .documents
            .zip(document)
            .is_some_and(|(documents, hash)| documents.contains(hash));
        job.settings.shard.contains(document.unwrap_or(id))
            && !self.seen.contains(&id)
            && !has_document
    }

    /// Returns why it is not safe to delete what is missing, or `None` if it is safe.
    fn withheld_because(&self, job: &Job<'_>) -> Option<String> {
        let unreadable = self.unreadable;
        if unreadable > job.settings.tolerated_unreadable {
            let items = if unreadable == 1 { "item" } else { "items" };
            return Some(format!("{unreadable} {items} could not be read"));
        }
        if self.seen.is_empty() {
            return Some("the input is empty".to_owned());
        }
        None
    }
}
