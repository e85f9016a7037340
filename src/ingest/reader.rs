//! [`Reader`]: reads the input of a job and cuts it into batches.

use std::collections::HashSet;

use super::batch::{Batch, FULL_BYTES, Item, MAX_RECORDS, Rejected, record_bytes};
use super::checkpoint::Position;
use super::consumed::{self, Consumed};
use super::documents::{DocumentEnd, Documents, Membership, Misplaced, is_empty};
use super::hash::{InputHash, id_hash};
use super::input::{ReadError, TryIntoRecord};
use super::job::Job;
use super::settings::Mode;
use crate::error::{Error, InvalidInput, Result};
use crate::model::check::RecordCheck;
use crate::model::record::{AsRecord, Record};
use crate::model::report::{BadRecord, IngestStage};

/// A batch is closed after this many items, even if few of them are to be written, such as those of other
/// shards.
const MAX_ITEMS: u64 = 10_000;

pub(super) struct Reader<'a, I> {
    job: &'a Job<'a>,
    items: I,
    /// The number of items in the input, if the iterator knows it.
    pub(super) total: Option<u64>,
    position: Position,
    /// How much of the input was read up to the position.
    pub(super) consumed: Consumed,
    /// The dimension of the embedding function, if it is known.
    dimension: Option<usize>,
    /// The batch being read.
    batch: Batch,
    /// The hashes of the ids in the batch.
    ids: HashSet<u64>,
    /// A buffer for the bytes to hash.
    hash_buffer: Vec<u8>,
    /// A record that was read while another one with the same id was in flight.
    deferred: Option<NumberedRecord>,
    /// Follows the documents, if the job replaces them.
    pub(super) documents: Option<Documents>,
    /// Items that an earlier run has done.
    pub(super) skipped: u64,
    /// Items that this run has read and that belong to the job's shard.
    pub(super) read: u64,
    /// Items that could not be read.
    pub(super) unreadable: u64,
    /// Whether the end of the input was reached.
    has_ended: bool,
    /// In a sync, the hashes of all ids.
    pub(super) seen: HashSet<u64>,
    /// The failure of the source, or a fault of the whole input.
    pub(super) failure: Option<Error>,
}

/// The result of reading a batch.
pub(super) enum Next {
    Batch(ReadBatch),
    /// A batch. The id of the next record is in flight, so all batches in flight must be written before the
    /// next batch is read.
    BatchThenDrain(ReadBatch),
    End,
}

/// A batch and the hashes of its ids.
pub(super) struct ReadBatch {
    pub(super) batch: Batch,
    pub(super) ids: HashSet<u64>,
}

/// The result of reading an item.
enum ReadItem {
    Record(Record),
    /// The item could not be read, for this reason.
    Unreadable(String),
    /// The input has ended, or its source has failed.
    End,
}

/// A record, its position in the input, and the hash of its id.
struct NumberedRecord {
    number: u64,
    id: u64,
    /// Where the record belongs, if the job replaces documents.
    membership: Option<Membership>,
    /// Why it has no place in a document.
    fault: Option<String>,
    record: Record,
}

/// The place of a record in the job.
struct Place {
    /// The hash of the record's id.
    id: u64,
    is_own_shard: bool,
    membership: Option<Result<Membership, Misplaced>>,
    /// The document that ended before the record.
    ended: Option<DocumentEnd>,
}

/// The next item of this job's shard.
enum ShardItem {
    Record(NumberedRecord),
    /// The item belongs to another shard or could not be read.
    Handled,
    End,
}

