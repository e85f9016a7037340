//! The messages in `docs/troubleshooting.md`, as patterns.

use std::fmt;

use crate::support::markdown;

const DOCUMENT: &str = include_str!("../../docs/troubleshooting.md");

/// A message as the document has it: `…` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern {
    pub line: usize,
    pub text: String,
    /// A heading is a whole message, an item below it is a part of one.
    pub whole: bool,
    /// Under which heading of the second level.
    pub section: String,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docs/troubleshooting.md:{}: `{}`", self.line, self.text)
    }
}

/// All messages of the document: headings of the third level that are code, and items of lists that start with code.
pub fn patterns() -> Vec<Pattern> {
    let (_, lines) = markdown::parts(DOCUMENT);
    let mut section = String::new();
    let mut found = Vec::new();
    for (line, text) in lines {
        if let Some(title) = text.strip_prefix("## ") {
            section = title.to_owned();
        }
        let (spans, whole) = match (text.strip_prefix("### "), text.strip_prefix("- ")) {
            (Some(heading), _) => (markdown::leading_spans(heading), true),
            (_, Some(item)) => (markdown::leading_spans(item), false),
            _ => continue,
        };
        assert!(
            !whole || !spans.is_empty(),
            "line {line}: a heading of the third level is a message in backticks"
        );
        found.extend(spans.into_iter().map(|text| Pattern {
            line,
            text: text.to_owned(),
            whole,
            section: section.clone(),
        }));
    }
    found
}

impl Pattern {
    /// Whether a message is this one, or, for an item of a list, has it in it.
    pub fn matches(&self, message: &str) -> bool {
        let open = if self.whole { "" } else { "…" };
        is_like(&format!("{open}{}{open}", self.text), message)
    }
}

/// Whether a text is a pattern with something in place of each `…`.
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
            Some((_, behind)) => text = behind,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[test]
fn a_wildcard_is_anything() {
    for (pattern, text, like) in [
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
        assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
    }
}
