//! [`Onnx`]: an embedding function that runs a model on this machine.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::{Method, Model};
use crate::embed::context::{EmbeddingContext, Purpose};
use crate::embed::error::EmbeddingError;
use crate::embed::function::EmbeddingFunction;
use crate::embed::model_identity::DEFAULT_MODEL;
use crate::error::{Call, Error, InvalidInput};
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;
use crate::printable::short;

/// An embedding function that runs a sentence model on this machine: offline, without a key, and without
/// Python.
///
/// [`Onnx::mini_lm`] is the function that Chroma's Python client uses by default. [`Onnx::builder`] runs other
/// BERT-like models in ONNX format, such as bge-small, e5-small and gte-small.
///
/// A process loads the model of a folder once; clones, collections and threads share it. A call runs batches of
/// texts on all cores. The rest of a text that has more tokens than the model's maximum is ignored. Each vector
/// has [`dimension`](EmbeddingFunction::dimension) floats, and unit length unless [`OnnxBuilder::normalize`] is
/// off.
///
/// In debug builds, a model is slow unless the crates that run it are optimized. The repository's
/// `docs/embeddings.md` has the lines for your `Cargo.toml`, the settings of some models, and the cost.
///
/// ```no_run
/// use chroma_blocking::embed::Onnx;
/// use chroma_blocking::{Client, Record};
///
/// let notes = Client::from_env()?
///     .collection("notes")
///     .embedding_function(Onnx::mini_lm()?)
///     .get_or_create()?;
/// notes.upsert([Record::new("1").document("He ran without shoes.")])?;
/// assert_eq!(notes.query("a barefoot athlete").run()?[0].id, "1");
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// [`OnnxBuilder::normalize`]: super::OnnxBuilder::normalize
#[derive(Clone)]
pub struct Onnx {
    pub(super) model: Arc<Model>,
    pub(super) settings: Settings,
}

/// The settings of a function, except the files of its model.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The name that a collection stores.
    pub(super) name: String,
    /// The settings that a collection stores.
    pub(super) config: Value,
    pub(super) space: Space,
    /// The name that the program gave the model. `None` for the model of Chroma's default function.
    pub(super) model: Option<String>,
    pub(super) method: Method,
    pub(super) document_prefix: String,
    pub(super) query_prefix: String,
}

/// The most bytes of a prefix. A server may send longer ones, which are put before each text.
const MAX_PREFIX: usize = 4096;

/// Refuses long prefixes of documents and of queries.
///
/// # Errors
/// The name and the start of the prefix, and how long it is.
pub(super) fn check_prefixes(prefixes: [&str; 2]) -> Result<(), InvalidInput> {
    for (name, prefix) in ["document_prefix", "query_prefix"]
        .into_iter()
        .zip(prefixes)
    {
        if prefix.len() > MAX_PREFIX {
            let why = format!("it has {} bytes, more than {MAX_PREFIX}", prefix.len());
            return Err(InvalidInput::setting(name, short(prefix), why));
        }
    }
    Ok(())
}

impl Settings {
    /// Returns the text that is put before each text.
    fn prefix(&self, purpose: Purpose) -> &str {
        match purpose {
            Purpose::Documents => &self.document_prefix,
            Purpose::Queries => &self.query_prefix,
        }
    }

    /// Returns everything that a vector depends on, except the text. The stored name is not part of it: the
    /// vectors of Chroma's default function are the same under each of its names.
    pub(super) fn cache_key(&self, purpose: Purpose) -> String {
        let Method {
            pooling,
            normalize,
            max_tokens,
        } = self.method;
        let method = json!([pooling.name(), normalize, max_tokens]);
        json!(["onnx", self.model, method, self.prefix(purpose)]).to_string()
    }
}

impl Onnx {
    /// Returns the name of the model: that given to the builder, or `all-MiniLM-L6-v2`.
    pub fn model(&self) -> &str {
        self.settings.model.as_deref().unwrap_or(DEFAULT_MODEL)
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
        &self.settings.name
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed_with(documents, &mut EmbeddingContext::new(Purpose::Documents))
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed_with(queries, &mut EmbeddingContext::new(Purpose::Queries))
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let prefix = self.settings.prefix(context.purpose());
        let prefixed = texts.iter().map(|text| match prefix {
            "" => Cow::Borrowed(*text),
            prefix => Cow::Owned(format!("{prefix}{text}")),
        });
        let prefixed: Vec<_> = prefixed.collect();
        let mut report = |done| {
            context.progress(done, texts.len());
            !context.is_cancelled()
        };
        let vectors = self
            .model
            .embed(&prefixed, self.settings.method, &mut report)?;
        let vectors = vectors.ok_or_else(|| {
            let call = Box::new(Call::new("onnx", None));
            Error::Cancelled { call }
        })?;
        Ok(Embeddings::of_whole_rows(vectors, self.model.dimension()))
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.model.dimension())
    }

    fn default_space(&self) -> Space {
        self.settings.space
    }

    fn config(&self) -> Option<Value> {
        Some(self.settings.config.clone())
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        self.settings.cache_key(purpose)
    }
}
