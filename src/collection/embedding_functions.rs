//! [`EmbeddingFunctions`]: the embedding functions that the caller sets for a collection.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::stored::Stored;
use crate::embed::{EmbeddingFunction, SparseEmbeddingFunction, configured};
use crate::error::InvalidInput;
use crate::model::schema::{Schema, SparseVectorIndexConfig};

/// The embedding functions that the caller sets for a collection. Those that are not set are made of what the
/// collection stores.
#[derive(Clone, Default)]
pub(super) struct EmbeddingFunctions {
    /// The function of the vectors.
    pub(super) dense: Option<Arc<dyn EmbeddingFunction>>,
    /// The functions of sparse vectors, by metadata key.
    pub(super) sparse: BTreeMap<String, Arc<dyn SparseEmbeddingFunction>>,
}

impl EmbeddingFunctions {
    /// Checks that the functions make the same vectors as those that the collection stores.
    ///
    /// # Errors
    /// [`InvalidInput::EmbeddingFunctionConflict`] if one does not; [`InvalidInput::Setting`] for a key
    /// without an index of sparse vectors.
    pub(super) fn check(&self, stored: &Stored) -> Result<(), InvalidInput> {
        if let (Some(configured), Some(given)) = (stored.function(), &self.dense) {
            configured::check(&configured, given.as_ref())?;
        }
        for (key, function) in &self.sparse {
            let index = index(stored.schema.as_ref(), key)?;
            if let Some(stored) = &index.embedding_function {
                configured::check_sparse(stored, function.as_ref())?;
            }
        }
        Ok(())
    }

    /// Adds the configurations of the sparse functions to the indexes of a schema that have none.
    ///
    /// # Errors
    /// As for [`check`](EmbeddingFunctions::check).
    pub(super) fn complete(&self, mut schema: Schema) -> Result<Schema, InvalidInput> {
        for (key, function) in &self.sparse {
            let index = index(Some(&schema), key)?;
            let stored = index.embedding_function.as_ref();
            if let Some(stored) = stored.filter(|stored| stored.name.is_some()) {
                configured::check_sparse(stored, function.as_ref())?;
            } else {
                let index = index.embedding_function(function.clone());
                schema = schema.create_sparse_vector_index(key, index);
            }
        }
        Ok(schema)
    }

    /// Replaces the configurations of the sparse functions in a schema.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] for a key without an index of sparse vectors.
    pub(super) fn replace(&self, mut schema: Schema) -> Result<Schema, InvalidInput> {
        for (key, function) in &self.sparse {
            let index = index(Some(&schema), key)?.embedding_function(function.clone());
            schema = schema.create_sparse_vector_index(key, index);
        }
        Ok(schema)
    }

    /// Refuses functions for metadata keys if the new collection has no schema.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if a function is set for a key.
    pub(super) fn check_without_schema(&self) -> Result<(), InvalidInput> {
        if let Some(key) = self.sparse.keys().next() {
            index(None, key)?;
        }
        Ok(())
    }
}

/// Returns the index of the sparse vectors of a key.
fn index(schema: Option<&Schema>, key: &str) -> Result<SparseVectorIndexConfig, InvalidInput> {
    let index = schema.and_then(|schema| schema.sparse_vector_index(key));
    index.ok_or_else(|| {
        let why = "the collection's schema has no sparse vector index for this key; create the collection with \
                   Schema::create_sparse_vector_index";
        InvalidInput::setting("sparse_embedding_function", key, why)
    })
}
