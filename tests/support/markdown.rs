//! As much of Markdown as the documents of this repository use.

use std::collections::HashSet;

/// A block of code between fences.
pub struct Block {
    /// The words after the opening fence, such as `rust,no_run`.
    pub info: String,
    pub text: String,
    /// The line of the opening fence, counted from 1.
    pub line: usize,
}

/// Splits a document into its blocks of code and all other lines, with their numbers.
pub fn parts(text: &str) -> (Vec<Block>, Vec<(usize, &str)>) {
    let (mut blocks, mut lines) = (Vec::<Block>::new(), Vec::new());
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            if !inside {
                let (info, text) = (info.trim().to_owned(), String::new());
                blocks.push(Block {
                    info,
                    text,
                    line: number,
                });
            }
            inside = !inside;
        } else if inside {
            let block = blocks.last_mut().unwrap();
            block.text += line;
            block.text.push('\n');
        } else {
            lines.push((number, line));
        }
    }
    assert!(!inside, "a block of code is not closed");
    (blocks, lines)
}

/// The code span at the start of a text, and the text after it.
fn span(text: &str) -> Option<(&str, &str)> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let fence = &text[..ticks];
    let (span, rest) = text[ticks..].split_once(fence).filter(|_| ticks > 0)?;
    // A span between several backticks contains a backtick, and may be padded with spaces.
    Some((if ticks > 1 { span.trim() } else { span }, rest))
}

/// All code spans of a line.
pub fn spans(mut line: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    while let Some(at) = line.find('`') {
        let Some((span, rest)) = span(&line[at..]) else {
            break;
        };
        spans.push(span);
        line = rest;
    }
    spans
}

/// The code spans at the start of a line, separated by commas or "or".
pub fn leading_spans(mut line: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    while let Some((span, rest)) = span(line) {
        spans.push(span);
        match rest.strip_prefix(", ").or(rest.strip_prefix(" or ")) {
            Some(more) => line = more,
            None => break,
        }
    }
    spans
}

/// The targets of links such as `[words](target)`, with their line numbers. Links in code do not count.
pub fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in parts(text).1 {
        let mut line = line.to_owned();
        for span in spans(&line.clone()) {
            line = line.replacen(span, "", 1);
        }
        let targets = line.split("](").skip(1);
        links.extend(targets.filter_map(|rest| Some((number, rest.split_once(')')?.0.to_owned()))));
        // `[words]: target`
        if let Some((_, target)) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("]: "))
        {
            links.push((number, target.trim().to_owned()));
        }
    }
    links
}

/// The anchors that GitHub makes from the headings of a document.
pub fn anchors(text: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    for (_, line) in parts(text).1 {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug: String = (title.trim().to_lowercase().chars())
            .filter(|&c| c.is_alphanumeric() || " -_".contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let mut names = std::iter::once(slug.clone()).chain(numbered);
        names.find(|name| anchors.insert(name.clone()));
    }
    anchors
}
