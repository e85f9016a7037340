//! [`Replacement`]: finds the old pieces of documents whose new pieces are written.

use std::collections::{HashMap, HashSet};

use super::documents::{DocumentEnd, document_id};
use super::hash::{document_id_hash, id_hash};
use super::job::Job;
use crate::error::Result;
use crate::model::filter::Key;
use crate::model::metadata::MetadataValue;
use crate::model::results::Include;

/// The number of documents whose pieces one request looks up.
const DOCUMENTS_PER_LOOKUP: usize = 100;

/// The old pieces of some documents.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    /// The ids of the pieces to delete.
    pub(super) to_delete: Vec<String>,
    /// The number of old pieces to keep, because a new piece of their document is missing.
    pub(super) withheld: u64,
}

impl Replacement {
    /// Looks up the stored pieces of documents. `incomplete` holds the hashes of documents that lack a piece.
    pub(super) fn find(
        job: &Job<'_>,
        documents: &[DocumentEnd],
        incomplete: &HashSet<u64>,
    ) -> Result<Replacement> {
        let mut found = Replacement::default();
        let Some(key) = job.settings.document_key.as_deref() else {
            return Ok(found);
        };
        // A filter compares with values of one kind.
        let is_text = |end: &&DocumentEnd| end.id.as_str().is_some();
        let (texts, numbers): (Vec<_>, Vec<_>) = documents.iter().partition(is_text);
        for documents in [texts, numbers] {
            for documents in documents.chunks(DOCUMENTS_PER_LOOKUP) {
                let part = job.retry(|| look_up(job, key, documents, incomplete))?;
                found.to_delete.extend(part.to_delete);
                found.withheld += part.withheld;
            }
        }
        Ok(found)
    }
}

/// Looks up the stored pieces of documents whose ids are of one kind.
fn look_up(
    job: &Job<'_>,
    key: &str,
    documents: &[&DocumentEnd],
    incomplete: &HashSet<u64>,
) -> Result<Replacement> {
    let mut found = Replacement::default();
    let ids: Vec<MetadataValue> = documents.iter().map(|end| end.id.clone()).collect();
    let by_hash: HashMap<u64, &DocumentEnd> =
        documents.iter().map(|end| (end.hash, *end)).collect();
    let scan = job.settings.collection.scan();
    let scan = scan.filter(Key::field(key).is_in(ids));
    // Only ids are kept, because there may be millions of pieces.
    for record in scan.include([Include::Metadatas]) {
        let record = record?;
        // Checked here as well, so that a server that ignores the filter causes no deletion.
        let hash = document_id(&record, key).map(document_id_hash);
        let Some(end) = hash.and_then(|hash| by_hash.get(&hash)) else {
            continue;
        };
        if end.pieces.contains(&id_hash(&record.id)) {
            continue;
        }
        if end.has_gap || incomplete.contains(&end.hash) {
            found.withheld += 1;
        } else {
            found.to_delete.push(record.id);
        }
    }
    Ok(found)
}
