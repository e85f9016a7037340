//! The parsers of this layer, for the fuzz tests.

use super::allowed::Allowed;
use super::configured;
use super::hashing::Hashing;
use super::{gemini, http};
use crate::fuzzing::{Parser, anything};
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::wire::read;

/// A function that a collection stores, which anyone who may change the collection can set.
const STORED: &[Parser] = &[("stored_function", |json| {
    let stored: EmbeddingFunctionConfiguration = read::json(json)?;
    let _ = configured::check(&stored, &Hashing::default());
    let _ = configured::make_sparse(&stored, &Allowed::default());
    let made = configured::make(&stored, &Allowed::default());
    let made = made.map_err(|reason| reason.to_string())?;
    let Some(function) = made else {
        return Ok(anything(()));
    };
    Ok(Box::new(move || {
        // A collection keeps a function that this crate can make again.
        let stored = configured::describe(&*function);
        let again = stored.map(|stored| configured::make(&stored, &Allowed::default()));
        assert!(again.is_none_or(|made| made.is_ok()));
    }))
})];

/// Returns all parsers.
pub(crate) fn parsers() -> impl Iterator<Item = &'static Parser> {
    #[cfg(feature = "onnx")]
    let onnx = super::onnx::PARSERS;
    #[cfg(not(feature = "onnx"))]
    let onnx = &[];
    [gemini::PARSERS, http::PARSERS, onnx, STORED]
        .into_iter()
        .flatten()
}
