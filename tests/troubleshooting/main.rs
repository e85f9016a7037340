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

use document::{document, is_like, patterns};
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
    let headings = patterns("### ");
    let has_none = |message: &&String| !headings.iter().any(|heading| is_like(heading, message));
    assert!(seen().len() > 150, "{} messages", seen().len());
    assert_none(
        "not in docs/troubleshooting.md",
        seen().iter().filter(has_none),
    );
}

/// The source of the library, with each string literal on one line.
fn source() -> String {
    fn read(folder: &Path, to: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, to);
            } else {
                let text = fs::read_to_string(path).unwrap();
                let lines = text.split("\nmod tests {").next().unwrap().lines();
                to.extend(lines.map(|line| line.trim_start().trim_end_matches('\\')));
            }
        }
    }
    let mut text = String::new();
    read(Path::new("src"), &mut text);
    text.replace("\\\"", "\"")
}

// Without these features, no test provokes the messages of Google and of CSV files.
#[cfg(all(feature = "gemini", feature = "csv"))]
#[test]
fn every_entry_is_a_message() {
    let source = source();
    let is_real = |pattern: &&str| {
        // Format strings join several literals.
        let pieces = pattern
            .split(['…', ':', ';', '('])
            .map(|piece| piece.trim_matches([' ', ',', '"']));
        let mut pieces = pieces.filter(|piece| piece.len() > 3).peekable();
        pieces.peek().is_some() && pieces.all(|piece| source.contains(piece))
            || seen()
                .iter()
                .any(|message| is_like(&format!("…{pattern}…"), message))
    };
    let entries = patterns("### ").into_iter().chain(patterns("- "));
    assert_none(
        "no message of the library",
        entries.filter(|pattern| !is_real(pattern)),
    );
}

/// The messages of the variants of `Error`, up to their first placeholder.
const KINDS: &str = "not found: |already exists: |conflict: |not supported by this server: |not authorized (HTTP |\
    rate limited|the quota |the circuit breaker is open|the index of the collection is broken: |\
    the server's storage failed: |this is not a Chroma server with the v2 API|\
    cannot read the response: |stopped after |embedded |local Chroma server: |embedding cache: ";

/// Each kind of error needs an entry, whether a test provokes it or not.
#[test]
fn every_kind_of_error_has_an_entry() {
    let source = source();
    let of_input = source
        .split("#[error(\"")
        .skip(1)
        .filter_map(|rest| rest.split('{').next());
    // A message that begins with a placeholder is known by the messages in that place.
    let kinds = KINDS
        .split('|')
        .chain(of_input.filter(|start| start.len() > 4));
    assert_none(
        "not in docs/troubleshooting.md",
        kinds.filter(|start| !document().contains(&format!("`{start}"))),
    );
}
