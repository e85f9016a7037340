//! [`Transaction`]: reads and writes that take effect only if nobody else wrote what was read.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::Collection;
use super::selection::Selection;
use crate::client::operations as op;
#[cfg(doc)]
use crate::error::Error;
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::results::{GetResult, Include};
use crate::model::rows::{IntoRecords, Rows};
use crate::transport::Operation;
use crate::wire::read;
use crate::wire::write::{self, Batch, Page};

/// Reads and writes of one collection that take effect together, and only if nobody else has meanwhile written a
/// record that was read: optimistic concurrency. Servers newer than 1.5.9 have it.
///
/// Reads are sent at once, and all see the collection as the first one found it. Writes are kept until
/// [`commit`](Transaction::commit); dropping the transaction forgets them. They go in one request, whatever the server's
/// limits; and as outside of a transaction, an `add` of an id that is there is ignored, and so is an `update` or a `delete`
/// of one that is not: read first. When somebody else was faster, `commit`
/// (or a read) fails with [`Error::Conflict`]: begin again.
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
    /// What pins all reads to the state that the first one found.
    read_token: Option<u64>,
    read_ids: BTreeSet<String>,
    written_ids: BTreeSet<String>,
    /// The writes as JSON, with commas between.
    operations: Vec<u8>,
}

/// What [`Transaction::commit`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Committed {
    /// Where in the collection's log the writes begin; `None` when there was nothing to write.
    #[serde(default)]
    pub first_inserted_record_offset: Option<i64>,
    /// The number of records that the commit named.
    pub record_count: usize,
}

impl Collection {
    /// Begins a transaction. Nothing is sent yet.
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
    /// Reads records by id; those that are not there are watched too.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on servers up to 1.5.9; [`Error::Invalid`] for an id that this transaction has written.
    pub fn get_ids<S: Into<String>>(
        &mut self,
        ids: impl IntoIterator<Item = S>,
        include: impl IntoIterator<Item = Include>,
    ) -> Result<GetResult> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let mut selection = Selection::default();
        selection.add_ids(ids.iter().cloned());
        let found = self.read(selection, Page::default(), include)?;
        self.read_ids.extend(ids);
        Ok(found)
    }

    /// Reads at most `limit` records that pass a filter. Only those found are watched: a record that comes to pass the
    /// filter later is no conflict.
    ///
    /// # Errors
    /// As for [`get_ids`](Transaction::get_ids).
    pub fn get_filtered(
        &mut self,
        filter: Where,
        limit: usize,
        include: impl IntoIterator<Item = Include>,
    ) -> Result<GetResult> {
        let mut selection = Selection::default();
        selection.add_filter(filter);
        let page = Page {
            limit: Some(limit.min(u32::MAX as usize)),
            offset: None,
        };
        let found = self.read(selection, page, include)?;
        self.read_ids.extend(found.ids.iter().cloned());
        Ok(found)
    }

    fn read(
        &mut self,
        selection: Selection,
        page: Page,
        include: impl IntoIterator<Item = Include>,
    ) -> Result<GetResult> {
        let operation = &op::CONDITIONAL_GET;
        let Some(parts) = self.collection.select(operation, selection)? else {
            return Ok(GetResult::default());
        };
        self.not_written(operation, parts.ids.iter().flatten())?;
        let include: Vec<_> = include.into_iter().collect();
        let body = write::conditional_get(&parts, &page, &include, self.read_token);
        let (found, token) = self
            .collection
            .request(operation)
            .body(&body)
            .send(read::conditional_get)?;
        self.not_written(operation, &found.ids)?;
        self.read_token.get_or_insert(token);
        Ok(found)
    }

    /// Adds records at the commit; [`Collection::add`] says how they are taken.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bad input, and for an id that is written twice in one transaction.
    pub fn add(&mut self, records: impl IntoRecords) -> Result<()> {
        self.write(&op::ADD, &records.into_records())
    }

    /// Writes records at the commit; [`Collection::upsert`] says how they are taken.
    ///
    /// # Errors
    /// As for [`add`](Transaction::add).
    pub fn upsert(&mut self, records: impl IntoRecords) -> Result<()> {
        self.write(&op::UPSERT, &records.into_records())
    }

    /// Changes records at the commit; [`Collection::update`] says how they are taken.
    ///
    /// # Errors
    /// As for [`add`](Transaction::add).
    pub fn update(&mut self, records: impl IntoRecords) -> Result<()> {
        self.write(&op::UPDATE, &records.into_records())
    }

    /// Deletes records at the commit, by id.
    ///
    /// # Errors
    /// As for [`add`](Transaction::add).
    pub fn delete<S: Into<String>>(&mut self, ids: impl IntoIterator<Item = S>) -> Result<()> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
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

    fn write(&mut self, operation: &'static Operation, rows: &dyn Rows) -> Result<()> {
        let collection = self.collection.begin();
        collection.with_vectors(operation, rows, |limits, vectors| {
            self.claim(operation, (0..rows.len()).map(|index| rows.row(index).id))?;
            let batch = Batch {
                rows,
                vectors,
                range: 0..rows.len(),
                nulls: operation.name != op::ADD.name,
                base64: limits.supports_base64_encoding,
            };
            self.buffer(operation, |to| batch.write(to));
            Ok(())
        })
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

    /// Each id may be written once: the server knows no order among the writes of one transaction.
    fn claim<'a>(
        &mut self,
        operation: &Operation,
        ids: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<()> {
        self.not_written(operation, ids.clone())?;
        self.written_ids.extend(ids.map(str::to_owned));
        Ok(())
    }

    fn not_written<S: AsRef<str>>(
        &self,
        operation: &Operation,
        ids: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let mut ids = ids.into_iter();
        match ids.find(|id| self.written_ids.contains(id.as_ref())) {
            Some(id) => {
                Err(self
                    .collection
                    .at(operation)
                    .invalid(InvalidInput::WrittenInTransaction {
                        id: id.as_ref().to_owned(),
                    }))
            }
            None => Ok(()),
        }
    }

    /// Sends the writes, all together. Without any, nothing is sent.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody else wrote what was read: nothing was written. After a lost answer
    /// ([`Error::Timeout`], [`Error::Connection`]) the writes may be in or not; they are not sent again.
    pub fn commit(self) -> Result<Committed> {
        if self.operations.is_empty() {
            return Ok(Committed {
                first_inserted_record_offset: None,
                record_count: 0,
            });
        }
        let body = write::conditional_commit(self.read_token, &self.read_ids, &self.operations);
        self.collection
            .request(&op::CONDITIONAL_COMMIT)
            .body(&body)
            .send(read::json)
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
