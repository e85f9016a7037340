//! [`SparseEmbeddingFunction`]: the trait of what turns texts into sparse vectors.

use serde_json::Value;

use super::error::EmbeddingError;
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::metadata::SparseVector;

/// Turns texts into sparse vectors, for a metadata key with a
/// [sparse vector index](crate::schema::SparseVectorIndexConfig).
pub trait SparseEmbeddingFunction: Send + Sync {
    /// Returns the name that a collection's schema stores. For functions that Chroma's other clients also
    /// have, this is Chroma's name.
    fn name(&self) -> &str;

    /// Embeds texts that are stored. Returns one vector for each text, in the same order. A text without any
    /// known word has an empty vector.
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError>;

    /// Embeds texts that search for stored ones. Default: calls
    /// [`embed_documents`](Self::embed_documents).
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
        self.embed_documents(queries)
    }

    /// Returns what a schema stores in addition to the name: a JSON object without secrets. With `None`, the
    /// default, the schema does not mention the function.
    fn config(&self) -> Option<Value> {
        None
    }

    /// Returns what a schema stores: name and [`config`](Self::config), for
    /// [`SparseVectorIndexConfig::embedding_function`](crate::schema::SparseVectorIndexConfig::embedding_function).
    fn configuration(&self) -> EmbeddingFunctionConfiguration {
        let config = self.config().unwrap_or_default();
        EmbeddingFunctionConfiguration::known(self.name(), config)
    }
}
