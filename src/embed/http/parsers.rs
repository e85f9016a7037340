//! The parsers of providers' responses, for the fuzz tests.

use std::sync::OnceLock;

use super::answer::{Answer, Packed};
use super::dialect;
use super::received::Received;
use super::splade;
use crate::error::Call;
use crate::fuzzing::{Parser, anything};
use crate::transport::error_of;

/// The number of texts in the recorded responses.
const TEXTS: usize = 2;

pub(in crate::embed) const PARSERS: &[Parser] = &[
    ("vectors", |response| {
        vectors(Answer::at(&["data"]), response)
    }),
    ("packed_vectors", |response| {
        let packed = Packed::Bytes;
        let path = &["data"];
        vectors(Answer { path, packed }, response)
    }),
    ("vectors_in_result", |response| {
        vectors(Answer::at(&["result", "data"]), response)
    }),
    ("list_of_vectors", |response| {
        vectors(Answer::at(&[]), response)
    }),
    ("sparse_vectors", |response| {
        let vectors = splade::texts::read(response, TEXTS)?;
        Ok(Box::new(move || {
            assert_eq!(vectors.len(), TEXTS);
            for vector in vectors {
                assert_eq!(vector.indices.len(), vector.values.len());
                assert!(vector.indices.windows(2).all(|two| two[0] < two[1]));
                assert!(vector.values.iter().all(|x| x.is_finite()));
            }
        }))
    }),
    #[cfg(feature = "hybrid")]
    ("rerank_cohere", |response| {
        scores(&super::rerank::CohereRerank::new("m"), response)
    }),
    #[cfg(feature = "hybrid")]
    ("rerank_tei", |response| {
        scores(
            &super::rerank::TextEmbeddingsInferenceRerank::new("u"),
            response,
        )
    }),
    ("provider_error", |answer| {
        for status in [400, 401, 402, 403, 404, 413, 422, 429, 500, 503] {
            let call = Call::new("embed", None);
            let _ = error_of(&dialect::EMBEDDING, call, (status, answer), &[]).to_string();
        }
        Ok(anything(()))
    }),
];

#[cfg(feature = "hybrid")]
fn scores(
    provider: &dyn super::rerank::provider::Provider,
    response: &[u8],
) -> Result<crate::fuzzing::Check, String> {
    let scores = provider.read(response, TEXTS)?;
    Ok(Box::new(move || {
        assert_eq!(scores.len(), TEXTS);
        assert!(scores.iter().all(|score| score.is_finite()));
    }))
}

fn vectors(answer: Answer, response: &[u8]) -> Result<crate::fuzzing::Check, String> {
    let dimension = OnceLock::new();
    let mut vectors = Received::new(&[0, 1], &dimension);
    let result = answer.read(response, &mut vectors);
    // A bad response must not decide the dimension.
    assert_eq!(result.is_ok(), dimension.get().is_some());
    result?;
    let floats = vectors.into_floats();
    Ok(Box::new(move || {
        assert_eq!(Some(floats.len() / TEXTS), dimension.get().copied());
        assert!(!floats.is_empty() && floats.len() % TEXTS == 0);
        assert!(floats.iter().all(|x| x.is_finite()));
    }))
}
