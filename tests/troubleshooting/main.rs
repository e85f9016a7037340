//! The headings of `docs/troubleshooting.md` are the messages that the library gives.
//!
//! The tests provoke messages. Each of them needs a heading, and each heading has to be one of them, or to
//! appear in the source of the library.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(not(feature = "gemini"), allow(dead_code))]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod document;
mod embedding;
mod jobs;
mod local;
mod messages;
mod servers;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use document::patterns;
use messages::Messages;
use support::assert_none;

/// All messages that these tests can provoke.
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
    let has_none = |message: &&String| {
        !patterns
            .iter()
            .any(|pattern| pattern.is_heading && pattern.matches(message))
    };
    assert!(seen().len() > 150, "{} messages", seen().len());
    assert_none(
        "not in docs/troubleshooting.md",
        seen().iter().filter(has_none),
    );
}

/// Messages of cargo and the compiler.
const BUILDING: [&str; 3] = [
    "failed to run custom build command for `ring v0.17.14`",
    "feature `edition2024` is required",
    "the item is gated behind the `csv` feature",
];

// Without Gemini, no test provokes Google's messages.
#[cfg(feature = "gemini")]
#[test]
fn every_entry_is_a_message() {
    let source = source();
    let is_real = |pattern: &document::Pattern| {
        let mut messages = seen().iter().map(String::as_str).chain(BUILDING);
        messages.any(|message| pattern.matches(message)) || is_in(&source, &pattern.text)
    };
    assert_none(
        "no message of the library",
        patterns().into_iter().filter(|pattern| !is_real(pattern)),
    );
}

/// The source of the library without line breaks in string literals.
fn source() -> String {
    fn read(folder: &Path, to: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, to);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                *to += text.split("\nmod tests {").next().unwrap();
            }
        }
    }
    let mut text = String::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap().to_owned();
    let joined = lines.fold(first, |text, line| text + line.trim_start());
    joined.replace("\\\"", "\"")
}

/// Whether the source contains every piece of a message. A message may be joined from several literals.
fn is_in(source: &str, message: &str) -> bool {
    let pieces = message.split(['…', ':', ';', '(']);
    let mut pieces = pieces
        .map(|piece| piece.trim_matches([' ', ',', '"']))
        .filter(|piece| piece.len() > 3)
        .peekable();
    pieces.peek().is_some() && pieces.all(|piece| source.contains(piece))
}

/// The messages of the variants of `Error`, up to their first placeholder.
const KINDS: [&str; 14] = [
    "not found: ",
    "already exists: ",
    "conflict: ",
    "not supported by this server: ",
    "not authorized (HTTP ",
    "rate limited",
    "the quota ",
    "the circuit breaker is open",
    "this is not a Chroma server with the v2 API",
    "cannot read the response: ",
    "stopped after ",
    "embedded ",
    "local Chroma server: ",
    "embedding cache: ",
];

/// Each kind of error needs an entry, whether a test provokes it or not.
#[test]
fn every_kind_of_error_has_an_entry() {
    let source = source();
    assert_none(
        "not in src",
        KINDS.iter().filter(|kind| !source.contains(*kind)),
    );
    let attributes = source.split("#[error(").skip(1);
    let of_input =
        attributes.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('{').next());
    // A message that begins with a placeholder is known by the messages in that place.
    let of_input = of_input.filter(|start| start.len() > 4);
    let patterns = patterns();
    let has_none = |start: &&str| {
        let mut texts = patterns.iter().map(|pattern| &pattern.text);
        !texts.any(|text| text.starts_with(start))
    };
    assert_none(
        "not in docs/troubleshooting.md",
        KINDS.into_iter().chain(of_input).filter(has_none),
    );
}
