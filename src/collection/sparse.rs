//! Adds the sparse vectors that a schema asks for to records and searches.

use super::Collection;
use crate::embed::{EmbeddingError, SparseEmbeddingFunction};
use crate::error::{Error, InvalidInput, Result};
use crate::model::metadata::{MetadataValue, SparseVector};
use crate::model::record::Record;
use crate::model::records::Records;
use crate::transport::Operation;

impl Collection {
    /// Adds the sparse vectors that the schema asks for. Returns `None` if there are none to add.
    pub(super) fn with_sparse_vectors(
        &self,
        operation: &'static Operation,
        records: &dyn Records,
    ) -> Result<Option<Vec<Record>>> {
        let mut filled: Option<Vec<Record>> = None;
        for sparse in &self.inner.sparse_keys {
            let (indices, texts): (Vec<usize>, Vec<&str>) = (0..records.len())
                .filter_map(|index| Some((index, sparse.text(records.record(index))?)))
                .unzip();
            if texts.is_empty() {
                continue;
            }
            let failed = |name: &str, error| self.sparse_failure(operation, name, error);
            let vectors = sparse.embed(
                |function| function.embed_documents(&texts),
                texts.len(),
                failed,
            )?;
            let owned = || (0..records.len()).map(|index| records.record(index).into());
            let filled = filled.get_or_insert_with(|| owned().collect());
            for (index, vector) in indices.into_iter().zip(vectors) {
                // A text without known words has no vector. `Null` removes that of an earlier text.
                let value = if vector.indices.is_empty() {
                    MetadataValue::Null
                } else {
                    vector.into()
                };
                filled[index].metadata.insert(sparse.key.as_str(), value);
            }
        }
        Ok(filled)
    }

    /// Embeds the texts of a search in the sparse vectors of a key. Returns `None` if the schema has no
    /// function for the key.
    pub(super) fn sparse_queries(
        &self,
        operation: &'static Operation,
        key: &str,
        texts: &[&str],
    ) -> Result<Option<Vec<SparseVector>>> {
        let mut keys = self.inner.sparse_keys.iter();
        let Some(sparse) = keys.find(|sparse| sparse.key == key) else {
            return Ok(None);
        };
        let failed = |name: &str, error| self.sparse_failure(operation, name, error);
        let embed = |function: &dyn SparseEmbeddingFunction| function.embed_queries(texts);
        sparse.embed(embed, texts.len(), failed).map(Some)
    }

    fn sparse_failure(
        &self,
        operation: &'static Operation,
        function: &str,
        error: EmbeddingError,
    ) -> Error {
        let call = self.unsent_call(operation);
        match error.downcast::<InvalidInput>() {
            Ok(reason) => call.invalid(*reason),
            Err(source) => Error::Embedding {
                call: Box::new(call),
                function: function.to_owned(),
                source,
            },
        }
    }
}