impl<'a, I> Reader<'a, I>
where
    I: Iterator,
    I::Item: TryIntoRecord,
{
    pub(super) fn new(job: &'a Job<'a>, items: I) -> Reader<'a, I> {
        let function = job.settings.collection.embedding_function();
        let (least, most) = items.size_hint();
        Reader {
            job,
            items,
            total: (most == Some(least)).then_some(least as u64),
            position: Position::START,
            consumed: Consumed::START,
            dimension: function.and_then(|function| function.dimension()),
            batch: Batch::new(0, Position::START, Consumed::START),
            ids: HashSet::new(),
            hash_buffer: Vec::new(),
            deferred: None,
            documents: job.settings.document_key.clone().map(Documents::new),
            skipped: 0,
            read: 0,
            unreadable: 0,
            has_ended: false,
            seen: HashSet::new(),
            failure: None,
        }
    }

    /// Reads the items that an earlier run has written, and returns whether they are the same. Stops early if
    /// the job is cancelled.
    ///
    /// # Errors
    /// If the source fails.
    pub(super) fn skip_done(&mut self, done: Position) -> Result<bool> {
        while self.position.items < done.items {
            if self.job.check_cancelled() {
                return Ok(true);
            }
            match self.read_item() {
                ReadItem::Record(record) => {
                    // The earlier run has cleaned up the documents that ended here.
                    let place = self.place(&record);
                    if !is_empty(&record) {
                        self.remember(place.id);
                    }
                }
                ReadItem::Unreadable(_) => {}
                ReadItem::End => break,
            }
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.position != done {
            return Ok(false);
        }
        self.batch.end = done;
        self.batch.consumed = self.consumed;
        self.skipped = done.items;
        Ok(true)
    }

    /// Reads the next batch. `is_in_flight` tells whether a record with this id hash is being written.
    pub(super) fn next(&mut self, is_in_flight: impl Fn(u64) -> bool) -> Next {
        while !self.must_stop() && !self.is_full() {
            let next = match self.next_of_shard() {
                ShardItem::Record(record) => record,
                ShardItem::Handled => continue,
                ShardItem::End => break,
            };
            let needs_lookup = self.job.settings.needs_lookup();
            // A new version of a document must not be written before the earlier one is cleaned up.
            let document = next.membership.map(|member| member.document);
            let hashes = || [Some(next.id), document].into_iter().flatten();
            let is_repeated = hashes().any(|hash| self.ids.contains(&hash));
            // A lookup must see the result of the earlier write.
            let must_drain = needs_lookup && (is_repeated || hashes().any(&is_in_flight));
            if is_repeated || must_drain {
                self.deferred = Some(next);
                let batch = self.close();
                return if must_drain {
                    Next::BatchThenDrain(batch)
                } else {
                    Next::Batch(batch)
                };
            }
            self.add(next);
        }
        let mut is_empty = self.batch.is_empty();
        if self.has_ended {
            // Blank lines at the end of a file, for example, so that a bar reaches its end.
            let has_rest = self.batch.consumed != self.consumed;
            is_empty &= !(has_rest && self.job.settings.reports_progress);
            self.batch.consumed = self.consumed;
            let ended = self.documents.as_mut().and_then(Documents::end);
            is_empty &= ended.is_none();
            self.end_document(ended);
        }
        if is_empty {
            return Next::End;
        }
        Next::Batch(self.close())
    }

    fn must_stop(&self) -> bool {
        self.failure.is_some() || self.job.is_finished() || self.job.check_cancelled()
    }

    fn is_full(&self) -> bool {
        self.batch.records.len() >= MAX_RECORDS.min(self.job.settings.batch_size)
            || self.batch.bytes >= FULL_BYTES
            || self.batch.rejected.len() + self.batch.empty.len() >= MAX_RECORDS
            || self.batch.end.items - self.batch.start >= MAX_ITEMS
    }

    fn close(&mut self) -> ReadBatch {
        let batch = &self.batch;
        let next = Batch::new(batch.number + 1, batch.end, batch.consumed);
        ReadBatch {
            batch: std::mem::replace(&mut self.batch, next),
            ids: std::mem::take(&mut self.ids),
        }
    }

    /// Returns the deferred record, or reads an item.
    fn next_of_shard(&mut self) -> ShardItem {
        if let Some(deferred) = self.deferred.take() {
            return ShardItem::Record(deferred);
        }
        let number = self.position.items;
        match self.read_item() {
            ReadItem::End => {
                self.has_ended = self.failure.is_none();
                ShardItem::End
            }
            ReadItem::Unreadable(reason) => {
                self.add_unreadable(number, reason);
                ShardItem::Handled
            }
            ReadItem::Record(record) => {
                let place = self.place(&record);
                self.end_document(place.ended);
                if !place.is_own_shard {
                    self.end_batch_here();
                    return ShardItem::Handled;
                }
                let (membership, fault) = match place.membership {
                    None => (None, None),
                    Some(Ok(member)) => (Some(member), None),
                    Some(Err(Misplaced::Unnamed(reason))) => (None, Some(reason)),
                    Some(Err(Misplaced::Late(reason))) => {
                        self.fail_unsorted(number, record, reason);
                        return ShardItem::End;
                    }
                };
                ShardItem::Record(NumberedRecord {
                    number,
                    id: place.id,
                    membership,
                    fault,
                    record,
                })
            }
        }
    }

    /// Ends the input at a record whose document has ended before. Old pieces of that document may have been
    /// deleted although they are in the input, so this is more than a bad record.
    fn fail_unsorted(&mut self, item: u64, record: Record, reason: String) {
        self.job.set_unsorted();
        let bad = BadRecord {
            item,
            id: Some(record.id),
            stage: IngestStage::Check,
            reason,
        };
        let record = bad.to_string();
        let error = InvalidInput::BadRecord { record };
        self.failure = Some(self.job.call.clone().invalid(error));
    }

    /// Finds the shard and the document of a record. All records of a document belong to one shard.
    fn place(&mut self, record: &Record) -> Place {
        let id = id_hash(&record.id);
        let shard = self.job.settings.shard;
        let Some(documents) = &mut self.documents else {
            return Place {
                id,
                is_own_shard: shard.contains(id),
                membership: None,
                ended: None,
            };
        };
        let document = documents.hash(record);
        let is_own_shard = shard.contains(document.unwrap_or(id));
        let (membership, ended) = if is_own_shard {
            let (membership, ended) = documents.add(record, id, document);
            (Some(membership), ended)
        } else {
            (None, documents.add_other())
        };
        Place {
            id,
            is_own_shard,
            membership,
            ended,
        }
    }

    /// Adds the end of a document to the batch.
    fn end_document(&mut self, ended: Option<DocumentEnd>) {
        if let Some(ended) = ended {
            self.ids.insert(ended.hash);
            self.batch.documents.push(ended);
        }
    }

    /// Reads an item and advances the position.
    fn read_item(&mut self) -> ReadItem {
        let wants_sizes = self.job.settings.reports_progress;
        let items = &mut self.items;
        let Some(item) = consumed::count(&mut self.consumed, wants_sizes, || items.next()) else {
            return ReadItem::End;
        };
        match item.try_into_record().map_err(ReadError::from) {
            Ok(record) => {
                self.advance(Some(&record));
                ReadItem::Record(record)
            }
            Err(ReadError::Item(reason)) => {
                self.advance(None);
                self.unreadable += 1;
                if self.unreadable > self.job.settings.tolerated_unreadable {
                    if let Some(documents) = &mut self.documents {
                        documents.add_gap();
                    }
                }
                ReadItem::Unreadable(reason)
            }
            Err(ReadError::Source(failure)) => {
                self.failure = Some(failure);
                ReadItem::End
            }
        }
    }

    /// Advances the position by one item. `record` is `None` if the item could not be read.
    fn advance(&mut self, record: Option<&Record>) {
        self.position.items += 1;
        // Only a checkpoint needs the hash.
        if self.job.settings.checkpoint.is_some() {
            let hash = InputHash(self.position.input);
            let hash = match record {
                Some(record) => hash.with_record(record, &mut self.hash_buffer),
                None => hash.with_unreadable(),
            };
            self.position.input = hash.0;
        }
    }

    /// Moves the end of the batch to the position.
    fn end_batch_here(&mut self) {
        self.batch.end = self.position;
        self.batch.consumed = self.consumed;
    }

    /// In a sync, remembers an id of the input.
    fn remember(&mut self, id: u64) {
        if let Mode::Sync(_) = self.job.settings.mode {
            self.seen.insert(id);
        }
    }

    /// Adds a record to the batch, or rejects it if it is invalid.
    fn add(&mut self, next: NumberedRecord) {
        let NumberedRecord {
            number,
            id,
            membership,
            fault,
            record,
        } = next;
        self.read += 1;
        self.end_batch_here();
        if is_empty(&record) && fault.is_none() {
            self.batch.empty.push(empty(number, record));
            return;
        }
        self.remember(id);
        self.batch.bytes += record_bytes(record.as_record());
        // The first record that is written decides the dimension of a new collection.
        let stored = self.job.settings.collection.dimension();
        let dimension = stored.or(self.dimension);
        let check = RecordCheck {
            dimension,
            is_update: false,
            is_single_node: self.job.settings.collection.is_single_node(),
            is_stamped: self.job.settings.collection.stamps_writes(),
        };
        let valid = check.check(record.as_record(), 0);
        let valid = valid.map_err(|reason| reason.to_string());
        let valid = valid.and(fault.map_or(Ok(()), Err));
        let has_vector = record.embedding.is_some();
        let item = Item {
            number,
            record,
            document: membership.map(|member| member.document),
            vector: None,
            filled: None,
        };
        if let Err(reason) = valid {
            let rejected = item.rejected(IngestStage::Check, reason);
            self.batch.rejected.push(rejected);
            return;
        }
        if !has_vector {
            self.batch.bytes += size_of::<f32>() * dimension.unwrap_or(0);
        }
        self.ids.insert(id);
        self.batch.restarts |= membership.is_some_and(|member| member.restarts);
        self.batch.records.push(item);
    }

    /// Rejects an item that could not be read. Its shard is unknown, so the first shard reports it.
    fn add_unreadable(&mut self, number: u64, reason: String) {
        self.end_batch_here();
        if self.job.settings.shard.index > 0 {
            return;
        }
        self.read += 1;
        let bad = BadRecord {
            item: number,
            id: None,
            stage: IngestStage::Read,
            reason,
        };
        self.batch.rejected.push(Rejected {
            bad,
            record: None,
            document: None,
        });
    }
}

fn empty(number: u64, record: Record) -> Rejected {
    let item = Item {
        number,
        record,
        document: None,
        vector: None,
        filled: None,
    };
    item.rejected(IngestStage::Check, "the document is empty".to_owned())
}
