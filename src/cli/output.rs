//! Standard output, as tables and lines for people or as JSON Lines for programs: [`Output`].

use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};

use console::{Alignment, Term, measure_text_width, pad_str, style};
use serde::Serialize;
use serde_json::Value;

use super::args::Global;
use crate::printable::OneLine;

/// The space between two columns.
const GAP: &str = "  ";
/// No column becomes narrower, unless its cells are.
const NARROWEST: usize = 8;

/// Standard output. It is written line by line, so that nothing is left to write at the end.
pub(crate) struct Output {
    json: bool,
    /// The width of the terminal, if this is one.
    width: Option<usize>,
}

/// A table that is printed in parts. The first rows decide the widths of its columns.
pub(crate) struct Table {
    /// The names of the columns in JSON. In capital letters, they are the titles.
    names: &'static [&'static str],
    widths: Vec<usize>,
}

impl Table {
    pub(crate) fn new(names: &'static [&'static str]) -> Table {
        let widths = Vec::new();
        Table { names, widths }
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
}

impl Output {
    pub(crate) fn new(global: &Global) -> Output {
        let terminal = Term::stdout();
        // Otherwise CLICOLOR_FORCE would colour pipes too, even with NO_COLOR.
        console::set_colors_enabled(terminal.features().colors_supported());
        let width = || terminal.size().1.into();
        Output {
            json: global.json,
            width: stdout().is_terminal().then(width),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line for people.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        writeln!(stdout(), "{}", OneLine(text))
    }

    /// Prints a value as one line of JSON, in the form of programs. Control characters stay escaped, so that a
    /// terminal may show it.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string(value)?)
    }

    /// Prints one line: the text for people, or the value as JSON.
    pub(crate) fn say(&self, text: &str, value: &impl Serialize) -> io::Result<()> {
        if self.json {
            self.json(value)
        } else {
            self.line(text)
        }
    }

    /// Prints values: as lines of JSON, or as rows of a table, on a terminal with long cells cut.
    pub(crate) fn rows<T: Serialize>(
        &self,
        table: &mut Table,
        values: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        let mut values = values.into_iter();
        if self.json {
            return values.try_for_each(|value| self.json(&value));
        }
        let rows = values.map(|value| table.cells(&value));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if table.widths.is_empty() {
            let titles = table.names.iter().map(|name| name.to_uppercase()).collect();
            table.widths = self.widths(&titles, &rows);
            let titles = self.row(&titles, &table.widths);
            writeln!(stdout(), "{}", style(titles).bold())?;
        }
        let mut rows = rows.iter();
        rows.try_for_each(|row| writeln!(stdout(), "{}", self.row(row, &table.widths)))
    }

    /// Returns the widths of the columns. On a terminal, the widest become narrower until all fit.
    fn widths(&self, titles: &Vec<String>, rows: &[Vec<String>]) -> Vec<usize> {
        let mut widths = vec![0; titles.len()];
        for row in rows.iter().chain([titles]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = measure_text_width(cell).max(*width);
            }
        }
        let Some(terminal) = self.width else {
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
    fn row(&self, cells: &[String], widths: &[usize]) -> String {
        let ellipsis = self.width.map(|_| "…");
        let cells = cells.iter().zip(widths);
        let cells = cells.map(|(cell, width)| pad_str(cell, *width, Alignment::Left, ellipsis));
        let line = cells.collect::<Vec<_>>().join(GAP);
        line.trim_end().to_owned()
    }
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
