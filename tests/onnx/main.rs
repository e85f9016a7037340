//! Models on this machine: the function `Onnx` with the model of Chroma's default function.
//!
//! If that model cannot be had, its tests say on standard error that they were left out, and pass.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod broken;
mod calls;
#[cfg(feature = "local-server")]
mod collections;
mod download;
mod model;
#[cfg(feature = "gemini")]
mod pools;
mod process;
#[cfg(feature = "local-server")]
mod python;
mod recorded;
mod settings;
mod small;
#[path = "../support/mod.rs"]
mod support;
mod vectors;

use std::path::PathBuf;

use chroma_blocking::embed::Onnx;

/// Returns Chroma's default function and the folder of its model, unless the model cannot be had.
fn mini_lm() -> Option<(Onnx, PathBuf)> {
    let folder = support::model::folder()?;
    Some((Onnx::mini_lm_from(&folder).unwrap(), folder))
}

/// Returns the largest difference of the floats of two vectors.
fn difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Returns a text of `words` words.
fn text(words: usize, seed: u64) -> String {
    const WORDS: [&str; 12] = [
        "river", "window", "blue", "music", "seven", "market", "stone", "garden", "letter",
        "winter", "engine", "paper",
    ];
    let mut random = support::random::Random(seed);
    let words: Vec<&str> = (0..words).map(|_| random.choose(&WORDS)).collect();
    words.join(" ")
}
