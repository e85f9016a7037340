//! The vectors of a text do not depend on other texts.

use std::thread;

use chroma_blocking::EmbeddingFunction;

use crate::{difference, mini_lm, small, text};

#[test]
fn all_vectors_have_unit_length() {
    let Some((onnx, _)) = mini_lm() else { return };
    let texts = ["", " ", "\0", "[SEP]", "a", "你好", "👩‍👩‍👧", "\u{301}"];
    for row in onnx.embed_documents(&texts).unwrap().rows() {
        let square: f32 = row.iter().map(|x| x * x).sum();
        assert!((square - 1.0).abs() < 1e-5, "{square}");
    }
    assert!(onnx.embed_documents(&[]).unwrap().is_empty());
}

#[test]
fn a_thousand_texts_keep_their_order() {
    let function = small::function();
    let texts = small::texts(1_000);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = function.embed_documents(&texts).unwrap();
    assert_eq!(found.len(), texts.len());
    for (text, row) in texts.iter().zip(found.rows()) {
        let alone = function.embed_queries(&[text]).unwrap();
        assert!(difference(row, alone.as_flat()) <= 1e-6, "{text}");
    }
}

#[test]
fn of_a_megabyte_the_first_256_tokens_are_read() {
    let Some((onnx, _)) = mini_lm() else { return };
    // With [CLS] and [SEP], 254 words.
    let start = text(254, 1);
    let long = [start.as_str(), " stone".repeat(170_000).as_str()].concat();
    assert!(long.len() > 1_000_000);
    let shorter = text(253, 1);
    let found = onnx.embed_documents(&[&start, &long, &shorter]).unwrap();
    let [start, long, shorter] = [0, 1, 2].map(|row| found.row(row).unwrap());
    assert!(difference(start, long) <= 1e-6);
    assert!(difference(start, shorter) > 1e-4);
}

#[test]
fn threads_share_a_function() {
    let function = small::function();
    let texts = small::texts(400);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected = function.embed_documents(&texts).unwrap();
    thread::scope(|scope| {
        for (part, first) in texts.chunks(100).zip((0..).step_by(100)) {
            let (function, expected) = (&function, &expected);
            scope.spawn(move || {
                let found = function.clone().embed_documents(part).unwrap();
                for (row, place) in found.rows().zip(first..) {
                    assert!(difference(row, expected.row(place).unwrap()) <= 1e-6);
                }
            });
        }
    });
}
