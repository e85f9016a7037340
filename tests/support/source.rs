//! The texts in the library's source, so that documents can be held against them.

use std::fs;
use std::path::{Path, PathBuf};

/// A string literal, outside of comments, attributes (but for `#[error(...)]`) and tests.
#[derive(Debug)]
pub struct Literal {
    /// Below `src`, with slashes: `error/mod.rs`.
    pub file: String,
    /// With `…` for each placeholder.
    pub text: String,
    /// Whether it is part of a line of the log.
    pub logged: bool,
}

/// All literals of the library.
pub fn literals() -> Vec<Literal> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for path in files(&src, "rs") {
        let file = path.strip_prefix(&src).unwrap().to_str().unwrap();
        let file = file.replace('\\', "/");
        if file.starts_with("fuzzing") || file.ends_with("parsers.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for (text, logged) in read(&source) {
            found.push(Literal {
                file: file.clone(),
                text,
                logged,
            });
        }
    }
    found
}

/// The files with this extension in a folder and all below it, in order.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The string literals of a source, with `…` for each placeholder, and whether each is logged.
pub fn read(source: &str) -> Vec<(String, bool)> {
    // Tests are at the end of a file.
    let source = source.split("\nmod tests {").next().unwrap_or(source);
    let (mut found, mut at) = (Vec::new(), 0);
    // Where the call of a logger, or an attribute, ends: how many brackets are open around it.
    let (mut depth, mut logging, mut attribute) = (0, None, None);
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(raw) = raw_string(rest) {
            found.extend(keep(raw.0, logging, attribute));
            at += raw.1;
        } else if c == '"' {
            let (text, length) = string(rest);
            found.extend(keep(text, logging, attribute));
            at += length;
        } else if let Some(length) = char_literal(rest) {
            at += length;
        } else {
            let logs = ["log::", "logs::line(", "logs::failure("];
            if logs.iter().any(|start| rest.starts_with(start)) && logging.is_none() {
                logging = Some(depth);
            }
            if rest.starts_with("#[") && !rest.starts_with("#[error(") && attribute.is_none() {
                attribute = Some(depth);
            }
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => {
                    depth -= 1;
                    logging = logging.filter(|outside| *outside != depth);
                    attribute = attribute.filter(|outside| *outside != depth);
                }
                _ => {}
            }
            at += c.len_utf8();
        }
    }
    found
}

fn keep(text: String, logging: Option<i32>, attribute: Option<i32>) -> Option<(String, bool)> {
    let shown = (with_wildcards(&text), logging.is_some());
    attribute.is_none().then_some(shown)
}

/// The string at the start, what stands in it, and how long it is in the source.
fn string(source: &str) -> (String, usize) {
    let (mut text, mut at) = (String::new(), 1);
    loop {
        let c = source[at..].chars().next().unwrap();
        at += c.len_utf8();
        match c {
            '"' => return (text, at),
            '\\' => {
                let c = source[at..].chars().next().unwrap();
                at += c.len_utf8();
                match c {
                    'n' => text.push('\n'),
                    '\n' => at += source[at..].len() - source[at..].trim_start().len(),
                    '"' | '\\' | '\'' => text.push(c),
                    // What else there is is in no message.
                    _ => {}
                }
            }
            c => text.push(c),
        }
    }
}

/// The same of `r"…"` and `r#"…"#`.
fn raw_string(source: &str) -> Option<(String, usize)> {
    let rest = source.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let rest = rest[hashes..].strip_prefix('"')?;
    let text = rest.split(&format!("\"{}", "#".repeat(hashes))).next()?;
    Some((text.to_owned(), text.len() + 3 + 2 * hashes))
}

/// How long a character in quotes is; `None` for a lifetime.
fn char_literal(source: &str) -> Option<usize> {
    let rest = source.strip_prefix('\'')?;
    let mut chars = rest.chars();
    let first = chars.next()?;
    let end = match first {
        '\\' => 2 + rest[2..].find('\'')?,
        _ => (chars.next()? == '\'').then_some(first.len_utf8())?,
    };
    Some(end + 2)
}

/// A format string with `…` for each placeholder.
fn with_wildcards(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        shown += &rest[..at];
        let twice = rest[at..].starts_with("{{") || rest[at..].starts_with("}}");
        rest = match rest[at..].split_once('}') {
            _ if twice => {
                shown.push_str(&rest[at..=at]);
                &rest[at + 2..]
            }
            Some((_, behind)) if rest[at..].starts_with('{') => {
                shown.push('…');
                behind
            }
            _ => &rest[at + 1..],
        };
    }
    shown + rest
}
