//! [`Records`]: prints records and hits, as JSON or as a table.

use std::io;

use chroma_blocking::{Hit, Include, Record};

use super::output::{Output, Table};

const TITLES: [&str; 5] = ["DISTANCE", "ID", "DOCUMENT", "METADATA", "EMBEDDING"];

/// What `head`, `get` and `query` print of each record.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct Columns {
    /// Print the vectors as well
    #[arg(long)]
    embeddings: bool,
}

impl Columns {
    /// Returns the columns to request.
    pub(crate) fn include(self) -> Vec<Include> {
        let mut include = vec![Include::Documents, Include::Metadatas, Include::Uris];
        if self.embeddings {
            include.push(Include::Embeddings);
        }
        include
    }

    /// Returns the titles without the last one, unless vectors are printed.
    fn titles(self, titles: &'static [&'static str]) -> &'static [&'static str] {
        let last = usize::from(!self.embeddings);
        &titles[..titles.len() - last]
    }
}

/// A printer of records.
pub(crate) struct Records<'a> {
    output: &'a Output,
    table: Table,
}

impl<'a> Records<'a> {
    pub(crate) fn new(output: &'a Output, columns: Columns) -> Records<'a> {
        let table = Table::new(columns.titles(&TITLES[1..]));
        Records { output, table }
    }

    /// Prints records. May be called again, for more of them.
    pub(crate) fn print(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        if self.output.is_json() {
            return records
                .into_iter()
                .try_for_each(|record| self.output.json(&record));
        }
        let rows: Vec<Vec<String>> = records.into_iter().map(cells).collect();
        self.output.rows(&mut self.table, &rows)
    }
}

/// Prints hits, nearest first.
pub(crate) fn print_hits(output: &Output, hits: &[Hit], columns: Columns) -> io::Result<()> {
    if output.is_json() {
        return hits.iter().try_for_each(|hit| output.json(hit));
    }
    let mut table = Table::new(columns.titles(&TITLES));
    let row = |hit: &Hit| {
        let mut row = vec![format!("{:.4}", hit.distance)];
        row.extend(cells(hit.clone().into()));
        row
    };
    let rows: Vec<Vec<String>> = hits.iter().map(row).collect();
    output.rows(&mut table, &rows)
}

/// Returns the cells of a record. A record without a document shows its URI.
fn cells(record: Record) -> Vec<String> {
    let mut cells = vec![record.id];
    cells.push(record.document.or(record.uri).unwrap_or_default());
    cells.push(if record.metadata.is_empty() {
        String::new()
    } else {
        record.metadata.to_string()
    });
    if let Some(vector) = record.embedding {
        cells.push(format!("{vector:?}"));
    }
    cells
}
