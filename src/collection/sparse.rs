//! [`SparseTexts`]: the texts of a write whose sparse vectors the schema asks for. [`Filled`]: the records
//! with these vectors.

use std::time::Instant;

use super::Collection;
use super::sparse_key::SparseKey;
use crate::embed::{self, EmbeddingContext, EmbeddingError, Purpose, SparseEmbeddingFunction};
use crate::error::{Error, InvalidInput, Result};
use crate::model::metadata::{Metadata, SparseVector};
use crate::model::record::RecordRef;
use crate::model::records::Records;
use crate::transport::Operation;

/// The texts of a write that the function of one metadata key embeds.
pub(super) struct SparseTexts<'a> {
    key: &'a SparseKey,
    function: &'a dyn SparseEmbeddingFunction,
    /// The indices of the records.
    records: Vec<usize>,
    texts: Vec<&'a str>,
}

/// Records with the sparse vectors that the schema asks for. Only metadata with a new vector are copied.
pub(super) struct Filled<'a> {
    records: &'a dyn Records,
    metadatas: Vec<Option<Metadata>>,
}

impl Records for Filled<'_> {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn record(&self, index: usize) -> RecordRef<'_> {
        let record = self.records.record(index);
        match &self.metadatas[index] {
            Some(metadata) => RecordRef { metadata, ..record },
            None => record,
        }
    }
}

impl Collection {
    /// Returns the texts whose sparse vectors the schema asks for. Sends nothing.
    ///
    /// # Errors
    /// If a function is needed that cannot run here.
    pub(super) fn sparse_texts<'a>(
        &'a self,
        operation: &'static Operation,
        records: &'a dyn Records,
    ) -> Result<Vec<SparseTexts<'a>>> {
        let mut all = Vec::new();
        for key in &self.inner.sparse_keys {
            let (indices, texts): (Vec<usize>, Vec<&str>) = (0..records.len())
                .filter_map(|index| Some((index, key.text(records.record(index))?)))
                .unzip();
            if !texts.is_empty() {
                all.push(SparseTexts {
                    key,
                    function: self.sparse_function(operation, key)?,
                    records: indices,
                    texts,
                });
            }
        }
        Ok(all)
    }

    /// Adds the sparse vectors of texts to records. Returns `None` if there are no texts.
    pub(super) fn fill_in<'a>(
        &self,
        operation: &'static Operation,
        records: &'a dyn Records,
        texts: &[SparseTexts<'_>],
    ) -> Result<Option<Filled<'a>>> {
        if texts.is_empty() {
            return Ok(None);
        }
        let work = (Purpose::Documents, count(texts));
        let metadatas = self.with_context(operation.name, work, |context| {
            self.sparse_metadatas((operation, records), texts, context)
        })?;
        Ok(Some(Filled { records, metadatas }))
    }

    /// Returns the metadata of those records for which the schema asks for sparse vectors, with the vectors.
    /// A batch job calls it before it writes, so that no repeated write embeds the texts again.
    pub(crate) fn with_sparse_vectors(
        &self,
        operation: &'static Operation,
        records: &dyn Records,
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<Option<Metadata>>> {
        let texts = self.sparse_texts(operation, records)?;
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        self.sparse_metadatas((operation, records), &texts, context)
    }

    fn sparse_metadatas(
        &self,
        (operation, records): (&'static Operation, &dyn Records),
        texts: &[SparseTexts<'_>],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<Option<Metadata>>> {
        let all = count(texts);
        let mut before = 0;
        let mut metadatas = vec![None; records.len()];
        for texts in texts {
            let done_of_all = |done| before + done;
            let vectors = context.part_by(done_of_all, all, |part| {
                self.embed_sparse(operation, texts.function, &texts.texts, part)
            });
            let vectors = vectors.map_err(|error| embed::by_record(error, &texts.records))?;
            insert(&mut metadatas, records, texts, vectors);
            before += texts.texts.len();
        }
        Ok(metadatas)
    }

    /// Whether a write of this record makes the value of a metadata key.
    pub(crate) fn fills_in(&self, key: &str, record: RecordRef<'_>) -> bool {
        let mut keys = self.inner.sparse_keys.iter();
        keys.any(|sparse| sparse.key == key && sparse.text(record).is_some())
    }

    /// Embeds texts with the function of a metadata key, and counts the call.
    pub(super) fn embed_sparse(
        &self,
        operation: &'static Operation,
        function: &dyn SparseEmbeddingFunction,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>> {
        if context.is_cancelled() {
            let call = Box::new(self.unsent_call(operation));
            return Err(Error::Cancelled { call });
        }
        let started = Instant::now();
        let embedded = embed::embed_sparse(function, texts, context);
        let embedded =
            embedded.map_err(|error| self.sparse_failure(operation, function.name(), error));
        let work = (function.name(), texts.len());
        self.count_embedding(work, &embedded, started, context);
        embedded
    }

    /// Returns the function of a metadata key.
    ///
    /// # Errors
    /// If the schema describes one that cannot run here.
    pub(super) fn sparse_function<'a>(
        &self,
        operation: &'static Operation,
        key: &'a SparseKey,
    ) -> Result<&'a dyn SparseEmbeddingFunction> {
        let function = key.function.as_deref();
        function.map_err(|reason| self.unsent_call(operation).invalid(reason.clone()))
    }

    fn sparse_failure(
        &self,
        operation: &'static Operation,
        function: &str,
        error: EmbeddingError,
    ) -> Error {
        let call = self.unsent_call(operation);
        let error = match error.downcast::<InvalidInput>() {
            Ok(reason) => return call.invalid(*reason),
            Err(error) => error,
        };
        match error.downcast_ref() {
            // The function did not fail: its settings are missing.
            Some(Error::Invalid {
                reason: reason @ InvalidInput::StoredSparseFunction { .. },
                ..
            }) => call.invalid(reason.clone()),
            _ => Error::Embedding {
                call: Box::new(call),
                function: function.to_owned(),
                source: error,
            },
        }
    }
}

/// Returns the number of texts of all keys.
fn count(texts: &[SparseTexts<'_>]) -> usize {
    texts.iter().map(|texts| texts.texts.len()).sum()
}

/// Adds vectors to copies of the metadata of their records.
fn insert(
    metadatas: &mut [Option<Metadata>],
    records: &dyn Records,
    texts: &SparseTexts<'_>,
    vectors: Vec<SparseVector>,
) {
    for (index, vector) in texts.records.iter().zip(vectors) {
        let metadata =
            metadatas[*index].get_or_insert_with(|| records.record(*index).metadata.clone());
        metadata.insert(texts.key.key.as_str(), vector);
    }
}
