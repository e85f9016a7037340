//! [`CheckedFunction`]: an embedding function whose results are validated.

use super::context::EmbeddingContext;
use super::error::{EmbeddingError, validate_indices};
use super::function::EmbeddingFunction;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::embeddings::{self, Embeddings};

/// An embedding function whose results are validated.
pub(crate) struct CheckedFunction<'a> {
    pub(crate) function: &'a dyn EmbeddingFunction,
    /// The call that the texts are embedded for, for errors.
    pub(crate) call: Call,
}

impl CheckedFunction<'_> {
    /// Embeds texts, and validates the vectors: one for each text, all of the function's dimension, all
    /// finite.
    ///
    /// # Errors
    /// - [`Error::Cancelled`] if the context is cancelled before the call starts.
    /// - [`Error::Invalid`] if the function is a stored one that cannot be made here.
    /// - [`Error::Embedding`] if the function fails, or returns anything else than valid vectors.
    pub(crate) fn embed(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings> {
        if texts.is_empty() {
            return Ok(Embeddings::default());
        }
        if context.is_cancelled() {
            let call = Box::new(self.call.clone());
            return Err(Error::Cancelled { call });
        }
        let vectors = match self.function.embed_with(texts, context) {
            Ok(vectors) => vectors,
            Err(error) => return Err(self.failed(validate_indices(error, texts.len()))),
        };
        if vectors.len() != texts.len() {
            let mistake = format!("{} vectors for {} texts", vectors.len(), texts.len());
            return Err(self.failed(mistake.into()));
        }
        for (index, vector) in vectors.rows().enumerate() {
            embeddings::check(vector, self.function.dimension(), || {
                format!("text {index}")
            })
            .map_err(|reason| self.failed(reason.into()))?;
        }
        Ok(vectors)
    }

    fn failed(&self, source: EmbeddingError) -> Error {
        // The function did not fail: its settings are missing.
        if let Some(reason @ InvalidInput::StoredEmbeddingFunction { .. }) = source.downcast_ref() {
            return self.call.clone().invalid(reason.clone());
        }
        Error::Embedding {
            call: Box::new(self.call.clone()),
            function: self.function.name().to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Purpose;
    use crate::error::RefusedText;

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

    fn embed(
        function: &Broken,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings> {
        let call = Call::new("upsert", Some("notes"));
        CheckedFunction { function, call }.embed(texts, context)
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let wrong: [fn(usize) -> Result<Embeddings, EmbeddingError>; 4] = [
            |_| Err("out of order".into()),
            |texts| Ok(Embeddings::new(vec![1.0; 2 * (texts - 1)], 2)?),
            |texts| Ok(Embeddings::new(vec![1.0; 3 * texts], 3)?),
            |texts| Ok(Embeddings::new(vec![f32::NAN; 2 * texts], 2)?),
        ];
        for function in wrong {
            let mut context = EmbeddingContext::new(Purpose::Documents);
            let error = embed(&Broken(function), &["a", "b"], &mut context).unwrap_err();
            let text = format!("{error:#}");
            assert!(
                text.starts_with("upsert \"notes\": the embedding function broken failed: "),
                "{text}"
            );
        }
    }

    #[test]
    fn an_error_with_wrong_indices_is_replaced() {
        // As returned by a function that passes on the error of a part.
        let wrong: [fn(usize) -> Result<Embeddings, EmbeddingError>; 4] = [
            |texts| partly(vec![0], vec![], (1..texts + 3).collect()),
            |_| partly(vec![0], vec![], vec![]),
            |texts| partly(vec![], vec![0], (0..texts).collect()),
            |texts| partly(vec![0, 0], vec![], (1..texts).collect()),
        ];
        let texts = ["a", "b", "c"];
        let ask = |function| {
            let mut context = EmbeddingContext::new(Purpose::Documents);
            let error = embed(&Broken(function), &texts, &mut context).unwrap_err();
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
        // A retryable source is kept, so that a batch job retries.
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
    fn a_call_without_texts_does_not_ask_the_function() {
        let never = Broken(|_| Err("asked".into()));
        let mut context = EmbeddingContext::new(Purpose::Queries);
        assert!(embed(&never, &[], &mut context).unwrap().is_empty());
    }

    #[test]
    fn a_cancelled_call_does_not_start() {
        let never = Broken(|_| Err("asked".into()));
        let flag = std::sync::atomic::AtomicBool::new(true);
        let mut context = EmbeddingContext::new(Purpose::Queries).cancel(&flag);
        let error = embed(&never, &["a"], &mut context).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
}
