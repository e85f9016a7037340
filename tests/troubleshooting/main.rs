//! `docs/troubleshooting.md` has the messages that the library really gives. What can be provoked here without much ado has a
//! heading there; what has a heading there is provoked here, or stands in the source; and what stands in the source is there.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(not(feature = "gemini"), allow(dead_code))]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod building;
mod document;
mod embedding;
mod jobs;
mod local;
mod messages;
mod servers;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use document::{Pattern, patterns};
use messages::Messages;
use support::assert_none;
use support::source::{self, Literal};

/// All that can be provoked.
fn seen() -> &'static BTreeSet<String> {
    static SEEN: OnceLock<Messages> = OnceLock::new();
    let all = || {
        let mut seen = Messages::default();
        bad_input::all(&mut seen);
        servers::all(&mut seen);
        embedding::all(&mut seen);
        jobs::all(&mut seen);
        local::all(&mut seen);
        seen
    };
    &SEEN.get_or_init(all).0
}

#[test]
fn every_message_has_a_heading() {
    let patterns = patterns();
    let headings: Vec<&Pattern> = patterns.iter().filter(|p| p.whole).collect();
    let unknown = |message: &&String| !headings.iter().any(|heading| heading.matches(message));
    assert!(seen().len() > 150, "{} messages", seen().len());
    assert_none(
        "not in docs/troubleshooting.md",
        seen().iter().filter(unknown),
    );
}

/// Without Gemini, nothing says what Google says.
#[cfg(feature = "gemini")]
#[test]
fn every_entry_is_a_message() {
    let literals = source::literals();
    let building = building::messages();
    let is_real = |pattern: &Pattern| match pattern.section.as_str() {
        "Building" => building.iter().any(|message| pattern.matches(message)),
        _ => seen().iter().any(|message| pattern.matches(message)) || is_in(&literals, pattern),
    };
    assert_none(
        "no message of the library",
        patterns().into_iter().filter(|pattern| !is_real(pattern)),
    );
}

/// Whether all pieces of a pattern stand in the source.
fn is_in(literals: &[Literal], pattern: &Pattern) -> bool {
    let pieces = pattern.text.split('…').map(bare);
    let mut pieces = pieces.filter(|piece| piece.len() > 3).peekable();
    pieces.peek().is_some() && pieces.all(|piece| stands_in(literals, piece))
}

/// Whether it is a part of one text, or of two that are joined.
fn stands_in(literals: &[Literal], piece: &str) -> bool {
    let mut stretches = literals.iter().flat_map(|literal| literal.text.split('…'));
    let joints = [": ", "; "]
        .into_iter()
        .flat_map(|joint| piece.match_indices(joint));
    stretches.any(|stretch| stretch.contains(piece))
        || joints.into_iter().any(|(at, joint)| {
            let parts = [&piece[..at], &piece[at + joint.len()..]];
            parts.into_iter().all(|part| stands_in(literals, part))
        })
}

/// Without what joins it to its neighbours.
fn bare(piece: &str) -> &str {
    piece.trim_matches([' ', ':', ';', ',', '"', '('])
}

/// The texts of `#[error(...)]`: a kind of error that is new has to be written about.
#[test]
fn every_kind_of_error_has_a_heading() {
    let patterns = patterns();
    let kinds: Vec<String> = source::literals()
        .into_iter()
        .filter(|literal| ["error/message.rs", "invalid.rs"].contains(&literal.file.as_str()))
        .map(|literal| {
            let text = literal.text.strip_prefix("…: ");
            text.unwrap_or(&literal.text).to_owned()
        })
        // What is all wildcards is known by its parts; and words that are put into others.
        .filter(|text| {
            text.chars().filter(|c| c.is_alphabetic()).count() > 3
                && !text.starts_with(char::is_whitespace)
        })
        .collect();
    assert!(kinds.len() > 30, "{kinds:?}");
    let unknown = |kind: &&String| {
        let start = kind.split('…').next().unwrap_or_default();
        let with_any_end = |pattern: &Pattern| start.len() > 4 && pattern.text.starts_with(start);
        let with_some = kind.replace('…', "x");
        let is_there = |pattern: &Pattern| {
            with_any_end(pattern)
                || pattern.matches(&with_some)
                || pattern.whole && pattern.text.contains(kind.as_str())
        };
        !patterns.iter().any(is_there)
    };
    assert_none(
        "not in docs/troubleshooting.md",
        kinds.iter().filter(unknown),
    );
}

/// Where every message is written about, and not only its kind.
const IN_FULL: &[&str] = &[
    "client/",
    "collection/",
    "config/",
    "embed/",
    "environment.rs",
    "ingest/bad.rs",
    "ingest/checkpoint.rs",
    "ingest/mod.rs",
    "ingest/reader.rs",
    "ingest/writer.rs",
    "local/",
    "model/metadata/check.rs",
    "model/name.rs",
    "transport/",
];

#[test]
fn every_message_of_the_source_has_an_entry() {
    let patterns = patterns();
    let literals = source::literals();
    let in_full = |literal: &&Literal| IN_FULL.iter().any(|start| literal.file.starts_with(start));
    let has_none = |literal: &&Literal| {
        let pieces = literal.text.split('…').map(bare);
        let longest = pieces.max_by_key(|piece| piece.len()).unwrap_or_default();
        // Long ones are cut short there.
        let start: String = longest.chars().take(40).collect();
        let start = start.trim_end();
        !patterns.iter().any(|pattern| {
            pattern.text.contains(start) || !pattern.whole && pattern.matches(&literal.text)
        })
    };
    let missing = literals
        .iter()
        .filter(in_full)
        .filter(|literal| is_message(literal));
    assert_none(
        "not in docs/troubleshooting.md",
        missing
            .filter(has_none)
            .map(|literal| format!("src/{}: {}", literal.file, literal.text)),
    );
}

/// What is said to servers, to Python and to the log, beginnings of each.
const NOT_TO_USERS: &[&str] = &[
    "task: ",
    "GET /api",
    "import sys",
    "PYTHONPATH=",
    "… run --path",
    "Installing a Chroma server",
    "do not match the hashes",
    "DO NOT MATCH THE HASHES",
    "\ncommand: ",
];

/// Whether it is a sentence for users.
fn is_message(literal: &Literal) -> bool {
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic);
    let words = literal.text.split_whitespace().filter(is_word).count();
    let said_to_others = NOT_TO_USERS
        .iter()
        .any(|start| literal.text.starts_with(start));
    words > 4 && !literal.logged && !said_to_others
}

#[test]
fn literals_are_found_where_they_are() {
    let text = r##"
        // "a comment"
        #[must_use = "an attribute"]
        #[error("{call}: an error")]
        fn f<'a>(x: &'a str) -> char {
            log::warn!("{x} is \"logged\"");
            logs::line(&[("a", b(1))], format_args!("in a line"));
            let c = ['"', '\'', '\\'];
            format!("two \
                     lines {{x}}") + r#"a "raw" one"#
        }
    "##;
    let expected = [
        ("…: an error", false),
        ("… is \"logged\"", true),
        ("a", true),
        ("in a line", true),
        ("two lines {x}", false),
        ("a \"raw\" one", false),
    ];
    assert_eq!(
        source::read(text),
        expected.map(|(text, logged)| (text.to_owned(), logged))
    );
    assert!(source::literals().len() > 1_000);
}
