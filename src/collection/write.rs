//! Writes records: checks them, embeds their texts, and sends them in one or more requests.

use std::sync::atomic::Ordering;

use super::Collection;
use super::batches::Batches;
use super::embedding::TextEmbedder;
use super::sparse::Filled;
use super::stamp;
use crate::client::{Feature, PreFlightChecks, operations as op};
use crate::embed::{self, Purpose};
#[cfg(doc)]
use crate::error::Error;
use crate::error::{InvalidInput, Result};
use crate::model::check::{CheckedRecords, RecordCheck};
use crate::model::embeddings::Embeddings;
use crate::model::records::{IntoRecords, Records};
use crate::transport::Operation;
use crate::wire::read;
use crate::wire::write::{self, Batch, Stamp};

impl Collection {
    /// Adds new records. The server ignores a record whose id already exists, without an error; to replace
    /// it, use [`upsert`](Collection::upsert).
    ///
    /// Takes the same records as [`upsert`](Collection::upsert).
    ///
    /// # Errors
    /// As for [`upsert`](Collection::upsert).
    pub fn add(&self, records: impl IntoRecords) -> Result<()> {
        self.begin().write(&op::ADD, &records.into_records())
    }

    /// Adds records, or updates those whose id already exists.
    ///
    /// An update replaces what the new record has: its vector, its document, each of its metadata keys.
    /// Everything else is kept. To remove a metadata key, use
    /// [`Record::remove_metadata`](crate::Record::remove_metadata).
    ///
    /// A record with a document and no vector is embedded. If an [index of sparse
    /// vectors](crate::schema::SparseVectorIndexConfig) has a function and a source, the texts of the source
    /// are embedded as well. A record that has a value for the index's key keeps it. A large call is split
    /// into as many requests as the server's limits require.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Record};
    /// # use chroma_blocking::record::Columns;
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// notes.upsert([
    ///     Record::new("1")
    ///         .document("Rust has no garbage collector")
    ///         .metadata("year", 2015),
    ///     Record::new("2").document("Chroma stores embeddings"),
    /// ])?;
    /// // Borrowed columns:
    /// let ids = ["3"];
    /// notes.upsert(Columns::new(&ids).documents(&["Cargo builds Rust programs"]))?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`Error::Invalid`] for input that the server would refuse or lose. Nothing is sent then.
    /// - [`Error::PartlyDone`], with the ids, if a later one of several requests fails.
    pub fn upsert(&self, records: impl IntoRecords) -> Result<()> {
        self.begin().write(&op::UPSERT, &records.into_records())
    }

    /// Updates existing records: replaces what a record has, and keeps everything else. A new document
    /// without a vector is embedded. The server ignores an id that does not exist, without an error.
    ///
    /// Takes the same records as [`upsert`](Collection::upsert).
    ///
    /// # Errors
    /// As for [`upsert`](Collection::upsert).
    pub fn update(&self, records: impl IntoRecords) -> Result<()> {
        self.begin().write(&op::UPDATE, &records.into_records())
    }

