//! [`CsvRows`]: records from CSV files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::bounded::Bounded;
use super::columns::{Column, Kind, Names};
use crate::error::{Error, Result};
use crate::ingest::readers::ids::{Ids, MissingIds};
use crate::ingest::readers::origin::{MAX_LEN, Origin};
use crate::model::record::Record;
use crate::wire::read::short;

/// Opens a CSV file and returns an iterator of its records. See [`CsvRows`] for the options. Requires the
/// feature `csv`.
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::csv_records;
/// # let notes = Client::from_env()?.collection("notes");
/// # let notes = notes.embedding_function(Hashing::default()).get_or_create()?;
/// let records = csv_records("products.csv")?
///     .id_column("sku")
///     .document_column("body")
///     .int_columns(["year"]);
/// notes.ingest(records).run()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened.
pub fn csv_records(path: impl AsRef<Path>) -> Result<CsvRows> {
    let (origin, file) = Origin::open("csv_records", path.as_ref())?;
    Ok(CsvRows::new(origin, file))
}

/// An iterator of the records in CSV with a header row. Requires the feature `csv`.
///
/// [`csv_records`] opens a file, and [`from_reader`](CsvRows::from_reader) reads any other source.
///
/// # Columns
/// By default, a record's id, document, vector and address are in the columns `id`, `document`, `embedding`
/// (a list of numbers in brackets) and `uri`. Setters change these names. Without a column `document`, the
/// reader uses the column `text`, unless [`document_column`](CsvRows::document_column) names a different one.
/// All other columns are metadata. Columns without a name are ignored. An empty cell has no value. In
/// metadata, that is [`MetadataValue::Null`](crate::MetadataValue::Null).
///
/// Metadata values are strings by default, because a cell does not show its type: `007` may be a number or a
/// code, and a filter cannot use a column with numbers in some rows and strings in others.
/// [`int_columns`](CsvRows::int_columns), [`float_columns`](CsvRows::float_columns) and
/// [`bool_columns`](CsvRows::bool_columns) set other types.
///
/// ```
/// use chroma_blocking::Record;
/// use chroma_blocking::ingest::CsvRows;
///
/// let csv = "sku,body,year,code\n17,\"A cheese, from Gouda.\",1184,007\n";
/// let rows = CsvRows::from_reader(csv.as_bytes())
///     .id_column("sku")
///     .document_column("body")
///     .int_columns(["year"]);
/// let records: Vec<Record> = rows.collect::<Result<_, _>>()?;
/// let gouda = Record::new("17")
///     .document("A cheese, from Gouda.")
///     .metadata("year", 1184)
///     .metadata("code", "007");
/// assert_eq!(records, [gouda]);
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// The iterator returns [`Error::Invalid`] in place of a row that is not a record, with the file, the line
/// and the reason. It continues with the next row.
///
/// These errors are the last item:
///
/// - [`Error::Io`] if the source cannot be read,
/// - [`Error::Invalid`] if the header lacks a column that was named,
/// - [`Error::Invalid`] if a row is [too long](CsvRows::max_row_len), because the start of the next one is
///   unknown.
///
/// Each row is one item, so the same source always gives the same items in the same order. To resume after
/// `n` items, use [`skip(n)`](Iterator::skip).
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct CsvRows<R = File> {
    source: Source<R>,
    origin: Origin,
    names: Names,
    delimiter: u8,
    max_len: usize,
}

#[derive(Debug)]
enum Source<R> {
    New(R),
    Open(Box<Open<R>>),
    Finished,
}

/// A source whose header has been read.
#[derive(Debug)]
struct Open<R> {
    rows: Reader<Bounded<R>>,
    columns: Vec<Column>,
    row: StringRecord,
}

impl<R: Read> CsvRows<R> {
    fn new(origin: Origin, source: R) -> CsvRows<R> {
        CsvRows {
            source: Source::New(source),
            names: Names::new(Ids::new("column", &origin.name)),
            origin,
            delimiter: b',',
            max_len: MAX_LEN,
        }
    }

    /// Creates an iterator of the records in any source. The source need not be buffered.
    pub fn from_reader(source: R) -> CsvRows<R> {
        CsvRows::new(Origin::new("CsvRows", "input"), source)
    }

    /// Sets the name of the source for errors and for ids that are generated [from
    /// lines](MissingIds::FromLine).
    ///
    /// Default: the file's path in errors and its name in ids, or `input` if the source is not a file.
    pub fn name(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.origin.name = name.into();
        self.names.ids.prefix.clone_from(&self.origin.name);
        self
    }

    /// Sets the delimiter between two cells. Default: a comma.
    pub fn delimiter(mut self, delimiter: u8) -> CsvRows<R> {
        self.delimiter = delimiter;
        self
    }

