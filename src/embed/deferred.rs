//! [`Deferred`]: a function that is made when its first text is embedded.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::context::{EmbeddingContext, Purpose};
use super::error::EmbeddingError;
use super::function::EmbeddingFunction;
use crate::environment::Environment;
use crate::error::InvalidInput;
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// The function that a collection's configuration describes. It reads the API key, or loads the model, when
/// it embeds the first text, so a program that only uses vectors needs neither.
pub(super) struct Deferred {
    /// The name, as it is stored.
    pub(super) name: String,
    /// The settings, as they are stored, without lists and objects that the function does not know.
    pub(super) config: Value,
    /// The floats of a vector, if the configuration tells them.
    pub(super) dimension: Option<usize>,
    pub(super) default_space: Space,
    /// The cache keys of documents and of queries.
    pub(super) cache_keys: [String; 2],
    pub(super) make: Make,
    pub(super) made: OnceLock<Arc<dyn EmbeddingFunction>>,
}

/// Makes the function, or says why it cannot be made.
pub(super) type Make =
    Box<dyn Fn(&Environment<'_>) -> Result<Arc<dyn EmbeddingFunction>, String> + Send + Sync>;

impl Deferred {
    /// Returns the function. Makes it unless an earlier call has made it.
    pub(super) fn get(
        &self,
        environment: &Environment<'_>,
    ) -> Result<&dyn EmbeddingFunction, EmbeddingError> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = (self.make)(environment).map_err(|why| {
            let name = self.name.clone();
            InvalidInput::StoredEmbeddingFunction { name, why }
        })?;
        Ok(self.made.get_or_init(|| made))
    }
}

impl EmbeddingFunction for Deferred {
    fn name(&self) -> &str {
        &self.name
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.get(&Environment::of_process())?
            .embed_documents(documents)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.get(&Environment::of_process())?.embed_queries(queries)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        self.get(&Environment::of_process())?
            .embed_with(texts, context)
    }

    fn dimension(&self) -> Option<usize> {
        let learned = self.made.get().and_then(EmbeddingFunction::dimension);
        self.dimension.or(learned)
    }

    fn default_space(&self) -> Space {
        self.default_space
    }

    fn config(&self) -> Option<Value> {
        Some(self.config.clone())
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        let [documents, queries] = &self.cache_keys;
        match purpose {
            Purpose::Documents => documents.clone(),
            Purpose::Queries => queries.clone(),
        }
    }
}
