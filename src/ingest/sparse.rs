//! Adds the sparse vectors that the schema asks for to the records of a batch. They are kept with the
//! records, so that a repeated write does not embed their texts again.

use std::collections::HashMap;

use super::batch::{Batch, Item};
use super::embed::{Failure, refused_text};
use super::job::Job;
use crate::client::operations as op;
use crate::embed::{EmbeddingContext, Purpose};
use crate::error::{Error, Result};
use crate::model::report::IngestStage;

/// Adds the sparse vectors to the records. Moves records whose texts are refused to the bad ones. Such texts
/// are few, so each one starts the batch again.
///
/// # Errors
/// If the function fails permanently, or for longer than the job's retry policy allows.
pub(super) fn fill_in(job: &Job<'_>, batch: &mut Batch) -> Result<()> {
    let settings = job.settings;
    if settings.dry_run {
        return Ok(());
    }
    let mut backoff = settings.retry.backoff();
    loop {
        let rows: Vec<&Item> = batch.records.iter().collect();
        let mut context = EmbeddingContext::new(Purpose::Documents);
        let collection = &settings.collection;
        let sparse = collection.sparse_write(&op::UPSERT, &rows)?;
        let filled = sparse.metadatas(&mut context);
        job.add_retries(context.used.retries);
        let error = match filled {
            Ok(metadatas) => {
                for (item, metadata) in batch.records.iter_mut().zip(metadatas) {
                    item.filled = metadata;
                }
                return Ok(());
            }
            Err(error) => error,
        };
        match Failure::of(error) {
            Failure::Temporary(error) => job.wait(&mut backoff, error)?,
            Failure::Refused(error) => {
                let Some(record) = refused_record(&error) else {
                    return Err(error);
                };
                let reasons = HashMap::from([(record, format!("{error:#}"))]);
                batch.reject(reasons, IngestStage::Embed);
            }
            Failure::Permanent(error) => return Err(error),
            Failure::Partial(partial) => return Err(*partial.source),
        }
    }
}

/// Returns the index of the record whose text a function refused.
fn refused_record(error: &Error) -> Option<usize> {
    let Error::Embedding { source, .. } = error else {
        return None;
    };
    refused_text(source.downcast_ref()?)
}
