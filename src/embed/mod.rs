//! [`EmbeddingFunction`]: text in, vectors out; and its providers.

mod cache;
mod context;
#[cfg(feature = "gemini")]
mod fan_out;
#[cfg(feature = "gemini")]
mod gemini;
mod hashing;
#[cfg(feature = "gemini")]
mod limiter;
pub(crate) mod remembered;

use std::sync::Arc;

#[cfg(feature = "disk-cache")]
pub use cache::DiskCache;
pub use cache::{Cached, EmbeddingCache, MemoryCache};
pub use context::{EmbeddingContext, Purpose};
#[cfg(all(feature = "gemini", any(test, fuzzing)))]
pub(crate) use gemini::PARSERS;
#[cfg(feature = "gemini")]
pub use gemini::{Embed, Gemini, GeminiBuilder, LongTexts, ModelStyle, RefusedTexts, TaskType};
pub use hashing::Hashing;

use crate::error::{Call, Error, InvalidInput, RefusedText, Result};
use crate::model::embeddings::{self, Embeddings};
use crate::model::space::Space;

/// What an embedding function may fail with: any error, this crate's own included.
pub type EmbeddingError = Box<dyn std::error::Error + Send + Sync>;

/// Turns texts into vectors.
///
/// A text that is stored and a text that asks for it may need different vectors, so there is a method for each.
/// Implement it for a model of your own:
///
/// ```
/// use chroma_blocking::{EmbeddingFunction, Embeddings};
/// use chroma_blocking::embed::EmbeddingError;
///
/// /// Counts the vowels: a model for texts that differ in little else.
/// struct Vowels;
///
/// impl EmbeddingFunction for Vowels {
///     fn name(&self) -> &str {
///         "vowels"
///     }
///
///     fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
///         let count = |text: &str| ["a", "e", "i", "o", "u"].map(|v| text.matches(v).count() as f32);
///         Ok(Embeddings::from_rows(documents.iter().map(|text| count(text)))?)
///     }
/// }
///
/// let vectors = Vowels.embed_documents(&["aoua"])?;
/// assert_eq!(vectors.as_flat(), [2.0, 0.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), EmbeddingError>(())
/// ```
pub trait EmbeddingFunction: Send + Sync {
    /// The name that a collection remembers it by; for those that Chroma's other clients know too, Chroma's name.
    fn name(&self) -> &str;

    /// A vector for each text that is to be stored, in the same order.
    ///
    /// # Errors
    /// Whatever the provider fails with.
    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError>;

    /// A vector for each text that asks for stored ones, in the same order. The same as for documents, unless the
    /// model makes a difference.
    ///
    /// # Errors
    /// Whatever the provider fails with.
    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed_documents(queries)
    }

    /// The floats per vector, where it is known before the first one is made.
    fn dimension(&self) -> Option<usize> {
        None
    }

    /// How to measure distance in a collection that is made with it and names nothing else.
    fn default_space(&self) -> Space {
        Space::L2
    }

    /// What a collection's configuration stores beside the name, so that another client can make the same function:
    /// a JSON object (of the crate `serde_json`) without secrets. `None` leaves the function out of the configuration. A
    /// collection opens with a function of the same name; the configurations of `Gemini` and [`Hashing`] are compared, too, and
    /// of others nobody knows which of their settings matter.
    fn config(&self) -> Option<serde_json::Value> {
        None
    }

    /// What collections call: vectors for the purpose of the context, which can be told how the work goes. For functions that
    /// have a cache, that take long, or that call another function; see [`EmbeddingContext`]. Default: `embed_documents` or
    /// `embed_queries`, of which nothing is told. The call may be [cancelled](EmbeddingContext::is_cancelled). If your `embed_documents` or `embed_queries` call `embed_with`, implement that as
    /// well: the default one would call them back without end.
    ///
    /// # Errors
    /// Whatever the provider fails with.
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

    /// All that a vector depends on beside its text, for [`Cached`]: where two functions, or one today and one tomorrow,
    /// give the same key, they give the same vectors. Default: name, [`config`](Self::config),
    /// [`dimension`](Self::dimension) and purpose; a function with settings that are in none of these adds them.
    fn cache_key(&self, purpose: Purpose) -> String {
        let purpose = match purpose {
            Purpose::Documents => "documents",
            Purpose::Queries => "queries",
        };
        serde_json::json!([self.name(), self.config(), self.dimension(), purpose]).to_string()
    }
}

