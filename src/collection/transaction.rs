//! [`Transaction`]: reads and writes that take effect together, or not at all.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::read::without_repeated;
use super::selection::Selection;
use super::{Collection, IntoIds, stamp};
use crate::client::operations as op;
use crate::error::{Error, InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::records::{IntoRecords, Records};
use crate::model::results::{GetResult, Include};
use crate::transport::Operation;
use crate::wire::read;
use crate::wire::requested::Requested;
use crate::wire::write::{self, Batch, Page, Stamp};

/// Reads and writes of one collection that take effect together, and only if no other program has written a
/// record that the transaction has read (optimistic concurrency). Needs a server newer than 1.5.9.
///
/// Reads are sent immediately. All reads see the collection in the state that the first read found. Writes
/// are kept in memory until [`commit`](Transaction::commit), which sends them in one request, even if it
/// exceeds the server's limits. Dropping the transaction discards them.
///
/// If another program has written a record that was read, `commit` or the next read fails with
/// [`Error::Conflict`]. Then start a new transaction.
///
/// As outside of a transaction, the server ignores an `add` of an id that exists, and an `update` or a
/// `delete` of an id that does not exist. To find out whether an id exists, read it first.
///
/// ```no_run
/// # use chroma_blocking::{Client, Error, Hashing, Record};
/// # let stock = Client::from_env()?.collection("stock").embedding_function(Hashing::default()).get()?;
/// loop {
///     let mut transaction = stock.transaction();
///     let found = transaction.get_ids(["apples"], [])?;
///     if found.is_empty() {
///         transaction.add([Record::new("apples").document("a crate of apples")])?;
///     }
///     match transaction.commit() {
///         Err(Error::Conflict { .. }) => continue,
///         result => break result.map(drop)?,
///     }
/// }
/// # Ok::<(), Error>(())
/// ```
#[must_use = "writes nothing until commit() is called"]
pub struct Transaction {
    collection: Collection,
    /// Identifies the state of the collection that the first read found, for all later reads.
    read_token: Option<u64>,
    read_ids: BTreeSet<String>,
    written_ids: BTreeSet<String>,
    /// The writes as JSON objects, separated by commas. Their stamps are not filled in.
    operations: Vec<u8>,
}

/// The result of [`Transaction::commit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Committed {
    /// The position of the first write in the collection's log; `None` if there was nothing to write.
    #[serde(default)]
    pub first_inserted_record_offset: Option<i64>,
    /// The number of records in the commit.
    pub record_count: usize,
}

impl Collection {
    /// Starts a transaction. Sends nothing yet.
    pub fn transaction(&self) -> Transaction {
        Transaction {
            collection: self.clone(),
            read_token: None,
            read_ids: BTreeSet::new(),
            written_ids: BTreeSet::new(),
            operations: Vec::new(),
        }
    }
}

impl Transaction {
    /// Reads records by id: one id or several. An id without a record counts as read, too: if another program
    /// adds that record, the commit fails. More than 10,000 ids (300 on Chroma Cloud) are split into several
    /// requests.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on servers up to 1.5.9; [`Error::Invalid`] for an id that this transaction has
    /// written.
    pub fn get_ids<M>(
        &mut self,
        ids: impl IntoIds<M>,
        include: impl IntoIterator<Item = Include>,
    ) -> Result<GetResult> {
        let ids = without_repeated(ids.into_ids());
        let include: Vec<Include> = include.into_iter().collect();
        let mut found = GetResult::empty(&include);
        let max = self.collection.limits().ids(&Parts::default());
        for ids in ids.chunks(max) {
            let selection = Selection::from_ids(ids.iter());
            let more = self.read(selection, &Page::default(), include.iter().copied())?;
            found.append(more).map_err(|message| Error::Decode {
                call: Box::new(self.collection.unsent_call(&op::CONDITIONAL_GET)),
                message,
            })?;
        }
        self.read_ids.extend(ids);
        Ok(found)
    }

    /// Reads at most `limit` records that pass a filter. Only the returned records count as read: if another
    /// program later changes a different record so that it passes the filter, that is not a conflict.
    ///
    /// # Errors
    /// As for [`get_ids`](Transaction::get_ids).
    pub fn get_filtered(
        &mut self,
        filter: Where,
        limit: usize,
        include: impl IntoIterator<Item = Include>,
    ) -> Result<GetResult> {
        let selection = Selection::from_filter(filter);
        let page = Page {
            limit: Some(limit.min(u32::MAX as usize)),
            offset: None,
        };
        let found = self.read(selection, &page, include)?;
        self.read_ids.extend(found.ids.iter().cloned());
        Ok(found)
    }

