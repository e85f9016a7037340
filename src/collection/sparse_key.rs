//! [`SparseKey`]: a metadata key with an index of sparse vectors, and the function that makes them.

use std::sync::Arc;

use super::embedding_functions::EmbeddingFunctions;
use crate::embed::{Allowed, SparseEmbeddingFunction, configured};
use crate::error::InvalidInput;
use crate::model::record::RecordRef;
use crate::model::schema::{DOCUMENT, Schema};

/// A metadata key with an index of sparse vectors, and the function that makes them.
pub(super) struct SparseKey {
    pub(super) key: String,
    /// The texts that writes embed. `None`: writes embed none, but searches do.
    source: Option<Source>,
    pub(super) function: Result<Arc<dyn SparseEmbeddingFunction>, InvalidInput>,
}

/// The texts that writes embed.
enum Source {
    Document,
    /// The text of a metadata key.
    Metadata(String),
}

impl SparseKey {
    /// Returns the keys of a schema that have a function: the given one, or else the one in the schema.
    pub(super) fn all(
        schema: &Schema,
        functions: &EmbeddingFunctions,
        allowed: &Allowed,
    ) -> Vec<SparseKey> {
        let key = |key: &str| {
            let index = schema.sparse_vector_index(key)?;
            let stored = index.embedding_function;
            let function = match (functions.sparse.get(key), stored) {
                (Some(given), _) => Ok(given.clone()),
                (None, Some(stored)) if stored.name.is_some() => {
                    configured::make_sparse(&stored, allowed)
                }
                (None, _) => return None,
            };
            let source = index.source_key.map(|source| match source.as_str() {
                DOCUMENT => Source::Document,
                _ => Source::Metadata(source),
            });
            Some(SparseKey {
                key: key.to_owned(),
                source,
                function,
            })
        };
        schema.keys().filter_map(key).collect()
    }

    /// Whether writes embed the documents.
    pub(super) fn embeds_documents(&self) -> bool {
        matches!(self.source, Some(Source::Document))
    }

    /// Returns the text of a record that a write embeds. `None` if the record has a value for the key, or no
    /// text.
    pub(super) fn text<'a>(&self, record: RecordRef<'a>) -> Option<&'a str> {
        if record.metadata.get(&self.key).is_some() {
            return None;
        }
        match self.source.as_ref()? {
            Source::Document => record.document,
            Source::Metadata(source) => record.metadata.get(source)?.as_str(),
        }
    }
}
