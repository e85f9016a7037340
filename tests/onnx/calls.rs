//! Progress and cancellation of a call.

use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::embed::{EmbeddingContext, Purpose};
use chroma_blocking::{EmbeddingFunction, Progress};

use crate::small;

/// Many batches.
const TEXTS: u64 = 300;

#[test]
fn a_call_reports_its_progress() {
    let function = small::function();
    let texts = small::texts(TEXTS as usize);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut reports = Vec::new();
    let mut report = |progress: &Progress| reports.push((progress.done, progress.total));
    let mut context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
    function.embed_with(&texts, &mut context).unwrap();
    assert!(reports.len() > 3, "{reports:?}");
    assert!(reports.is_sorted(), "{reports:?}");
    assert!(reports.iter().all(|(_, total)| *total == Some(TEXTS)));
    assert_eq!(reports.last(), Some(&(TEXTS, Some(TEXTS))));
}

#[test]
fn a_cancelled_call_stops_between_batches() {
    let function = small::function();
    let texts = small::texts(TEXTS as usize);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flag = AtomicBool::new(false);
    let mut done = Vec::new();
    let mut report = |progress: &Progress| {
        done.push(progress.done);
        flag.store(true, Ordering::Relaxed);
    };
    let context = EmbeddingContext::new(Purpose::Documents).on_progress(&mut report);
    let error = function
        .embed_with(&texts, &mut context.cancel(&flag))
        .unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
    assert_eq!(done.len(), 1, "{done:?}");
    assert!(done[0] < TEXTS, "{done:?}");
    // Another call works.
    assert_eq!(function.embed_documents(&texts[..2]).unwrap().len(), 2);
}
