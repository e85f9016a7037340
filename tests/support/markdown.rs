//! As much of Markdown as the documents of this repository use.

use std::collections::HashSet;

/// A block of code between fences.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// What is behind the opening fence: `rust,no_run`.
    pub info: String,
    pub text: String,
    /// The line of the opening fence, counted from 1.
    pub line: usize,
}

/// The blocks of code, and all other lines with their numbers.
pub fn parts(text: &str) -> (Vec<Block>, Vec<(usize, &str)>) {
    let (mut blocks, mut lines): (Vec<Block>, Vec<(usize, &str)>) = Default::default();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match (inside, fence) {
            (false, Some(info)) => {
                blocks.push(Block {
                    info: info.trim().to_owned(),
                    text: String::new(),
                    line: number,
                });
                inside = true;
            }
            (true, Some(_)) => inside = false,
            (true, None) => {
                let block = blocks.last_mut().unwrap();
                block.text += line;
                block.text.push('\n');
            }
            (false, None) => lines.push((number, line)),
        }
    }
    assert!(!inside, "a block of code is not closed");
    (blocks, lines)
}

/// The code spans at the start of a line, with commas or "or" between them.
pub fn leading_spans(mut line: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    while let Some((span, rest)) = span(line) {
        spans.push(span);
        let more = rest.strip_prefix(", ").or(rest.strip_prefix(" or "));
        match more {
            Some(more) => line = more,
            None => break,
        }
    }
    spans
}

/// All code spans of a line.
pub fn spans(mut line: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    while let Some(at) = line.find('`') {
        match span(&line[at..]) {
            Some((span, rest)) => {
                spans.push(span);
                line = rest;
            }
            None => line = &line[at + 1..],
        }
    }
    spans
}

/// The code span that a text starts with, and what is behind it.
fn span(text: &str) -> Option<(&str, &str)> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let fence = &text[..ticks];
    let (span, rest) = text[ticks..].split_once(fence).filter(|_| ticks > 0)?;
    // More backticks than one are for a text that has some itself, and may need a blank between.
    Some((if ticks > 1 { span.trim() } else { span }, rest))
}

/// The targets of links, `[words](target)`, with the numbers of their lines.
pub fn links(text: &str) -> Vec<(usize, String)> {
    let (_, lines) = parts(text);
    let mut links = Vec::new();
    for (number, line) in lines {
        let mut rest = without_spans(line);
        while let Some((_, behind)) = rest.split_once("](") {
            let (target, behind) = behind.split_once(')').unwrap_or((behind, ""));
            links.push((number, target.trim().to_owned()));
            rest = behind.to_owned();
        }
        // `[words]: target`
        if let Some((_, target)) = line.strip_prefix('[').and_then(|l| l.split_once("]: ")) {
            links.push((number, target.trim().to_owned()));
        }
    }
    links
}

/// What stands in code is no link.
fn without_spans(line: &str) -> String {
    let mut line = line.to_owned();
    for span in spans(&line.clone()) {
        line = line.replacen(span, "", 1);
    }
    line
}

/// The names by which headings can be linked to, as GitHub makes them.
pub fn anchors(text: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    for (_, _, title) in headings(text) {
        let mut slug = String::new();
        for c in title.chars().flat_map(char::to_lowercase) {
            match c {
                ' ' => slug.push('-'),
                '-' | '_' => slug.push(c),
                c if c.is_alphanumeric() => slug.push(c),
                _ => {}
            }
        }
        let mut name = slug.clone();
        let mut again = 0;
        while !anchors.insert(name.clone()) {
            again += 1;
            name = format!("{slug}-{again}");
        }
    }
    anchors
}

/// The headings: their lines, their levels, and their words.
pub fn headings(text: &str) -> Vec<(usize, usize, &str)> {
    let (_, lines) = parts(text);
    let mut found = Vec::new();
    for (number, line) in lines {
        let level = line.len() - line.trim_start_matches('#').len();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            found.push((number, level, line[level..].trim()));
        }
    }
    found
}