macro_rules! through {
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
through!(Arc);
through!(Box);

/// Embeds, and checks what comes back: as many vectors as texts, of one dimension, finite.
pub(crate) fn embed(
    function: &dyn EmbeddingFunction,
    texts: &[&str],
    context: &mut EmbeddingContext<'_>,
    call: &Call,
) -> Result<Embeddings> {
    if texts.is_empty() {
        return Ok(Embeddings::default());
    }
    if context.is_cancelled() {
        let call = Box::new(call.clone());
        return Err(Error::Cancelled { call });
    }
    let failed = |source: EmbeddingError| {
        // Nothing failed: the caller has not said yet how to make it.
        if let Some(reason @ InvalidInput::StoredEmbeddingFunction { .. }) = source.downcast_ref() {
            return call.clone().invalid(reason.clone());
        }
        Error::Embedding {
            call: Box::new(call.clone()),
            function: function.name().to_owned(),
            source,
        }
    };
    let vectors = match function.embed_with(texts, context) {
        Ok(vectors) => vectors,
        Err(error) => return Err(failed(believed(error, texts.len()))),
    };
    if vectors.len() != texts.len() {
        let wrong = format!("{} vectors for {} texts", vectors.len(), texts.len());
        return Err(failed(wrong.into()));
    }
    for (index, vector) in vectors.rows().enumerate() {
        embeddings::check(vector, function.dimension(), || format!("text {index}"))
            .map_err(|wrong| failed(wrong.into()))?;
    }
    Ok(vectors)
}

/// What a function says when it fails, as far as it can be believed: what tells what became of the texts must tell it of each,
/// and of no other. A function that embeds in parts may have passed on what another one said of a part.
fn believed(error: EmbeddingError, texts: usize) -> EmbeddingError {
    let error = match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(other) => return other,
    };
    let Error::PartlyEmbedded {
        done,
        vectors,
        refused,
        pending,
        ..
    } = &error
    else {
        return error.into();
    };
    let refused = refused.iter().map(|refused| refused.index);
    let told = done.iter().chain(pending).copied().chain(refused);
    let mut told: Vec<usize> = told.collect();
    told.sort_unstable();
    if told.into_iter().eq(0..texts) && done.len() == vectors.len() {
        return error.into();
    }
    let wrong = format!(
        "its Error::PartlyEmbedded does not list each of the {texts} texts exactly once: {error:#}"
    );
    match error {
        // That it may go well later is true of all of them.
        Error::PartlyEmbedded { source, .. } if source.is_retryable() => source,
        _ => wrong.into(),
    }
}

