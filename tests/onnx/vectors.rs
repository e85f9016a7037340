//! The vectors of a text do not depend on other texts.

use std::thread;

use chroma_blocking::EmbeddingFunction;

use crate::{difference, mini_lm, text};

/// Texts of many lengths, also without a word.
fn mixed() -> Vec<String> {
    let lengths = [3, 120, 0, 12, 60, 1, 7, 40, 3, 90, 12, 2, 30, 1, 8, 20];
    let lengths = lengths.into_iter().zip(0..);
    lengths.map(|(length, seed)| text(length, seed)).collect()
}

#[test]
fn alone_or_with_others_a_text_has_the_same_vector() {
    let Some((onnx, _)) = mini_lm() else { return };
    let texts = mixed();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = onnx.embed_documents(&texts).unwrap();
    assert_eq!((together.len(), together.dimension()), (texts.len(), 384));
    for (text, row) in texts.iter().zip(together.rows()) {
        let alone = onnx.embed_queries(&[text]).unwrap();
        let found = difference(alone.row(0).unwrap(), row);
        assert!(found <= 1e-6, "{found} for {text:?}");
    }
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let reversed = onnx.embed_documents(&reversed).unwrap();
    for (row, place) in reversed.rows().zip((0..texts.len()).rev()) {
        assert!(difference(row, together.row(place).unwrap()) <= 1e-6);
    }
}

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
fn thousands_of_texts_keep_their_order() {
    let Some((onnx, _)) = mini_lm() else { return };
    let texts: Vec<String> = (0..1_000)
        .map(|seed| text(1 + seed % 5, seed as u64))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = onnx.embed_documents(&texts).unwrap();
    assert_eq!(found.len(), texts.len());
    for place in (0..texts.len()).step_by(61) {
        let alone = onnx.embed_documents(&texts[place..=place]).unwrap();
        assert!(difference(found.row(place).unwrap(), alone.row(0).unwrap()) <= 1e-6);
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
    let Some((onnx, _)) = mini_lm() else { return };
    let texts = mixed();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected = onnx.embed_documents(&texts).unwrap();
    thread::scope(|scope| {
        for (part, first) in texts.chunks(4).zip((0..).step_by(4)) {
            let (onnx, expected) = (&onnx, &expected);
            scope.spawn(move || {
                let found = onnx.clone().embed_documents(part).unwrap();
                for (row, place) in found.rows().zip(first..) {
                    assert!(difference(row, expected.row(place).unwrap()) <= 1e-6);
                }
            });
        }
    });
}
