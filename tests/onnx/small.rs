//! A small model with the operators of BERT: the vectors are those of onnxruntime.
//!
//! `tests/data/tiny-onnx/make.py` has made the model and recorded the vectors.

use std::fs;
use std::path::Path;

use chroma_blocking::EmbeddingFunction;
use chroma_blocking::embed::{Onnx, Pooling};
use serde::Deserialize;

use crate::difference;
use crate::support::folder::Folder;
use crate::support::random::Random;

pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny-onnx");
/// The model has vectors for this many positions.
pub const MAX_TOKENS: usize = 32;

/// Returns a function with the model.
pub fn function() -> Onnx {
    let builder = Onnx::builder("small", FOLDER).max_tokens(MAX_TOKENS);
    builder.build().unwrap()
}

/// Returns texts of 0 to 39 words. The model accepts fewer, so some are cut off.
pub fn texts(count: usize) -> Vec<String> {
    const WORDS: [&str; 8] = ["rust", "has", "no", "garbage", "the", "cats", "sat", "a"];
    let mut random = Random(1);
    let mut text = || {
        let words = (0..random.below(40)).map(|_| random.choose(&WORDS));
        words.collect::<Vec<_>>().join(" ")
    };
    (0..count).map(|_| text()).collect()
}

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

#[test]
fn vectors_of_tokens_are_found_after_another_output() {
    for (name, file) in [
        ("last_hidden_state", "model.onnx"),
        // The place of the file in repositories on Hugging Face.
        ("token_embeddings", "onnx/model.onnx"),
    ] {
        let folder = Folder::new();
        let copy = |from: &str, to: &str| {
            fs::copy(Path::new(FOLDER).join(from), folder.path(to)).unwrap();
        };
        folder.make("onnx");
        copy("vocab.txt", "vocab.txt");
        copy(&format!("pooled_and_{name}.onnx"), file);
        let function = Onnx::builder(name, &folder.0).build().unwrap();
        let found = function.embed_documents(&["rust", "the cats sat"]).unwrap();
        assert!(
            difference(found.as_flat(), &[0.6, 0.8, 0.6, 0.8]) < 1e-6,
            "{name}"
        );
    }
}