/// The error of a call that embedded only some of its records' texts, by the records: text `index` is that of record
/// `records[index]`.
pub(crate) fn by_record(error: Error, records: &[usize]) -> Error {
    let of = |index: usize| records.get(index).copied().unwrap_or(index);
    let all = |indices: Vec<usize>| indices.into_iter().map(of).collect();
    match error {
        Error::Embedding {
            call,
            function,
            source,
        } => Error::Embedding {
            call,
            function,
            source: match source.downcast::<Error>() {
                Ok(error) => Box::new(by_record(*error, records)),
                Err(other) => other,
            },
        },
        Error::Invalid {
            call,
            reason: InvalidInput::Text { index, why },
        } => call.invalid(InvalidInput::Text {
            index: of(index),
            why,
        }),
        Error::PartlyEmbedded {
            call,
            done,
            vectors,
            refused,
            pending,
            source,
        } => Error::PartlyEmbedded {
            call,
            done: all(done),
            vectors,
            refused: (refused.into_iter())
                .map(|refused| RefusedText {
                    index: of(refused.index),
                    ..refused
                })
                .collect(),
            pending: all(pending),
            source: Box::new(by_record(*source, records)),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(fn(usize) -> Result<Embeddings, EmbeddingError>);

    impl EmbeddingFunction for Broken {
        fn name(&self) -> &str {
            "broken"
        }

        fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
            (self.0)(documents.len())
        }

        fn dimension(&self) -> Option<usize> {
            Some(2)
        }
    }

    #[test]
    fn a_wrong_answer_is_never_data() {
        let wrong: [fn(usize) -> Result<Embeddings, EmbeddingError>; 4] = [
            |_| Err("out of order".into()),
            |texts| Ok(Embeddings::new(vec![1.0; 2 * (texts - 1)], 2)?),
            |texts| Ok(Embeddings::new(vec![1.0; 3 * texts], 3)?),
            |texts| Ok(Embeddings::new(vec![f32::NAN; 2 * texts], 2)?),
        ];
        for function in wrong {
            let call = Call::new("upsert", Some("notes"));
            let mut context = EmbeddingContext::new(Purpose::Documents);
            let error = embed(&Broken(function), &["a", "b"], &mut context, &call).unwrap_err();
            let text = format!("{error:#}");
            assert!(
                text.starts_with("upsert \"notes\": the embedding function broken failed: "),
                "{text}"
            );
        }
    }

    #[test]
    fn an_error_that_numbers_the_texts_otherwise_is_not_believed() {
        // Passed on from a function that was given a part, or made up.
        let wrong: [fn(usize) -> Result<Embeddings, EmbeddingError>; 4] = [
            |texts| partly(vec![0], vec![], (1..texts + 3).collect()),
            |_| partly(vec![0], vec![], vec![]),
            |texts| partly(vec![], vec![0], (0..texts).collect()),
            |texts| partly(vec![0, 0], vec![], (1..texts).collect()),
        ];
        let call = Call::new("upsert", Some("notes"));
        let texts = ["a", "b", "c"];
        let ask = |function| {
            let mut context = EmbeddingContext::new(Purpose::Documents);
            let error = embed(&Broken(function), &texts, &mut context, &call).unwrap_err();
            match error {
                Error::Embedding { source, .. } => source,
                other => unreachable!("{other}"),
            }
        };
        for function in wrong {
            let error = ask(function);
            assert!(!error.is::<Error>(), "{error}");
            assert!(error.to_string().starts_with(
                "its Error::PartlyEmbedded does not list each of the 3 texts exactly once: "
            ));
        }
        assert!(ask(|_| partly(vec![2], vec![0], vec![1])).is::<Error>());
        // What a job waits for is not forgotten.
        let later = ask(|_| {
            let call = Box::new(Call::new("embed", None));
            Err(Error::PartlyEmbedded {
                done: vec![],
                vectors: Box::default(),
                refused: vec![],
                pending: vec![0],
                source: Box::new(Error::RateLimited {
                    call: call.clone(),
                    retry_after: None,
                    message: "slow down".to_owned(),
                }),
                call,
            }
            .into())
        });
        assert_eq!(later.downcast::<Error>().unwrap().kind(), "rate_limited");
    }

    fn partly(
        done: Vec<usize>,
        refused: Vec<usize>,
        pending: Vec<usize>,
    ) -> Result<Embeddings, EmbeddingError> {
        let call = Box::new(Call::new("embed", None));
        let refused = refused.into_iter().map(|index| RefusedText {
            index,
            message: "no".to_owned(),
        });
        Err(Error::PartlyEmbedded {
            vectors: Box::new(Embeddings::new(vec![1.0; 2 * done.len()], 2)?),
            done,
            refused: refused.collect(),
            pending,
            source: Box::new(Error::Cancelled { call: call.clone() }),
            call,
        }
        .into())
    }

    #[test]
    fn no_texts_no_call() {
        let never = Broken(|_| Err("asked".into()));
        let call = Call::new("query", None);
        let mut context = EmbeddingContext::new(Purpose::Queries);
        assert!(embed(&never, &[], &mut context, &call).unwrap().is_empty());
    }

    #[test]
    fn a_cancelled_call_does_not_start() {
        let never = Broken(|_| Err("asked".into()));
        let call = Call::new("query", None);
        let flag = std::sync::atomic::AtomicBool::new(true);
        let mut context = EmbeddingContext::new(Purpose::Queries).cancel(&flag);
        let error = embed(&never, &["a"], &mut context, &call).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
}
