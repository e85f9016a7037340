//! [`Reader`]: the input of a job, cut into batches.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::io;
use std::sync::atomic::Ordering;

use super::checkpoint::Place;
use super::content::{self, InputHash};
use super::run::Shared;
use super::{BATCH_BYTES, BATCH_ITEMS, Batch, Item, Mode, Settings, size};
use crate::error::{Error, InvalidInput};
use crate::model::record::{AsRecord, Record};
use crate::model::report::{BadRecord, IngestStage};
use crate::model::rows;

/// Items of a batch of which few are to be written, such as those of other shards.
const MOST_ITEMS: u64 = 10_000;

/// Why an item of an input could not be read: any error.
type Unread = Box<dyn StdError + Send + Sync>;

/// An item of the input of a job: a [`Record`], or a `Result` of one, whatever its error.
///
/// An item that could not be read is a bad record, and the job reads on, unless it is told to stop at those. But where the
/// source itself fails ([`Error::Io`], or an [`io::Error`] that is not [`io::ErrorKind::InvalidData`]) nobody knows what
/// would have come: then the job writes what it has read, and stops.
pub trait TryIntoRecord {
    /// The record.
    ///
    /// # Errors
    /// Why there is none.
    fn try_into_record(self) -> Result<Record, Box<dyn StdError + Send + Sync>>;
}

impl TryIntoRecord for Record {
    fn try_into_record(self) -> Result<Record, Unread> {
        Ok(self)
    }
}

impl<E: Into<Unread>> TryIntoRecord for Result<Record, E> {
    fn try_into_record(self) -> Result<Record, Unread> {
        self.map_err(Into::into)
    }
}

/// The failure of the source, if that is what it is; or else what is wrong with the item, in words.
fn failure(error: Unread) -> Result<Error, String> {
    let io = |source| Error::Io {
        message: "reading the input".to_owned(),
        source,
    };
    match error.downcast::<Error>().map(|error| *error) {
        Ok(error @ Error::Io { .. }) => Ok(error),
        Ok(other) => Err(format!("{other:#}")),
        Err(error) => match error.downcast::<io::Error>() {
            Ok(error) if error.kind() != io::ErrorKind::InvalidData => Ok(io(*error)),
            Ok(error) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        },
    }
}

pub(super) struct Reader<'a, I> {
    items: I,
    settings: &'a Settings,
    shared: &'a Shared,
    place: Place,
    /// Floats per vector, where the embedding function says so.
    dimension: Option<usize>,
    /// The next batch, with the hashes of its ids.
    batch: Batch,
    ids: HashSet<u64>,
    /// Memory for what is hashed.
    bytes_of_record: Vec<u8>,
    /// A record that came while another one of its id was under way.
    held: Option<(u64, Record)>,
    /// Items of this run that are this job's.
    pub(super) read: u64,
    pub(super) unreadable: u64,
    /// In a sync, the hashes of all ids.
    pub(super) seen: HashSet<u64>,
    /// What ended the reading.
    pub(super) failure: Option<Error>,
}

/// What there is after reading for a while.
pub(super) enum Next {
    /// Some records, with the hashes of their ids.
    Batch(Batch, HashSet<u64>),
    /// As before; the next record has an id that is under way, so that must be written first.
    Wait(Batch, HashSet<u64>),
    End,
}

