//! [`Onnx`]: an embedding function that runs a model on this machine.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::model::{Method, Model};
use crate::embed::context::{EmbeddingContext, Purpose};
use crate::embed::error::EmbeddingError;
use crate::embed::function::EmbeddingFunction;
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// An embedding function that runs a model on this machine: offline, without a key, and without Python.
///
/// [`Onnx::mini_lm`] is Chroma's default function.
#[derive(Clone)]
pub struct Onnx {
    model: Arc<Model>,
    settings: Settings,
}

/// What a function needs besides its model.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) identity: Identity,
    pub(super) method: Method,
    pub(super) document_prefix: String,
    pub(super) query_prefix: String,
}

/// What a collection stores about a function.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) config: Value,
    pub(super) space: Space,
}

impl Onnx {
    pub(super) fn of(model: Arc<Model>, settings: Settings) -> Onnx {
        Onnx { model, settings }
    }

    fn embed(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let prefix = match context.purpose() {
            Purpose::Documents => &self.settings.document_prefix,
            Purpose::Queries => &self.settings.query_prefix,
        };
        let prefixed: Vec<String> = texts.iter().map(|text| format!("{prefix}{text}")).collect();
        let mut report = |done| {
            context.progress(done, texts.len());
            !context.is_cancelled()
        };
        let vectors = self
            .model
            .embed(&prefixed, self.settings.method, &mut report)?;
        let vectors = vectors.ok_or("cancelled")?;
        Ok(Embeddings::of_whole_rows(vectors, self.model.dimension()))
    }
}

impl fmt::Debug for Onnx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onnx")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl EmbeddingFunction for Onnx {
    fn name(&self) -> &str {
        &self.settings.identity.name
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed(documents, &mut EmbeddingContext::new(Purpose::Documents))
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed(queries, &mut EmbeddingContext::new(Purpose::Queries))
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        self.embed(texts, context)
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.model.dimension())
    }

    fn default_space(&self) -> Space {
        self.settings.identity.space
    }

    fn config(&self) -> Option<Value> {
        Some(self.settings.identity.config.clone())
    }
}
