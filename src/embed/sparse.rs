//! [`SparseEmbeddingFunction`]: the trait of everything that turns texts into sparse vectors.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::context::{EmbeddingContext, Purpose};
use super::error::EmbeddingError;
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::metadata::SparseVector;

/// Turns texts into sparse vectors, for a metadata key with a
/// [sparse vector index](crate::schema::SparseVectorIndexConfig).
///
/// `Bm25` (feature `bm25`) and `ChromaCloudSplade` (feature `functions`) are such functions. Implement the
/// trait for your own model. Only [`name`](Self::name) and [`embed_documents`](Self::embed_documents) are
/// required. Pass the function to
/// [`sparse_embedding_function`](crate::collection::CollectionBuilder::sparse_embedding_function).
///
/// ```
/// use chroma_blocking::embed::{EmbeddingError, SparseEmbeddingFunction};
/// use chroma_blocking::record::SparseVector;
///
/// /// Counts the letters of a text.
/// struct Letters;
///
/// impl SparseEmbeddingFunction for Letters {
///     fn name(&self) -> &str {
///         "letters"
///     }
///
///     fn embed_documents(
///         &self,
///         documents: &[&str],
///     ) -> Result<Vec<SparseVector>, EmbeddingError> {
///         let vector = |text: &&str| {
///             let count = |letter: char| text.matches(letter).count();
///             let counts = ('a'..='z').map(|letter| (letter, count(letter)));
///             let (indices, values): (Vec<u32>, Vec<f32>) = counts
///                 .filter(|(_, count)| *count > 0)
///                 .map(|(letter, count)| (u32::from(letter), count as f32))
///                 .unzip();
///             SparseVector::new(indices, values)
///         };
///         Ok(documents.iter().map(vector).collect())
///     }
/// }
///
/// let vectors = Letters.embed_documents(&["abba"])?;
/// assert_eq!(vectors[0], SparseVector::new([97, 98], [2.0, 2.0]));
/// # Ok::<(), EmbeddingError>(())
/// ```
pub trait SparseEmbeddingFunction: Send + Sync {
    /// Returns the name that a collection's schema stores. For functions that Chroma's other clients also
    /// have, this is Chroma's name.
    fn name(&self) -> &str;

    /// Embeds texts that are stored. Returns one vector for each text, in the same order. The indices of a
    /// vector must be strictly ascending. A text without any known word has an empty vector.
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

    /// Returns what a schema stores in addition to the name, so that another client can make the same
    /// function: a JSON object (of the crate `serde_json`) without secrets. Default: an empty object.
    fn config(&self) -> Value {
        Value::Object(Map::new())
    }

    /// Embeds texts for the purpose of the context, and reports to the context. Collections call this method.
    ///
    /// Implement it for functions that take long or can be [cancelled](EmbeddingContext::is_cancelled).
    /// Default: calls [`embed_documents`](Self::embed_documents) or [`embed_queries`](Self::embed_queries),
    /// and reports nothing.
    ///
    /// # Errors
    /// Returns any error of the model or service.
    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>, EmbeddingError> {
        match context.purpose() {
            Purpose::Documents => self.embed_documents(texts),
            Purpose::Queries => self.embed_queries(texts),
        }
    }
}

/// The form in which a schema stores a function: its name and its [`config`](SparseEmbeddingFunction::config).
impl<F: SparseEmbeddingFunction> From<F> for EmbeddingFunctionConfiguration {
    fn from(function: F) -> EmbeddingFunctionConfiguration {
        EmbeddingFunctionConfiguration::known(function.name(), function.config())
    }
}

/// Implements the trait for a pointer to a function.
macro_rules! delegate {
    ($pointer:ident) => {
        impl<E: SparseEmbeddingFunction + ?Sized> SparseEmbeddingFunction for $pointer<E> {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn embed_documents(
                &self,
                documents: &[&str],
            ) -> Result<Vec<SparseVector>, EmbeddingError> {
                (**self).embed_documents(documents)
            }

            fn embed_queries(&self, queries: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
                (**self).embed_queries(queries)
            }

            fn config(&self) -> Value {
                (**self).config()
            }

            fn embed_with(
                &self,
                texts: &[&str],
                context: &mut EmbeddingContext<'_>,
            ) -> Result<Vec<SparseVector>, EmbeddingError> {
                (**self).embed_with(texts, context)
            }
        }
    };
}
delegate!(Box);
delegate!(Arc);

#[cfg(test)]
mod tests {
    use super::*;

    struct Named;

    impl SparseEmbeddingFunction for Named {
        fn name(&self) -> &str {
            "named"
        }

        fn embed_documents(&self, _: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_pointer_to_a_function_is_stored_like_the_function() {
        let shared: Arc<dyn SparseEmbeddingFunction> = Arc::new(Named);
        let boxed: Box<dyn SparseEmbeddingFunction> = Box::new(shared);
        let stored = EmbeddingFunctionConfiguration::from(boxed);
        assert_eq!(stored, EmbeddingFunctionConfiguration::from(Named));
        assert_eq!(stored.name.as_deref(), Some("named"));
        assert_eq!(stored.config, Some(serde_json::json!({})));
    }
}
