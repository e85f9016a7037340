//! [`CheckedFunction`] and [`CheckedSparse`]: embedding functions whose results are validated.

use super::context::EmbeddingContext;
use super::error::{EmbeddingError, validate_indices};
use super::function::EmbeddingFunction;
use super::sparse::SparseEmbeddingFunction;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::embeddings::{self, Embeddings};
use crate::model::metadata::SparseVector;

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
        check_cancelled(&self.call, context)?;
        let vectors = self.function.embed_with(texts, context);
        vectors
            .map_err(|error| validate_indices(error, texts.len()))
            .and_then(|vectors| self.check(vectors, texts.len()))
            .map_err(|error| failed(&self.call, self.function.name(), error))
    }

    fn check(
        &self,
        vectors: Embeddings,
        texts: usize,
    ) -> std::result::Result<Embeddings, EmbeddingError> {
        check_count(vectors.len(), texts)?;
        for (index, vector) in vectors.rows().enumerate() {
            let of = || format!("text {index}");
            embeddings::check(vector, self.function.dimension(), of)?;
        }
        Ok(vectors)
    }
}

/// A function of sparse vectors whose results are validated.
pub(crate) struct CheckedSparse<'a> {
    pub(crate) function: &'a dyn SparseEmbeddingFunction,
    /// The call that the texts are embedded for, for errors.
    pub(crate) call: Call,
}

impl CheckedSparse<'_> {
    /// Embeds texts, and validates the vectors: one for each text, with ascending indices and finite values.
    ///
    /// # Errors
    /// As for [`CheckedFunction::embed`].
    pub(crate) fn embed(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        check_cancelled(&self.call, context)?;
        let vectors = self.function.embed_with(texts, context);
        vectors
            .map_err(|error| validate_indices(error, texts.len()))
            .and_then(|vectors| check_sparse(vectors, texts.len()))
            .map_err(|error| failed(&self.call, self.function.name(), error))
    }
}

fn check_sparse(
    vectors: Vec<SparseVector>,
    texts: usize,
) -> std::result::Result<Vec<SparseVector>, EmbeddingError> {
    check_count(vectors.len(), texts)?;
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

fn check_count(vectors: usize, texts: usize) -> std::result::Result<(), EmbeddingError> {
    if vectors == texts {
        return Ok(());
    }
    Err(format!("{vectors} vectors for {texts} texts").into())
}

fn check_cancelled(call: &Call, context: &EmbeddingContext<'_>) -> Result<()> {
    if context.is_cancelled() {
        let call = Box::new(call.clone());
        return Err(Error::Cancelled { call });
    }
    Ok(())
}

/// Returns the error of a call whose function has failed.
fn failed(call: &Call, function: &str, source: EmbeddingError) -> Error {
    let call = call.clone();
    match source.downcast_ref() {
        // The function did not fail: its settings are missing.
        Some(
            reason @ (InvalidInput::StoredEmbeddingFunction { .. }
            | InvalidInput::StoredSparseFunction { .. }),
        ) => call.invalid(reason.clone()),
        _ => Error::Embedding {
            call: Box::new(call),
            function: function.to_owned(),
            source,
        },
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

    struct Answers(Vec<SparseVector>);

    impl SparseEmbeddingFunction for Answers {
        fn name(&self) -> &str {
            "answers"
        }

        fn embed_documents(&self, _: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
            Ok(self.0.clone())
        }
    }

    fn embed_sparse(
        function: &Answers,
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>> {
        let call = Call::new("upsert", Some("notes"));
        CheckedSparse { function, call }.embed(&["a", "b"], context)
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
            let error = embed_sparse(&Answers(bad), &mut context).unwrap_err();
            let error = format!("{error:#}");
            let start = "upsert \"notes\": the embedding function answers failed: ";
            assert!(error.starts_with(start) && error.contains(words), "{error}");
        }
        let good = Answers(vec![good(), SparseVector::default()]);
        let mut context = EmbeddingContext::new(Purpose::Queries);
        assert!(embed_sparse(&good, &mut context).is_ok());
        let flag = std::sync::atomic::AtomicBool::new(true);
        let mut context = EmbeddingContext::new(Purpose::Queries).cancel(&flag);
        let error = embed_sparse(&good, &mut context).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
}
