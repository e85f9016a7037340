//! Models on this machine: the function `Onnx` with the model of Chroma's default function.
//!
//! If that model cannot be had, its tests say on standard error that they were left out, and pass.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod download;
mod model;
mod small;

/// Returns the largest difference of the floats of two vectors.
fn difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
