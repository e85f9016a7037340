//! Progress and cancellation of a call.

use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::embed::{EmbeddingContext, Purpose};
use chroma_blocking::{EmbeddingFunction, Progress};

use crate::{mini_lm, text};

/// Texts that make many batches.
fn texts() -> Vec<String> {
    (0..30).map(|seed| text(64, seed)).collect()
}

#[test]
fn a_call_reports_its_progress() {
    let Some((onnx, _)) = mini_lm() else { return };
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut reports = Vec::new();
    let mut report = |progress: &Progress| reports.push((progress.done, progress.total));
    let mut context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
    onnx.embed_with(&texts, &mut context).unwrap();
    assert!(reports.len() > 3, "{reports:?}");
    assert!(reports.is_sorted(), "{reports:?}");
    assert!(reports.iter().all(|(_, total)| *total == Some(30)));
    assert_eq!(reports.last(), Some(&(30, Some(30))));
}

#[test]
fn a_cancelled_call_stops_between_batches() {
    let Some((onnx, _)) = mini_lm() else { return };
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flag = AtomicBool::new(false);
    let mut done = Vec::new();
    let mut report = |progress: &Progress| {
        done.push(progress.done);
        flag.store(true, Ordering::Relaxed);
    };
    let context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
    let error = onnx
        .embed_with(&texts, &mut context.cancel(&flag))
        .unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
    assert_eq!(done.len(), 1, "{done:?}");
    assert!(done[0] < 30, "{done:?}");
    // Another call works.
    assert_eq!(onnx.embed_documents(&texts[..2]).unwrap().len(), 2);
}
