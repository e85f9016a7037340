//! [`Output`]: standard output, as tables and lines for people or as JSON Lines for programs.

use std::borrow::Cow;
use std::env;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stdout};

use serde::Serialize;

use super::args::Global;

/// The width of a terminal that does not tell.
const WIDTH: usize = 80;
/// No column becomes narrower, unless its cells are.
const NARROWEST: usize = 8;

/// Standard output.
pub(crate) struct Output {
    json: bool,
    /// The width of the terminal, if this is one.
    width: Option<usize>,
    is_coloured: bool,
    to: BufWriter<StdoutLock<'static>>,
}

/// The colours of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Output {
        let is_terminal = stdout().is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Output {
            json: global.json,
            width: is_terminal.then(terminal_width),
            is_coloured: is_terminal && !plain,
            to: BufWriter::new(stdout().lock()),
        }
    }

    /// Returns whether `--json` asks for JSON Lines.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line for people.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{}", one_line(text))
    }

    /// Prints a value as one line of JSON, in the form of programs. Control characters stay escaped, so that a
    /// terminal may show it.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(value)?;
        writeln!(self.to, "{}", one_line(&line))
    }

    /// Prints the rows below their titles. On a terminal, long cells are cut.
    pub(crate) fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let titles: Vec<Cow<'_, str>> = titles.iter().map(|title| (*title).into()).collect();
        let rows: Vec<Vec<Cow<'_, str>>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| one_line(cell)).collect())
            .collect();
        let widths = widths(&titles, &rows, self.width);
        let head = row_of(&titles, &widths);
        let head = self.paint(Colour::Bold, &head);
        writeln!(self.to, "{head}")?;
        for row in &rows {
            writeln!(self.to, "{}", row_of(row, &widths))?;
        }
        Ok(())
    }

    /// Returns a text in a colour, if colours are on.
    pub(crate) fn paint<'a>(&self, colour: Colour, text: &'a str) -> Cow<'a, str> {
        if self.is_coloured {
            format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8).into()
        } else {
            text.into()
        }
    }

    /// Prints text that is escaped and painted already.
    pub(crate) fn raw(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Returns standard output for a writer of its own format.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        &mut self.to
    }

    /// Writes what is buffered. Must be called at the end, since dropping ignores errors.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Returns a text from a server for a terminal: control characters and those that change the direction of text
/// are escaped as in JSON.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let is_unprintable = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
    };
    if !text.contains(is_unprintable) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_unprintable(c) => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown.into()
}

/// Returns the widths of the columns. The widest become narrower until all fit.
fn widths(titles: &[Cow<'_, str>], rows: &[Vec<Cow<'_, str>>], fit: Option<usize>) -> Vec<usize> {
    let column = |i: usize| {
        let cells = rows.iter().filter_map(move |row| row.get(i));
        cells.map(|cell| width(cell)).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(i, title)| column(i).max(width(title)))
        .collect();
    let Some(fit) = fit else { return widths };
    let fit = fit.saturating_sub(2 * titles.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > fit {
        let excess = widths.iter().sum::<usize>() - fit;
        let widest = widths.iter().max().copied().unwrap_or_default();
        let second = widths.iter().filter(|w| **w < widest).max();
        let to = second.copied().unwrap_or_default().max(NARROWEST);
        if widest <= NARROWEST {
            break;
        }
        if let Some(one) = widths.iter_mut().rev().find(|w| **w == widest) {
            *one = widest.saturating_sub(excess).max(to.min(widest - 1));
        }
    }
    widths
}

fn row_of(cells: &[Cow<'_, str>], widths: &[usize]) -> String {
    let mut row = String::new();
    for (cell, &room) in cells.iter().zip(widths) {
        let cell = cut(cell, room);
        row.push_str(&cell);
        row.push_str(&" ".repeat(room.saturating_sub(width(&cell)) + 2));
    }
    row.truncate(row.trim_end().len());
    row
}

/// Cuts a text to a width, with an ellipsis.
fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return text.into();
    }
    let mut taken = 0;
    let fits = |c: &char| {
        taken += width_of(*c);
        taken < room
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut.into()
}

fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Returns the columns of a terminal that a character takes: two for those of East Asia and for emoji.
fn width_of(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn terminal_width() -> usize {
    let columns = env::var("COLUMNS")
        .ok()
        .and_then(|width| width.parse().ok());
    columns
        .or_else(system_width)
        .filter(|width| *width > 0)
        .unwrap_or(WIDTH)
}

#[cfg(unix)]
fn system_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    Some(size.ws_col.into())
}

#[cfg(not(unix))]
fn system_width() -> Option<usize> {
    None
}
