//! [`SparseEmbeddingFunction`]: the trait of everything that turns texts into sparse vectors.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::context::{EmbeddingContext, Purpose};
use super::error::{EmbeddingError, validate_indices};
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

/// What a schema stores of a function: its name and its [`config`](SparseEmbeddingFunction::config).
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

/// Embeds texts, and validates the vectors: one for each text, with ascending indices and finite values.
///
/// # Errors
/// The function's error, or a description of what is wrong with the vectors.
pub(crate) fn embed_sparse(
    function: &dyn SparseEmbeddingFunction,
    texts: &[&str],
    context: &mut EmbeddingContext<'_>,
) -> Result<Vec<SparseVector>, EmbeddingError> {
    let vectors = function.embed_with(texts, context);
    let vectors = vectors.map_err(|error| validate_indices(error, texts.len()))?;
    let (found, expected) = (vectors.len(), texts.len());
    if found != expected {
        return Err(format!("{found} vectors for {expected} texts").into());
    }
    for (index, vector) in vectors.iter().enumerate() {
        if let Some(why) = vector.problem() {
            return Err(format!("the vector of text {index}: {why}").into());
        }
        if let Some(value) = vector.values.iter().find(|value| !value.is_finite()) {
            return Err(format!("the vector of text {index} has the value {value}").into());
        }
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Answers(Vec<SparseVector>);

    impl SparseEmbeddingFunction for Answers {
        fn name(&self) -> &str {
            "answers"
        }

        fn embed_documents(&self, _: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn vectors_that_cannot_be_stored_are_errors() {
        let good = || SparseVector::new([1, 2], [0.5, -1.0]);
        for (bad, words) in [
            (vec![good()], "1 vectors for 2 texts"),
            (vec![good(), good(), good()], "3 vectors for 2 texts"),
            (
                vec![good(), SparseVector::new([2, 1], [0.5, 1.0])],
                "text 1: the indices of a sparse vector must be strictly ascending",
            ),
            (
                vec![SparseVector::new([1, 1], [0.5, 1.0]), good()],
                "text 0: the indices",
            ),
            (
                vec![good(), SparseVector::new([1], [0.5, 1.0])],
                "as many values as indices",
            ),
            (
                vec![good(), SparseVector::new([1], [f32::NAN])],
                "text 1 has the value NaN",
            ),
        ] {
            let mut context = EmbeddingContext::new(Purpose::Documents);
            let error = embed_sparse(&Answers(bad), &["a", "b"], &mut context).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let function: Arc<dyn SparseEmbeddingFunction> =
            Arc::new(Answers(vec![good(), SparseVector::default()]));
        let mut context = EmbeddingContext::new(Purpose::Queries);
        assert!(embed_sparse(&function, &["a", "b"], &mut context).is_ok());
        let boxed: Box<dyn SparseEmbeddingFunction> = Box::new(function);
        let stored = EmbeddingFunctionConfiguration::from(boxed);
        assert_eq!(stored.name.as_deref(), Some("answers"));
        assert_eq!(stored.config, Some(serde_json::json!({})));
    }
}
