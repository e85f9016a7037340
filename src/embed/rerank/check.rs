//! [`CheckedReranker`]: a reranker whose scores are validated.

use super::{RerankContext, Reranker};
use crate::embed::error::EmbeddingError;
use crate::error::{Call, Error, Result};

/// A reranker whose scores are validated.
pub(crate) struct CheckedReranker<'a> {
    pub(crate) reranker: &'a dyn Reranker,
    /// The call that the documents are scored for, for errors.
    pub(crate) call: Call,
}

impl CheckedReranker<'_> {
    /// Scores documents, and validates the scores: one for each document, all finite.
    ///
    /// # Errors
    /// - [`Error::Cancelled`] if the context is cancelled.
    /// - [`Error::Reranking`] if the reranker fails, or returns anything else than valid scores.
    pub(crate) fn rerank(
        &self,
        query: &str,
        documents: &[&str],
        context: &RerankContext,
    ) -> Result<Vec<f32>> {
        let cancelled = || Error::Cancelled {
            call: Box::new(self.call.clone()),
        };
        if context.is_cancelled() {
            return Err(cancelled());
        }
        let scores = self.reranker.rerank(query, documents, context);
        let checked = scores.and_then(|scores| check(scores, documents.len()));
        checked.map_err(|source| {
            // The reranker fails in its own way when it is cancelled.
            if context.is_cancelled() {
                return cancelled();
            }
            Error::Reranking {
                call: Box::new(self.call.clone()),
                reranker: self.reranker.name().to_owned(),
                source,
            }
        })
    }
}

fn check(scores: Vec<f32>, documents: usize) -> std::result::Result<Vec<f32>, EmbeddingError> {
    if scores.len() != documents {
        return Err(format!("{} scores for {documents} documents", scores.len()).into());
    }
    match scores.iter().position(|score| !score.is_finite()) {
        None => Ok(scores),
        Some(index) => {
            let score = scores[index];
            Err(format!("the score of document {index} (counted from 0) is {score}").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    type Rerank = fn(&RerankContext) -> Result<Vec<f32>, EmbeddingError>;

    struct Gives(Rerank);

    impl Reranker for Gives {
        fn name(&self) -> &str {
            "gives"
        }

        fn rerank(
            &self,
            _: &str,
            _: &[&str],
            context: &RerankContext,
        ) -> Result<Vec<f32>, EmbeddingError> {
            (self.0)(context)
        }
    }

    fn rerank(reranker: &dyn Reranker, context: &RerankContext) -> Result<Vec<f32>> {
        let call = Call::new("query", Some("notes"));
        CheckedReranker { reranker, call }.rerank("q", &["a", "b"], context)
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let wrong: [(&str, Rerank); 5] = [
            ("no model", |_| Err("no model".into())),
            ("1 scores for 2 documents", |_| Ok(vec![1.0])),
            ("3 scores for 2 documents", |_| Ok(vec![1.0; 3])),
            ("document 1 (counted from 0) is NaN", |_| {
                Ok(vec![1.0, f32::NAN])
            }),
            ("document 0 (counted from 0) is -inf", |_| {
                Ok(vec![f32::NEG_INFINITY, 1.0])
            }),
        ];
        for (words, gives) in wrong {
            // A pointer has the name of its reranker.
            let gives: Box<dyn Reranker> = Box::new(Arc::new(Gives(gives)));
            let error = rerank(&gives, &RerankContext::new()).unwrap_err();
            assert_eq!(error.kind(), "reranking");
            let text = format!("{error:#}");
            let start = "query \"notes\": the reranker gives failed: ";
            assert!(text.starts_with(start) && text.ends_with(words), "{text}");
        }
        let good = Gives(|_| Ok(vec![-1.5, 2.0]));
        assert_eq!(rerank(&&good, &RerankContext::new()).unwrap(), [-1.5, 2.0]);
    }

    #[test]
    fn errors_of_this_crate_keep_their_meaning() {
        let gives = Gives(|_| {
            Err(Error::RateLimited {
                call: Box::default(),
                retry_after: None,
                message: "slow down".to_owned(),
            }
            .into())
        });
        let error = rerank(&gives, &RerankContext::new()).unwrap_err();
        assert!(
            error.is_retryable() && error.status() == Some(429),
            "{error}"
        );
    }

    #[test]
    fn a_cancelled_call_does_not_start_and_ends_as_cancelled() {
        let flag = Arc::new(AtomicBool::new(true));
        let context = RerankContext::new().cancel(flag.clone());
        let never = Gives(|_| unreachable!("asked"));
        let error = rerank(&never, &context).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");

        struct Cancels(Arc<AtomicBool>);

        impl Reranker for Cancels {
            fn name(&self) -> &str {
                "cancels"
            }
            fn rerank(
                &self,
                _: &str,
                _: &[&str],
                _: &RerankContext,
            ) -> Result<Vec<f32>, EmbeddingError> {
                self.0.store(true, Ordering::Relaxed);
                Err("stopped".into())
            }
        }
        flag.store(false, Ordering::Relaxed);
        let error = rerank(&Cancels(flag), &context).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
}
