//! The readers of a tokenizer's files, for the fuzz tests.

use super::Tokenizer;
use super::config::TokenizerConfig;
use super::json;
use super::parts::Parts;
use super::vocab_txt;
use crate::fuzzing::{Check, Parser};

pub(in crate::embed) const PARSERS: &[Parser] = &[
    ("tokenizer", |file| check(json::parts(file))),
    ("vocabulary", |file| {
        check(vocab_txt::parts(file, &TokenizerConfig::default()))
    }),
];

/// Checks the ids of some texts.
fn check(parts: Result<Parts, String>) -> Result<Check, String> {
    let tokenizer = Tokenizer::of(parts?)?;
    Ok(Box::new(move || {
        for text in [
            "",
            "a New York cafe\u{301} unaffable",
            "日本[SEP]\0 ΕΣ.",
            "ab\u{344} a[[CLS]",
        ] {
            let ids = tokenizer.encode(text, 512);
            assert!(ids.len() >= 2);
            assert!(ids.iter().all(|id| (0..=tokenizer.max_id()).contains(id)));
            let cut = tokenizer.encode(text, 4);
            assert!(cut.len() <= 4 && cut[..cut.len() - 1] == ids[..cut.len() - 1]);
        }
    }))
}
