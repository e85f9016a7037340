//! The readers of a tokenizer's files, for the fuzz tests.

use super::Tokenizer;
use super::files::{Contents, TokenizerConfig, from_json, from_vocabulary};
use crate::fuzzing::{Check, Parser};

pub(in crate::embed) const PARSERS: &[Parser] = &[
    ("tokenizer", |file| check(from_json(file))),
    ("vocabulary", |file| {
        check(from_vocabulary(file, &TokenizerConfig::default()))
    }),
];

/// Checks the ids of some texts.
fn check(contents: Result<Contents, String>) -> Result<Check, String> {
    let tokenizer = Tokenizer::of(contents?)?;
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
