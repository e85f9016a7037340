//! [`Batch`]: consecutive items of the input on their way to the server.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::checkpoint::Position;
use super::consumed::Consumed;
use super::documents::DocumentEnd;
use crate::model::metadata::Metadata;
use crate::model::record::{AsRecord, Record, RecordRef};
use crate::model::report::{BadRecord, IngestStage};

/// The maximum number of records in a batch: the number of texts that Gemini accepts in one request.
pub(super) const MAX_RECORDS: usize = 100;
/// A batch is closed when its texts, vectors and metadata have at least this many bytes.
pub(super) const FULL_BYTES: usize = 512 << 10;
/// The number of batches that may be in flight in addition to those that are being embedded.
pub(super) const QUEUED: usize = 16;

/// Some consecutive items of the input.
pub(super) struct Batch {
    /// Counted from 0, without gaps.
    pub(super) number: u64,
    /// The number of the first item.
    pub(super) start: u64,
    /// The position in the input after the last item.
    pub(super) end: Position,
    /// How much of the input was read up to the end.
    pub(super) consumed: Consumed,
    pub(super) records: Vec<Item>,
    pub(super) rejected: Vec<Rejected>,
    /// Documents that end in this batch. All of their records are in this batch or in earlier ones.
    pub(super) documents: Vec<DocumentEnd>,
    /// Whether the batch holds a new version of a document that ended in an earlier batch, which must be
    /// written and cleaned up before this one.
    pub(super) restarts: bool,
    /// Records that are left out because their documents are empty.
    pub(super) empty: Vec<Rejected>,
    /// Records that are already stored.
    pub(super) skipped: u64,
    /// Texts that were embedded.
    pub(super) embedded: u64,
    /// How many of the embedded texts came from a cache.
    pub(super) cached: u64,
    /// An estimate that includes the vectors to be made.
    pub(super) bytes: usize,
}

/// A record and its position in the input.
pub(super) struct Item {
    /// Counted from 0.
    pub(super) number: u64,
    pub(super) record: Record,
    /// The hash of its document's id, if the job replaces documents.
    pub(super) document: Option<u64>,
    /// The vector made from the record's text.
    pub(super) vector: Option<SharedVector>,
    /// The record's metadata with the sparse vectors that the schema asks for.
    pub(super) filled: Option<Metadata>,
}

/// One vector among those that were made by the same call.
pub(super) struct SharedVector {
    pub(super) floats: Arc<Vec<f32>>,
    pub(super) range: Range<usize>,
}

/// A bad record.
pub(super) struct Rejected {
    pub(super) bad: BadRecord,
    /// `None` if the item could not be read.
    pub(super) record: Option<Record>,
    /// The hash of the id of the document that lacks this record.
    pub(super) document: Option<u64>,
}

impl Batch {
    pub(super) fn new(number: u64, start: Position, consumed: Consumed) -> Batch {
        Batch {
            number,
            start: start.items,
            end: start,
            consumed,
            records: Vec::new(),
            rejected: Vec::new(),
            documents: Vec::new(),
            restarts: false,
            empty: Vec::new(),
            skipped: 0,
            embedded: 0,
            cached: 0,
            bytes: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end.items == self.start && self.documents.is_empty()
    }

    /// Moves records to `rejected`. `reasons` holds their indices and what is wrong with them.
    pub(super) fn reject(&mut self, mut reasons: HashMap<usize, String>, stage: IngestStage) {
        if reasons.is_empty() {
            return;
        }
        let records = std::mem::take(&mut self.records);
        for (index, item) in records.into_iter().enumerate() {
            match reasons.remove(&index) {
                None => self.records.push(item),
                Some(reason) => self.rejected.push(item.rejected(stage, reason)),
            }
        }
    }
}

impl Item {
    /// Turns the item into a bad record.
    pub(super) fn rejected(self, stage: IngestStage, reason: String) -> Rejected {
        Rejected {
            bad: BadRecord {
                item: self.number,
                id: Some(self.record.id.clone()),
                stage,
                reason,
            },
            document: self.document,
            record: Some(self.record),
        }
    }
}

impl AsRecord for Item {
    fn as_record(&self) -> RecordRef<'_> {
        let row = self.record.as_record();
        let vector = self.vector.as_ref();
        let vector = vector.and_then(|vector| vector.floats.get(vector.range.clone()));
        RecordRef {
            embedding: row.embedding.or(vector),
            metadata: self.filled.as_ref().unwrap_or(row.metadata),
            ..row
        }
    }
}

/// Returns about how many bytes a record takes.
pub(super) fn record_bytes(row: RecordRef<'_>) -> usize {
    let document = row.document.map_or(0, str::len);
    let floats = row.embedding.map_or(0, <[f32]>::len);
    let metadata = row.metadata.iter();
    let metadata: usize = metadata.map(|(key, value)| key.len() + value.size()).sum();
    let uri = row.uri.map_or(0, str::len);
    row.id.len() + document + size_of::<f32>() * floats + metadata + uri
}