    /// Sets the column with the id. Default: `id`.
    pub fn id_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.ids.name = name.into();
        self
    }

    /// Sets the column with the document. Default: `document`, or `text` if there is no `document`.
    pub fn document_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.document = Some(name.into());
        self
    }

    /// Sets the column with the vector, a list of numbers such as `[0.5, 1]`. Default: `embedding`.
    pub fn embedding_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.embedding = Some(name.into());
        self
    }

    /// Sets the column with the record's URI. Default: `uri`.
    pub fn uri_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.uri = Some(name.into());
        self
    }

    /// Adds metadata columns with integers. Default: none.
    pub fn int_columns<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> CsvRows<R> {
        self.typed(names, Kind::Int)
    }

    /// Adds metadata columns with floating-point numbers. Default: none.
    pub fn float_columns<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> CsvRows<R> {
        self.typed(names, Kind::Float)
    }

    /// Adds metadata columns with booleans: `true` or `false`, ignoring case, or 1 or 0. Default: none.
    pub fn bool_columns<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> CsvRows<R> {
        self.typed(names, Kind::Bool)
    }

    fn typed<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
        kind: Kind,
    ) -> CsvRows<R> {
        let names = names.into_iter().map(|name| (name.into(), kind));
        self.names.typed.extend(names);
        self
    }

    /// Sets how to treat rows without an id. Default: [`MissingIds::Refuse`].
    pub fn missing_ids(mut self, missing: MissingIds) -> CsvRows<R> {
        self.names.ids.missing = missing;
        self
    }

    /// Sets the maximum number of bytes in a row. Default: 64 MiB.
    ///
    /// For a longer row, the iterator returns an error and ends. The limit keeps an unclosed quote from
    /// filling the memory.
    pub fn max_row_len(mut self, bytes: usize) -> CsvRows<R> {
        self.max_len = bytes;
        self
    }

    /// Reads the header.
    fn open(&self, source: R) -> Result<Open<R>> {
        let mut rows = ReaderBuilder::new()
            .delimiter(self.delimiter)
            .from_reader(Bounded {
                source,
                left: self.max_len,
            });
        let columns = match rows.headers() {
            Ok(header) => self.names.columns(header),
            Err(error) => {
                let left = rows.get_ref().left;
                return Err(self.failure(error, left, 1).error);
            }
        };
        let columns = columns.map_err(|why| {
            let place = "the header".to_owned();
            self.origin.unreadable(place, short(&why).into_owned())
        })?;
        Ok(Open {
            rows,
            columns,
            row: StringRecord::new(),
        })
    }

    /// Reads a row. Returns `None` at the end of the source.
    fn read_row(&self, open: &mut Open<R>) -> Option<Result<Record, Failure>> {
        open.rows.get_mut().left = self.max_len;
        let next_line = open.rows.position().line();
        match open.rows.read_record(&mut open.row) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                let left = open.rows.get_ref().left;
                return Some(Err(self.failure(error, left, next_line)));
            }
        }
        let position = open.row.position();
        let line = position.map_or(next_line, ::csv::Position::line);
        let record = self.names.record(&open.columns, &open.row, line);
        Some(record.map_err(|why| Failure {
            error: self.unreadable(line, short(&why).into_owned()),
            is_last: false,
        }))
    }

    /// Converts an error of the parser. `left` is the number of bytes that the row could still have, and
    /// `next_line` the line that the parser had reached.
    fn failure(&self, error: ::csv::Error, left: usize, next_line: u64) -> Failure {
        // More exact, because blank lines may come before the row.
        let line = error.position().map_or(next_line, ::csv::Position::line);
        let (error, is_last) = match error.into_kind() {
            ErrorKind::Io(_) if left == 0 => {
                let max = self.max_len;
                let why =
                    format!("longer than {max} bytes; close an open quote, or raise max_row_len");
                (self.unreadable(line, why), true)
            }
            ErrorKind::Io(error) => (self.origin.io(error), true),
            ErrorKind::Utf8 { err, .. } => {
                let (cell, byte) = (err.field() + 1, err.valid_up_to());
                let why = format!("invalid UTF-8 in cell {cell} at byte {byte}");
                (self.unreadable(line, why), false)
            }
            ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => {
                let why = format!("the row has {len} cells, and the header has {expected_len}");
                (self.unreadable(line, why), false)
            }
            other => (self.unreadable(line, format!("{other:?}")), true),
        };
        Failure { error, is_last }
    }

    fn unreadable(&self, line: u64, why: String) -> Error {
        self.origin.unreadable(format!("line {line}"), why)
    }
}

/// A row that cannot be read.
struct Failure {
    error: Error,
    /// Whether no further rows can be read.
    is_last: bool,
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        // The iterator stays finished unless the source is put back.
        let mut open = match std::mem::replace(&mut self.source, Source::Finished) {
            Source::New(source) => match self.open(source) {
                Ok(open) => Box::new(open),
                Err(error) => return Some(Err(error)),
            },
            Source::Open(open) => open,
            Source::Finished => return None,
        };
        let row = self.read_row(&mut open)?;
        if !matches!(row, Err(Failure { is_last: true, .. })) {
            self.source = Source::Open(open);
        }
        Some(row.map_err(|failure| failure.error))
    }
}

impl<R: Read> std::iter::FusedIterator for CsvRows<R> {}

#[cfg(test)]
mod tests;
