//! The messages in `docs/troubleshooting.md`, as patterns in which `…` stands for any text.

/// The part of the document on this library. The messages of cargo and the compiler are after it.
pub fn document() -> &'static str {
    let text = include_str!("../../docs/troubleshooting.md");
    text.split("\n## Building").next().unwrap()
}

/// The pieces of code at the start of all lines with this prefix, joined by commas or "or": `### ` for whole
/// messages, `- ` for parts of them.
pub fn patterns(prefix: &str) -> Vec<&'static str> {
    let lines = document()
        .lines()
        .filter_map(|line| line.strip_prefix(prefix));
    let mut found = Vec::new();
    for line in lines.filter(|line| line.starts_with('`')) {
        let mut pieces = line.split('`').skip(1);
        while let Some(code) = pieces.next() {
            found.push(code);
            if !matches!(pieces.next(), Some(", " | " or ")) {
                break;
            }
        }
    }
    found
}

/// Whether a text is a pattern with any text in the place of each `…`.
pub fn is_like(pattern: &str, text: &str) -> bool {
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
