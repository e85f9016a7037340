//! The messages in `docs/troubleshooting.md`, as patterns.

use std::fmt;

use crate::support::markdown;

const DOCUMENT: &str = include_str!("../../docs/troubleshooting.md");

/// A message in the document. `…` stands for any text.
pub struct Pattern {
    line: usize,
    pub text: String,
    /// A heading is a whole message. An item of a list below it is a part of one.
    pub is_heading: bool,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docs/troubleshooting.md:{}: `{}`", self.line, self.text)
    }
}

/// All messages of the document: headings of the third level, and items of lists that start with code.
pub fn patterns() -> Vec<Pattern> {
    let mut found = Vec::new();
    for (line, text) in markdown::parts(DOCUMENT).1 {
        let heading = text.strip_prefix("### ");
        let Some(words) = heading.or(text.strip_prefix("- ")) else {
            continue;
        };
        let (spans, is_heading) = (markdown::leading_spans(words), heading.is_some());
        assert!(
            !is_heading || !spans.is_empty(),
            "line {line}: a heading is a message in backticks"
        );
        found.extend(spans.into_iter().map(|text| Pattern {
            line,
            text: text.to_owned(),
            is_heading,
        }));
    }
    found
}

impl Pattern {
    /// Whether the pattern is this message or, for an item of a list, a part of it.
    pub fn matches(&self, message: &str) -> bool {
        let open = if self.is_heading { "" } else { "…" };
        is_like(&format!("{open}{}{open}", self.text), message)
    }
}

/// Whether a text is a pattern with any text in the place of each `…`.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('…').unwrap_or(("", rest));
    for piece in middle.split('…') {
        match text.split_once(piece) {
            Some((_, rest)) => text = rest,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[test]
fn a_wildcard_matches_any_text() {
    for (pattern, text, expected) in [
        ("a b", "a b", true),
        ("a b", "a bc", false),
        ("a …", "a bc", true),
        ("… c", "a b c", true),
        ("a … c … e", "a b c d e", true),
        ("a … c … e", "a b d e", false),
        ("a…", "b", false),
        ("…b…", "abc", true),
        ("ab…b", "ab", false),
    ] {
        assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
    }
}
