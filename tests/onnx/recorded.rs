//! The vectors of Chroma's Python client, as `record.py` has recorded them.

use chroma_blocking::EmbeddingFunction;
use serde::Deserialize;

use crate::{difference, mini_lm};

#[derive(Deserialize)]
struct Recorded {
    text: String,
    /// The floats, eight hexadecimal digits for each.
    vector: String,
}

fn floats(digits: &str) -> Vec<f32> {
    let each = (0..digits.len()).step_by(8);
    each.map(|at| f32::from_bits(u32::from_str_radix(&digits[at..at + 8], 16).unwrap()))
        .collect()
}

#[test]
fn vectors_are_those_of_chromas_python_client() {
    let Some((onnx, _)) = mini_lm() else { return };
    let recorded: Vec<Recorded> =
        serde_json::from_str(include_str!("../data/minilm/vectors.json")).unwrap();
    assert!(recorded.len() >= 12);
    let texts: Vec<&str> = recorded.iter().map(|one| one.text.as_str()).collect();
    let found = onnx.embed_documents(&texts).unwrap();
    for (one, row) in recorded.iter().zip(found.rows()) {
        let difference = difference(row, &floats(&one.vector));
        assert!(difference <= 1e-6, "{difference} for {:?}", one.text);
    }
}