    fn read(
        &mut self,
        selection: Selection,
        page: &Page,
        include: impl IntoIterator<Item = Include>,
    ) -> Result<GetResult> {
        let operation = &op::CONDITIONAL_GET;
        let include: Vec<_> = include.into_iter().collect();
        let Some(parts) = self.collection.select(operation, selection)? else {
            return Ok(GetResult::empty(&include));
        };
        self.refuse_written(operation, parts.ids.iter().flatten())?;
        let requested = Requested::new(parts.ids.as_deref(), page.limit);
        let body = write::selection(&parts, page, Some(&include));
        let body = write::with_read_token(body, self.read_token);
        let request = self.collection.request(operation).body(&body);
        let (mut found, token) =
            request.send(|answer| read::conditional_get(answer, &requested))?;
        let metadatas = found.metadatas.iter_mut().flatten();
        self.collection.hide_stamps(metadatas);
        self.refuse_written(operation, &found.ids)?;
        self.read_token.get_or_insert(token);
        Ok(found)
    }

    /// Adds records at the commit. Takes the same records as [`Collection::add`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for bad input, and for an id that this transaction has written before.
    pub fn add(&mut self, records: impl IntoRecords) -> Result<()> {
        self.write(&op::ADD, &records.into_records())
    }

    /// Adds or updates records at the commit. Takes the same records as [`Collection::upsert`].
    ///
    /// # Errors
    /// As for [`add`](Transaction::add).
    pub fn upsert(&mut self, records: impl IntoRecords) -> Result<()> {
        self.write(&op::UPSERT, &records.into_records())
    }

    /// Updates records at the commit. Takes the same records as [`Collection::update`].
    ///
    /// # Errors
    /// As for [`add`](Transaction::add).
    pub fn update(&mut self, records: impl IntoRecords) -> Result<()> {
        self.write(&op::UPDATE, &records.into_records())
    }

    /// Deletes records at the commit, by id: one id or several.
    ///
    /// # Errors
    /// As for [`add`](Transaction::add).
    pub fn delete<M>(&mut self, ids: impl IntoIds<M>) -> Result<()> {
        let ids = ids.into_ids();
        if ids.is_empty() {
            return Ok(());
        }
        self.claim(&op::DELETE, ids.iter().map(String::as_str))?;
        let parts = Parts {
            ids: Some(ids),
            ..Parts::default()
        };
        let payload = write::selection(&parts, &Page::default(), None);
        self.buffer(&op::DELETE, |to| to.extend_from_slice(&payload));
        Ok(())
    }

    fn write(&mut self, operation: &'static Operation, records: &dyn Records) -> Result<()> {
        let collection = self.collection.begin();
        let ids = || (0..records.len()).map(|index| records.record(index).id);
        // Embedding may cost money.
        self.refuse_written(operation, ids())?;
        let Some(prepared) = collection.prepare(operation, records)? else {
            return Ok(());
        };
        self.claim(operation, ids())?;
        let vectors = prepared.vectors();
        let batch = Batch {
            // The time of the commit.
            stamp: collection.stamps_writes().then_some(Stamp::Later),
            ..prepared.batch(&vectors, 0..records.len())
        };
        self.buffer(operation, |to| batch.write(to));
        Ok(())
    }

    fn buffer(&mut self, operation: &Operation, payload: impl FnOnce(&mut Vec<u8>)) {
        if !self.operations.is_empty() {
            self.operations.push(b',');
        }
        let start = format!("{{\"operation\":\"{}\",\"payload\":", operation.name);
        self.operations.extend_from_slice(start.as_bytes());
        payload(&mut self.operations);
        self.operations.push(b'}');
    }

    /// Marks ids as written. Each id may be written once: the server does not order the writes of a
    /// transaction.
    fn claim<'a>(
        &mut self,
        operation: &Operation,
        ids: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<()> {
        self.refuse_written(operation, ids.clone())?;
        self.written_ids.extend(ids.map(str::to_owned));
        Ok(())
    }

    /// Refuses ids that this transaction has written.
    fn refuse_written<S: AsRef<str>>(
        &self,
        operation: &Operation,
        ids: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let mut ids = ids.into_iter();
        match ids.find(|id| self.written_ids.contains(id.as_ref())) {
            Some(id) => Err(self.collection.unsent_call(operation).invalid(
                InvalidInput::WrittenInTransaction {
                    id: id.as_ref().to_owned(),
                },
            )),
            None => Ok(()),
        }
    }

    /// Sends all writes in one request. Without writes, sends nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another program wrote a record that was read; nothing is written then. After
    /// [`Error::Timeout`] or [`Error::Connection`], the server may have written all of them or none. The
    /// request is not sent again.
    pub fn commit(self) -> Result<Committed> {
        if self.operations.is_empty() {
            return Ok(Committed {
                first_inserted_record_offset: None,
                record_count: 0,
            });
        }
        let commit = write::Commit {
            read_token: self.read_token,
            read_ids: &self.read_ids,
            operations: &self.operations,
            stamp: stamp::now(),
        };
        let body = commit.body();
        let request = self.collection.request(&op::CONDITIONAL_COMMIT);
        let committed = request.body(&body).send(read::json);
        self.collection.announce(&committed, || {
            Some(self.written_ids.iter().map(String::as_str).collect())
        });
        committed
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("collection", &self.collection.name())
            .field("read_ids", &self.read_ids)
            .field("written_ids", &self.written_ids)
            .finish_non_exhaustive()
    }
}
