//! A small model with the operators of BERT: the vectors are those of onnxruntime.
//!
//! `tests/data/tiny-onnx/make.py` has made the model and recorded the vectors.

use std::fs;
use std::path::Path;

use chroma_blocking::EmbeddingFunction;
use chroma_blocking::embed::{Onnx, Pooling};
use serde::Deserialize;

use crate::difference;

pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny-onnx");
/// The model has vectors for this many positions.
pub const MAX_TOKENS: usize = 32;

#[derive(Deserialize)]
struct Recorded {
    text: String,
    mean: Vec<f32>,
    cls: Vec<f32>,
}

#[test]
fn vectors_are_those_of_onnxruntime() {
    let recorded = fs::read(Path::new(FOLDER).join("vectors.json")).unwrap();
    let recorded: Vec<Recorded> = serde_json::from_slice(&recorded).unwrap();
    for (pooling, expected) in [
        (
            Pooling::Mean,
            (|of: &Recorded| of.mean.clone()) as fn(&Recorded) -> Vec<f32>,
        ),
        (Pooling::Cls, |of| of.cls.clone()),
    ] {
        let function = Onnx::builder("small", FOLDER)
            .max_tokens(MAX_TOKENS)
            .pooling(pooling)
            .normalize(false)
            .build()
            .unwrap();
        assert_eq!(function.dimension(), Some(16));
        // All together, and one by one: the lengths in a batch do not matter.
        let texts: Vec<&str> = recorded.iter().map(|of| of.text.as_str()).collect();
        let together = function.embed_documents(&texts).unwrap();
        for (of, vector) in recorded.iter().zip(together.rows()) {
            assert!(difference(vector, &expected(of)) < 1e-5, "{}", of.text);
            let alone = function.embed_documents(&[&of.text]).unwrap();
            assert!(
                difference(alone.as_flat(), &expected(of)) < 1e-5,
                "{}",
                of.text
            );
        }
    }
}
