//! Standard output, as lines and tables for people or as JSON Lines for programs, and standard error.
//!
//! Standard output is written line by line, so that nothing is left to write at the end.

use std::error::Error;
use std::io::{self, ErrorKind, Write, stderr, stdout};

use console::{Alignment, Term, measure_text_width, pad_str, style};
use serde::Serialize;
use serde_json::Value;

use super::args::Global;
use crate::printable::OneLine;

/// The space between two columns.
const GAP: &str = "  ";
/// No column becomes narrower, unless its cells are.
const NARROWEST: usize = 8;

/// A table that is printed in parts, or JSON Lines in its place. The first rows decide the widths of the columns.
pub(crate) struct Table {
    json: bool,
    /// The names of the columns in JSON. In capital letters, they are the titles.
    names: &'static [&'static str],
    /// The width of the terminal, if standard output is one.
    terminal: Option<usize>,
    widths: Vec<usize>,
}

impl Table {
    pub(crate) fn new(global: &Global, names: &'static [&'static str]) -> Table {
        let size = Term::stdout().size_checked();
        Table {
            json: global.json,
            names,
            terminal: size.map(|(_, columns)| columns.into()),
            widths: Vec::new(),
        }
    }

    /// Prints values. May be called again, for more of them. On a terminal, long cells are cut.
    pub(crate) fn print<T: Serialize>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        let mut values = values.into_iter();
        if self.json {
            return values.try_for_each(|value| print_json(&value));
        }
        let rows = values.map(|value| self.cells(&value));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if self.widths.is_empty() {
            let titles = self.names.iter().map(|name| name.to_uppercase()).collect();
            self.widths = self.widths(&titles, &rows);
            writeln!(stdout(), "{}", style(self.row(&titles)).bold())?;
        }
        let mut rows = rows.iter();
        rows.try_for_each(|row| writeln!(stdout(), "{}", self.row(row)))
    }

    /// Returns the cells of a value.
    fn cells(&self, value: &impl Serialize) -> serde_json::Result<Vec<String>> {
        // A `Value` that is not made from text widens floats: 0.1 becomes 0.10000000149011612.
        let value: Value = serde_json::from_str(&serde_json::to_string(value)?)?;
        let text = |name| match &value[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let names = self.names.iter();
        Ok(names.map(|name| OneLine(text(name)).to_string()).collect())
    }

    /// Returns the widths of the columns. On a terminal, the widest become narrower until all fit.
    fn widths(&self, titles: &Vec<String>, rows: &[Vec<String>]) -> Vec<usize> {
        let mut widths = vec![0; titles.len()];
        for row in rows.iter().chain([titles]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = measure_text_width(cell).max(*width);
            }
        }
        let Some(terminal) = self.terminal else {
            return widths;
        };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let fits =
            |limit: &usize| gaps + widths.iter().map(|w| w.min(limit)).sum::<usize>() <= terminal;
        let widest = widths.iter().copied().max().unwrap_or_default();
        let limit = (NARROWEST..=widest).rev().find(fits).unwrap_or(NARROWEST);
        widths.into_iter().map(|width| width.min(limit)).collect()
    }

    /// Returns a row as one line. On a terminal, its cells are cut to the widths.
    fn row(&self, cells: &[String]) -> String {
        let ellipsis = self.terminal.map(|_| "…");
        let cells = cells.iter().zip(&self.widths);
        let cells = cells.map(|(cell, width)| pad_str(cell, *width, Alignment::Left, ellipsis));
        let line = cells.collect::<Vec<_>>().join(GAP);
        line.trim_end().to_owned()
    }
}

/// Decides whether texts that are [styled](console::style) have colours. Otherwise, CLICOLOR_FORCE would colour
/// pipes too, even with NO_COLOR.
pub(crate) fn set_colours() {
    console::set_colors_enabled(Term::stdout().features().colors_supported());
}

/// Prints one line: the text for people, or the value for programs.
pub(crate) fn say(global: &Global, text: &str, value: &impl Serialize) -> io::Result<()> {
    if global.json {
        print_json(value)
    } else {
        print(text)
    }
}

/// Prints a value as one line of JSON. Control characters stay escaped, so that a terminal may show it.
pub(crate) fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(&serde_json::to_string(value)?)
}

/// Prints a line on standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    writeln!(stdout(), "{}", OneLine(text))
}

/// Prints a line for people on standard error. A reader that has gone is ignored.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "{}", OneLine(text));
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
