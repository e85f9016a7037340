//! [`Output`]: standard output, as tables and lines for people or as JSON Lines for programs.

use std::borrow::Cow;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, StdoutLock, Write, stdout};

use serde::Serialize;

use super::args::Global;

/// The width of a terminal that does not tell.
const WIDTH: usize = 80;
/// The spaces between two columns.
const GAP: usize = 2;
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

/// A table that is printed in parts. The first rows decide the widths of its columns.
pub(crate) struct Table {
    titles: &'static [&'static str],
    widths: Vec<usize>,
}

impl Table {
    pub(crate) fn new(titles: &'static [&'static str]) -> Table {
        let widths = Vec::new();
        Table { titles, widths }
    }
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

    /// Prints one line: the text for people, or the value as JSON.
    pub(crate) fn say(&mut self, text: &str, value: &impl Serialize) -> io::Result<()> {
        if self.json {
            self.json(value)
        } else {
            self.line(text)
        }
    }

    /// Prints rows of a table: before the first ones, its titles. On a terminal, long cells are cut.
    pub(crate) fn rows(&mut self, table: &mut Table, rows: &[Vec<String>]) -> io::Result<()> {
        let rows: Vec<Vec<Cow<'_, str>>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| one_line(cell)).collect())
            .collect();
        let fit = self.width;
        if table.widths.is_empty() {
            table.widths = widths(table.titles, &rows, fit);
            let titles: Vec<Cow<'_, str>> = table.titles.iter().map(|t| (*t).into()).collect();
            let head = line_of(&titles, &table.widths, fit.is_some());
            let head = self.paint(Colour::Bold, &head).into_owned();
            writeln!(self.to, "{head}")?;
        }
        for row in &rows {
            let line = line_of(row, &table.widths, fit.is_some());
            writeln!(self.to, "{line}")?;
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

    /// Prints a line for people, after a part that is [painted](Output::paint) already.
    pub(crate) fn painted_line(&mut self, painted: &str, text: &str) -> io::Result<()> {
        writeln!(self.to, "{painted}{}", one_line(text))
    }

    /// Returns standard output, for a writer of records in another format.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        &mut self.to
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Writes what is buffered. Must be called at the end, since dropping ignores errors.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Prints a line for people on standard error. A reader that has gone is ignored.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", one_line(text));
}

/// Whether the reader of standard output has gone. A broken connection to a server is none of this.
pub(crate) fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = match error.downcast_ref() {
        Some(chroma_blocking::Error::Io { source, .. }) => Some(source),
        _ => error.downcast_ref::<io::Error>(),
    };
    io.is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
}

/// Returns a number of records in words.
pub(crate) fn records(count: u64) -> String {
    if count == 1 {
        "1 record".to_owned()
    } else {
        format!("{count} records")
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
fn widths(titles: &[&str], rows: &[Vec<Cow<'_, str>>], fit: Option<usize>) -> Vec<usize> {
    let column = |(i, title): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        cells.fold(width(title), |widest, cell| widest.max(width(cell)))
    };
    let mut widths: Vec<usize> = titles.iter().enumerate().map(column).collect();
    let Some(fit) = fit else { return widths };
    let fit = fit.saturating_sub(GAP * titles.len().saturating_sub(1));
    let mut limit = widths.iter().max().copied().unwrap_or_default();
    while limit > NARROWEST && widths.iter().map(|w| *w.min(&limit)).sum::<usize>() > fit {
        limit -= 1;
    }
    for width in &mut widths {
        *width = limit.min(*width);
    }
    widths
}

/// Returns a row as one line. Its cells are cut to the widths, or else only padded.
fn line_of(cells: &[Cow<'_, str>], widths: &[usize], cuts: bool) -> String {
    let mut line = String::new();
    for (cell, &room) in cells.iter().zip(widths) {
        let cell = if cuts {
            cut(cell, room)
        } else {
            cell.as_ref().into()
        };
        line.push_str(&cell);
        line.push_str(&" ".repeat(room.saturating_sub(width(&cell)) + GAP));
    }
    line.truncate(line.trim_end().len());
    line
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