impl<'a, I> Reader<'a, I>
where
    I: Iterator,
    I::Item: TryIntoRecord,
{
    pub(super) fn new(items: I, settings: &'a Settings, shared: &'a Shared) -> Reader<'a, I> {
        let function = settings.collection.embedding_function();
        Reader {
            items,
            settings,
            shared,
            place: Place::START,
            dimension: function.and_then(|f| f.dimension()),
            batch: Batch::new(0, Place::START),
            ids: HashSet::new(),
            bytes_of_record: Vec::new(),
            held: None,
            read: 0,
            unreadable: 0,
            seen: HashSet::new(),
            failure: None,
        }
    }

    /// Reads what an earlier run has done.
    ///
    /// # Errors
    /// When the input is not the one that the earlier run had.
    pub(super) fn pass_over(&mut self, done: Place) -> Result<(), InvalidInput> {
        while self.place.items < done.items {
            if self.shared.is_stopped(self.settings) {
                return Ok(());
            }
            let Some(item) = self.items.next() else { break };
            match self.take(item) {
                Some(Ok(record)) => self.remember(&record),
                Some(Err(_)) => {}
                None => break,
            }
        }
        if self.place == done {
            self.batch.end = done;
            return Ok(());
        }
        let path = self.settings.checkpoint.as_deref().unwrap_or("".as_ref());
        Err(InvalidInput::Setting {
            name: "checkpoint",
            value: path.display().to_string(),
            why: format!(
                "it belongs to another input: the first {} items are not those that were written; name another file, or delete it to begin from the start",
                done.items
            ),
        })
    }

    /// The next batch. `is_under_way` says whether a record of an id is being written.
    pub(super) fn next(&mut self, is_under_way: impl Fn(u64) -> bool) -> Next {
        while self.failure.is_none()
            && !self.is_full()
            && !self.shared.over.load(Ordering::Relaxed)
            && !self.shared.is_stopped(self.settings)
        {
            let (item, record) = match self.held.take() {
                Some(held) => held,
                None => {
                    let Some(next) = self.items.next() else { break };
                    let item = self.place.items;
                    match self.take(next) {
                        Some(Ok(record)) => (item, record),
                        Some(Err(reason)) => {
                            self.bad(item, None, IngestStage::Read, reason);
                            continue;
                        }
                        None => break,
                    }
                }
            };
            let id = content::of_id(&record.id);
            if !self.settings.is_of_shard(id) {
                self.batch.end = self.place;
                continue;
            }
            let again = self.ids.contains(&id);
            // What is there is asked for before it is written: that must not be what another one is about to change.
            let under_way = self.settings.looks_up() && is_under_way(id);
            if again || under_way {
                self.held = Some((item, record));
                let (batch, ids) = self.close();
                return match again && !self.settings.looks_up() {
                    true => Next::Batch(batch, ids),
                    false => Next::Wait(batch, ids),
                };
            }
            self.read += 1;
            self.remember(&record);
            self.batch.end = self.place;
            // What is written first decides on the dimension, not what is read first.
            let dimension = self.settings.collection.dimension().or(self.dimension);
            match rows::check_row(record.as_record(), 0, dimension, false) {
                Err(reason) => {
                    let reason = reason.to_string();
                    self.bad(item, Some(record), IngestStage::Check, reason);
                }
                Ok(()) => {
                    self.batch.bytes += size(record.as_record());
                    if record.embedding.is_none() {
                        self.batch.bytes += size_of::<f32>() * dimension.unwrap_or(0);
                    }
                    self.ids.insert(id);
                    self.batch.records.push(Item {
                        number: item,
                        record,
                        made: None,
                    });
                }
            }
        }
        match self.batch.is_empty() {
            true => Next::End,
            false => {
                let (batch, ids) = self.close();
                Next::Batch(batch, ids)
            }
        }
    }

    /// Nothing when the source has failed.
    fn take(&mut self, item: I::Item) -> Option<Result<Record, String>> {
        let record = match item.try_into_record().map_err(failure) {
            Ok(record) => Ok(record),
            Err(Err(reason)) => Err(reason),
            Err(Ok(failure)) => {
                self.failure = Some(failure);
                return None;
            }
        };
        let hash = InputHash(self.place.input);
        let hash = match &record {
            // Nobody asks for it.
            _ if self.settings.checkpoint.is_none() => hash,
            Ok(record) => hash.record(record, &mut self.bytes_of_record),
            Err(_) => hash.unreadable(),
        };
        self.unreadable += u64::from(record.is_err());
        self.place = Place {
            items: self.place.items + 1,
            input: hash.0,
        };
        Some(record)
    }

    fn remember(&mut self, record: &Record) {
        if let Mode::Sync(_) = self.settings.mode {
            self.seen.insert(content::of_id(&record.id));
        }
    }

    fn bad(&mut self, item: u64, record: Option<Record>, stage: IngestStage, reason: String) {
        // Nobody knows whose an unreadable one is; the first shard reports it.
        if record.is_none() && self.settings.shard.0 > 0 {
            self.batch.end = self.place;
            return;
        }
        if record.is_none() {
            self.read += 1;
        }
        self.batch.end = self.place;
        let id = record.as_ref().map(|record| record.id.clone());
        self.batch.bytes += record.as_ref().map_or(0, |record| size(record.as_record()));
        let bad = BadRecord {
            item,
            id,
            stage,
            reason,
        };
        self.batch.bad.push((bad, record));
    }

    fn is_full(&self) -> bool {
        self.batch.records.len() >= BATCH_ITEMS.min(self.settings.batch_size)
            || self.batch.bytes >= BATCH_BYTES
            || self.batch.bad.len() >= BATCH_ITEMS
            || self.batch.end.items - self.batch.start >= MOST_ITEMS
    }

    fn close(&mut self) -> (Batch, HashSet<u64>) {
        let next = Batch::new(self.batch.number + 1, self.batch.end);
        (
            std::mem::replace(&mut self.batch, next),
            std::mem::take(&mut self.ids),
        )
    }
}