    /// Writes records with one of the operations `add`, `upsert` and `update`.
    pub(crate) fn write(&self, operation: &'static Operation, records: &dyn Records) -> Result<()> {
        let Some(prepared) = self.prepare(operation, records)? else {
            return Ok(());
        };
        let records = prepared.records();
        let vectors = prepared.vectors();
        let base64 = prepared.limits.supports_base64_encoding;
        let stamp = if prepared.stamped {
            write::STAMP_LEN
        } else {
            0
        };
        let batches = Batches {
            operation,
            count: records.len(),
            entry_size: |index: usize| {
                write::size(records.record(index), vectors[index], base64) + stamp
            },
            overhead: 0,
            max_count: prepared.limits.max_batch_size,
        };
        let mut body = Vec::new();
        let sent = batches.send(self, |range, bytes| {
            body.clear();
            // Without `exact`, the buffer could double for a request that is a little larger than the one
            // before.
            body.reserve_exact(bytes);
            prepared.batch(&vectors, range.clone()).write(&mut body);
            let sent = self.request(operation).body(&body).send(read::done);
            self.announce(&sent, || {
                Some(range.map(|index| records.record(index).id).collect())
            });
            sent
        });
        let sent = sent.map_err(|failed| {
            let ids: Vec<&str> = (0..records.len())
                .map(|index| records.record(index).id)
                .collect();
            failed.with_ids(&ids)
        })?;
        if let Some(bytes) = sent.reduced_payload {
            self.client().limit_payload_size(bytes);
        }
        if let Some(vector) = vectors.iter().flatten().next() {
            self.inner.dimension.store(vector.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Checks records, adds the sparse vectors that the schema asks for, and embeds the records that have a
    /// document and no vector. Returns `None` if there are no records.
    pub(super) fn prepare<'a>(
        &'a self,
        operation: &'static Operation,
        records: &'a dyn Records,
    ) -> Result<Option<Prepared<'a>>> {
        let function = self.embedding_function();
        let check = RecordCheck {
            dimension: self.dimension().or(function.and_then(|f| f.dimension())),
            is_update: operation.name == op::UPDATE.name,
            is_single_node: self.is_single_node(),
            is_stamped: self.stamps_writes(),
        };
        let CheckedRecords {
            to_embed,
            has_sparse,
        } = check
            .check_all(records)
            .map_err(|reason| self.unsent_call(operation).invalid(reason))?;
        if records.is_empty() {
            return Ok(None);
        }
        let first = to_embed.first().map(|index| records.record(*index).id);
        let embedder = first.map(|id| self.embedder(operation, || format!("record {id:?}")));
        let embedder = embedder.transpose()?;
        let sparse = self.sparse_write(operation, records)?;
        // Embedding may cost money, so the server is asked first whether it is there.
        let limits = self.client.pre_flight_checks()?;
        // A sparse vector breaks servers of Chroma 1.0.21 and 1.1 for good.
        if has_sparse || !sparse.is_empty() {
            self.require(operation, Feature::SparseVectors)?;
        }
        // Sparse vectors first: they cost less, so a failure of the second function wastes less.
        let filled = sparse.fill_in()?;
        let embeddings = embedder.map(|embedder| embed_records(&embedder, records, &to_embed));
        let prepared = Prepared {
            records,
            filled,
            limits,
            // `add` has no metadata keys to remove.
            nulls: operation.name != op::ADD.name,
            stamped: self.stamps_writes(),
            embeddings: embeddings.transpose()?.unwrap_or_default(),
            embedded: to_embed,
        };
        if !prepared.embedded.is_empty() {
            self.check_dimension(operation, records, &prepared.vectors())?;
        }
        Ok(Some(prepared))
    }

    /// Refuses vectors of different dimensions: given ones and embedded ones must match.
    fn check_dimension(
        &self,
        operation: &Operation,
        records: &dyn Records,
        vectors: &[Option<&[f32]>],
    ) -> Result<()> {
        let mut expected = self.dimension();
        for (index, vector) in vectors.iter().enumerate() {
            let Some(vector) = vector else { continue };
            let expected = *expected.get_or_insert(vector.len());
            if vector.len() != expected {
                let reason = InvalidInput::Dimension {
                    of: format!("record {:?}", records.record(index).id),
                    expected,
                    found: vector.len(),
                };
                return Err(self.unsent_call(operation).invalid(reason));
            }
        }
        Ok(())
    }
}

/// Embeds the documents of these records.
fn embed_records(
    embedder: &TextEmbedder<'_>,
    records: &dyn Records,
    indices: &[usize],
) -> Result<Embeddings> {
    let texts: Vec<&str> = indices
        .iter()
        .map(|index| records.record(*index).document.unwrap_or_default())
        .collect();
    embedder
        .embed(&texts, Purpose::Documents)
        .map_err(|error| embed::by_record(error, indices))
}

/// Records that are ready to be sent.
pub(super) struct Prepared<'a> {
    /// The records as the caller passed them.
    records: &'a dyn Records,
    /// The records with their sparse vectors, if the schema asks for any.
    filled: Option<Filled<'a>>,
    limits: PreFlightChecks,
    /// Whether metadata values may be null, which removes the key.
    nulls: bool,
    /// Whether the records get a stamp.
    stamped: bool,
    /// The indices of the records that were embedded.
    embedded: Vec<usize>,
    /// The vectors of these records, in the same order.
    embeddings: Embeddings,
}

impl Prepared<'_> {
    /// Returns the records as they are sent.
    pub(super) fn records(&self) -> &dyn Records {
        match &self.filled {
            Some(filled) => filled,
            None => self.records,
        }
    }

    /// Returns the vector of each record: the given one or the embedded one.
    pub(super) fn vectors(&self) -> Vec<Option<&[f32]>> {
        let mut vectors: Vec<Option<&[f32]>> = (0..self.records.len())
            .map(|index| self.records.record(index).embedding)
            .collect();
        for (index, vector) in self.embedded.iter().zip(self.embeddings.rows()) {
            vectors[*index] = Some(vector);
        }
        vectors
    }

    /// Returns some of the records as the body of a request, stamped with the current time. `vectors` are the
    /// vectors of all records.
    pub(super) fn batch<'b>(
        &'b self,
        vectors: &'b [Option<&'b [f32]>],
        range: std::ops::Range<usize>,
    ) -> Batch<'b> {
        Batch {
            rows: self.records(),
            vectors,
            range,
            nulls: self.nulls,
            stamp: self.stamped.then(|| Stamp::At(stamp::now())),
            base64: self.limits.supports_base64_encoding,
        }
    }
}
