//! [`SparseKey`]: a metadata key that writes fill in with sparse vectors of a text.

use std::sync::Arc;

use crate::embed::{self, Allowed, EmbeddingError, SparseEmbeddingFunction};
use crate::error::{Error, InvalidInput, Result};
use crate::model::metadata::SparseVector;
use crate::model::record::RecordRef;
use crate::model::schema::{DOCUMENT, Schema};

/// A metadata key with an index of sparse vectors, and the function in the schema that makes them.
pub(super) struct SparseKey {
    pub(super) key: String,
    /// The key of the texts. `None`: the document.
    source: Option<String>,
    function: Result<Arc<dyn SparseEmbeddingFunction>, InvalidInput>,
}

impl SparseKey {
    /// Returns the keys of a schema that have a function and a source.
    pub(super) fn all(schema: &Schema, allowed: &Allowed) -> Vec<SparseKey> {
        let key = |key: &str| {
            let index = schema.sparse_vector_index(key)?;
            let function = index
                .embedding_function
                .filter(|stored| stored.name.is_some())?;
            let source = index.source_key?;
            Some(SparseKey {
                key: key.to_owned(),
                source: (source != DOCUMENT).then_some(source),
                function: embed::make_sparse(&function, allowed),
            })
        };
        schema.keys().filter_map(key).collect()
    }

    /// Returns the text of a record, unless the record has a value for the key.
    pub(super) fn text<'a>(&self, record: RecordRef<'a>) -> Option<&'a str> {
        if record.metadata.get(&self.key).is_some() {
            return None;
        }
        match &self.source {
            None => record.document,
            Some(source) => record.metadata.get(source)?.as_str(),
        }
    }

    /// Embeds texts with the function. `failed` makes the error of a call, of the name of the function and the
    /// cause.
    pub(super) fn embed(
        &self,
        embed: impl FnOnce(&dyn SparseEmbeddingFunction) -> Result<Vec<SparseVector>, EmbeddingError>,
        texts: usize,
        failed: impl Fn(&str, EmbeddingError) -> Error,
    ) -> Result<Vec<SparseVector>> {
        let function = match &self.function {
            Ok(function) => &**function,
            Err(reason) => return Err(failed(&self.key, reason.clone().into())),
        };
        let vectors = embed(function).map_err(|error| failed(function.name(), error))?;
        if vectors.len() == texts {
            return Ok(vectors);
        }
        let found = vectors.len();
        let mistake = format!("it returned {found} vectors for {texts} texts");
        Err(failed(function.name(), mistake.into()))
    }
}
