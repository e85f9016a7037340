//! [`EmbeddingFunction`]: the trait of everything that turns texts into vectors.

use std::sync::Arc;

use super::context::{EmbeddingContext, Purpose};
use super::error::EmbeddingError;
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// Turns texts into vectors.
///
/// Some models make different vectors for stored texts and for queries, so there is a method for each.
/// Implement the trait for your own model. Only [`name`](Self::name) and
/// [`embed_documents`](Self::embed_documents) are required:
///
/// ```
/// use chroma_blocking::embed::EmbeddingError;
/// use chroma_blocking::{EmbeddingFunction, Embeddings};
///
/// /// Counts the vowels of a text.
/// struct Vowels;
///
/// impl EmbeddingFunction for Vowels {
///     fn name(&self) -> &str {
///         "vowels"
///     }
///
///     fn embed_documents(
///         &self,
///         documents: &[&str],
///     ) -> Result<Embeddings, EmbeddingError> {
///         let rows = documents.iter().map(|text| {
///             ["a", "e", "i", "o", "u"].map(|v| text.matches(v).count() as f32)
///         });
///         Ok(Embeddings::from_rows(rows)?)
///     }
/// }
///
/// let vectors = Vowels.embed_documents(&["aoua"])?;
/// assert_eq!(vectors.as_flat(), [2.0, 0.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub trait EmbeddingFunction: Send + Sync {
    /// Returns the name that a collection's configuration stores. For functions that Chroma's other clients
    /// also have, this is Chroma's name.
    fn name(&self) -> &str;

    /// Embeds texts that are stored. Returns one vector for each text, in the same order.
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError>;

    /// Embeds texts that search for stored ones. Returns one vector for each text, in the same order.
    /// Default: calls [`embed_documents`](Self::embed_documents).
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed_documents(queries)
    }

    /// Returns the number of floats per vector, if it is known before the first call. Default: `None`.
    fn dimension(&self) -> Option<usize> {
        None
    }

    /// Returns the distance measure of a collection that is created with this function and sets no other.
    /// Default: [`Space::L2`].
    fn default_space(&self) -> Space {
        Space::L2
    }

    /// Returns what a collection's configuration stores in addition to the name, so that another client can
    /// make the same function: a JSON object (of the crate `serde_json`) without secrets. With `None`, the
    /// default, the configuration does not mention the function.
    ///
    /// A collection opens only with a function of the same model, or of the stored name if one of the two
    /// configurations has no model. The dimensions must be equal if both have one. Their members are
    /// `model_name` or `model`, and `dimension` or `dimensions`. Other settings are not compared, because the
    /// crate does not know which of them change the vectors.
    fn config(&self) -> Option<serde_json::Value> {
        None
    }

    /// Embeds texts for the purpose of the context, and reports to the context. Collections call this method.
    ///
    /// Implement it for functions that have a cache, take long, can be
    /// [cancelled](EmbeddingContext::is_cancelled), or call another function; see [`EmbeddingContext`].
    /// Default: calls [`embed_documents`](Self::embed_documents) or [`embed_queries`](Self::embed_queries),
    /// and reports nothing. If your `embed_documents` or `embed_queries` calls `embed_with`, implement
    /// `embed_with` as well; otherwise the two call each other forever.
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        match context.purpose() {
            Purpose::Documents => self.embed_documents(texts),
            Purpose::Queries => self.embed_queries(texts),
        }
    }

    /// Returns everything that a vector depends on, except the text. [`Cached`](crate::embed::Cached) stores
    /// vectors under it: functions with the same key must make the same vectors, also in later versions of a
    /// program.
    ///
    /// Default: name, [`config`](Self::config), [`dimension`](Self::dimension) and purpose. A function whose
    /// vectors depend on other settings must add them.
    fn cache_key(&self, purpose: Purpose) -> String {
        let purpose = match purpose {
            Purpose::Documents => "documents",
            Purpose::Queries => "queries",
        };
        serde_json::json!([self.name(), self.config(), self.dimension(), purpose]).to_string()
    }
}

/// Implements the trait for a pointer to a function: every method, so that no default hides the function's
/// own.
macro_rules! delegate {
    ($pointer:ident) => {
        impl<E: EmbeddingFunction + ?Sized> EmbeddingFunction for $pointer<E> {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
                (**self).embed_documents(documents)
            }

            fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
                (**self).embed_queries(queries)
            }

            fn dimension(&self) -> Option<usize> {
                (**self).dimension()
            }

            fn default_space(&self) -> Space {
                (**self).default_space()
            }

            fn config(&self) -> Option<serde_json::Value> {
                (**self).config()
            }

            fn embed_with(
                &self,
                texts: &[&str],
                context: &mut EmbeddingContext<'_>,
            ) -> Result<Embeddings, EmbeddingError> {
                (**self).embed_with(texts, context)
            }

            fn cache_key(&self, purpose: Purpose) -> String {
                (**self).cache_key(purpose)
            }
        }
    };
}
delegate!(Arc);
delegate!(Box);
