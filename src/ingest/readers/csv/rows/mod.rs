//! [`CsvRows`]: records from CSV files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::columns::{Column, Kind, Names};
use super::header::{self, trimmed};
use super::source::{LineSource, RowFault};
use crate::error::{Error, Result};
use crate::ingest::consumed::Meter;
use crate::ingest::readers::encoding::not_utf8;
use crate::ingest::readers::ids::{Ids, MissingIds};
use crate::ingest::readers::origin::{MAX_LEN, Origin};
use crate::model::record::Record;

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
    let meter = Meter::of_file(&file);
    Ok(CsvRows {
        meter,
        ..CsvRows::new(origin, file)
    })
}

/// An iterator of the records in CSV with a header row. Requires the feature `csv`.
///
/// [`csv_records`] opens a file, and [`from_reader`](CsvRows::from_reader) reads any other source.
///
/// # Columns
/// By default, a record's id, document, vector and address are in the columns `id`, `document`, `embedding`
/// (a list of numbers in brackets) and `uri`. Setters change these names. Without a column `document`, the
/// reader uses the column `text`, unless [`document_column`](CsvRows::document_column) names a different one.
/// All other columns are metadata. White space around a name is ignored. A file has at most 16,384 columns.
///
/// - An empty cell has no value. In metadata, that is [`MetadataValue::Null`](crate::MetadataValue::Null).
/// - A row with an empty document and no vector has an empty document. A job leaves such a record
///   [out](crate::ingest::Ingest#empty-documents) and counts it. A row with a vector is written with its vector.
/// - A column without a name is ignored. A job counts its cells in
///   [`IngestReport::left_out`](crate::ingest::IngestReport::left_out).
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
/// and the reason. It continues with the next row. The line is the one in which the row begins, counted from
/// 1, whether lines end with `\n`, `\r\n` or `\r`.
///
/// These errors are the last item:
///
/// - [`Error::Io`] if the source cannot be read,
/// - [`Error::Invalid`] if the source is not UTF-8, such as UTF-16 or a compressed file,
/// - [`Error::Invalid`] if the header lacks a column that was named, or has another delimiter,
/// - [`Error::Invalid`] if a quote is not closed,
/// - [`Error::Invalid`] if a row is [too long](CsvRows::max_row_len), because the start of the next one is
///   unknown.
///
/// The reader ignores blank lines and rows whose cells are all empty. Each other row is one item, so the same
/// source always gives the same items in the same order. To resume a job, use a
/// [checkpoint](crate::ingest::Ingest::checkpoint).
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct CsvRows<R = File> {
    source: Source<R>,
    origin: Origin,
    names: Names,
    delimiter: u8,
    max_len: usize,
    meter: Meter,
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
    rows: Reader<LineSource<R>>,
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
            meter: Meter::new(None),
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
    ///
    /// Excel writes semicolons where the comma is the decimal separator: `b';'`. A first line `sep=;`, which
    /// Excel may write, is skipped if it names this delimiter, and an error otherwise.
    pub fn delimiter(mut self, delimiter: u8) -> CsvRows<R> {
        self.delimiter = delimiter;
        self
    }

    /// Sets the column with the id. Default: `id`.
    pub fn id_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        trimmed(&name.into()).clone_into(&mut self.names.ids.name);
        self
    }

    /// Sets the column with the document. Default: `document`, or `text` if there is no `document`.
    pub fn document_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.document = Some(trimmed(&name.into()).to_owned());
        self
    }

    /// Sets the column with the vector, a list of numbers such as `[0.5, 1]`. Default: `embedding`.
    pub fn embedding_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.embedding = Some(trimmed(&name.into()).to_owned());
        self
    }

    /// Sets the column with the record's URI. Default: `uri`.
    pub fn uri_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.uri = Some(trimmed(&name.into()).to_owned());
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
        let names = names.into_iter().map(Into::into);
        let names = names.map(|name| (trimmed(&name).to_owned(), kind));
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
    fn open(&self, source: R) -> Result<Open<R>, Failure> {
        let (source, foreign) = LineSource::open(source).map_err(|error| Failure {
            error: self.origin.io(error),
            is_last: true,
        })?;
        let header_error = |why: &str| Failure {
            error: self.origin.unreadable_rest("the header".to_owned(), why),
            is_last: true,
        };
        if let Some(foreign) = foreign {
            return Err(header_error(&foreign.advice(&self.origin.name)));
        }
        if matches!(self.delimiter, b'"' | b'\r' | b'\n') {
            let why = "the delimiter must not be a quote or a line break; use another one";
            return Err(header_error(why));
        }
        let rows = ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(source);
        let mut open = Open {
            rows,
            columns: Vec::new(),
            row: StringRecord::new(),
        };
        let mut has_header = self.next_row(&mut open)?;
        if has_header
            && header::declared_delimiter(&open.row, self.delimiter)
                .map_err(|why| header_error(&why))?
        {
            has_header = self.next_row(&mut open)?;
        }
        if !has_header {
            open.row.clear();
        }
        open.columns = (self.names)
            .columns(&open.row, self.delimiter)
            .map_err(|why| header_error(&why))?;
        Ok(open)
    }

    /// Reads the next row that has a cell that is not empty. Returns `false` at the end of the source.
    fn next_row(&self, open: &mut Open<R>) -> Result<bool, Failure> {
        loop {
            let parsed = open.rows.position().byte();
            open.rows.get_mut().start_row(self.max_len, parsed);
            match open.rows.read_record(&mut open.row) {
                Ok(false) => return Ok(false),
                Ok(true) if open.rows.get_ref().fault == Some(RowFault::OpenQuote) => {
                    let line = open.rows.get_ref().row_line();
                    return Err(Failure {
                        error: self.unreadable_rest(line, OPEN_QUOTE),
                        is_last: true,
                    });
                }
                Ok(true) if open.row.iter().all(|cell| cell.trim().is_empty()) => {}
                Ok(true) => return Ok(true),
                Err(error) => return Err(self.failure(error, open)),
            }
        }
    }

    /// Reads a record. Returns `None` at the end of the source.
    fn read_record(&self, open: &mut Open<R>) -> Option<Result<Record, Failure>> {
        match self.next_row(open) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(failure) => return Some(Err(failure)),
        }
        let line = open.rows.get_ref().row_line();
        let record = self.names.record(&open.columns, &open.row, line);
        Some(record.map_err(|why| Failure {
            error: self.unreadable(line, &why),
            is_last: false,
        }))
    }

    /// Converts an error of the parser.
    fn failure(&self, error: ::csv::Error, open: &Open<R>) -> Failure {
        let source = open.rows.get_ref();
        let line = source.row_line();
        let (error, is_last) = match error.into_kind() {
            ErrorKind::Io(_) if source.fault == Some(RowFault::TooLong) => {
                let max = self.max_len;
                let why =
                    format!("longer than {max} bytes; close an open quote, or raise max_row_len");
                (self.unreadable_rest(line, &why), true)
            }
            ErrorKind::Io(error) => (self.origin.io(error), true),
            ErrorKind::Utf8 { err, .. } => {
                let why = self.not_utf8(open, &err);
                // Without names, no row can be read.
                if open.columns.is_empty() {
                    (self.unreadable_rest(line, &why), true)
                } else {
                    (self.unreadable(line, &why), false)
                }
            }
            other => (self.unreadable_rest(line, &format!("{other:?}")), true),
        };
        Failure { error, is_last }
    }

    fn not_utf8(&self, open: &Open<R>, error: &::csv::Utf8Error) -> String {
        let (cell, byte) = (error.field(), error.valid_up_to());
        let column = open.columns.get(cell);
        let column = column.map_or(format!("cell {}", cell + 1), Column::shown);
        let bytes = open.row.as_byte_record().get(cell).unwrap_or_default();
        let place = format!("in {column} at byte {byte}");
        not_utf8(bytes, byte, &place, &self.origin.name)
    }

    fn unreadable(&self, line: u64, why: &str) -> Error {
        self.origin.unreadable(format!("line {line}"), why)
    }

    fn unreadable_rest(&self, line: u64, why: &str) -> Error {
        self.origin.unreadable_rest(format!("line {line}"), why)
    }
}

const OPEN_QUOTE: &str = "a quote is open until the end of the source, so the rows after it are unknown; \
    close it, and double the quotes in cells";

/// A row that cannot be read.
struct Failure {
    error: Error,
    /// Whether no further rows can be read.
    is_last: bool,
}

impl<R: Read> CsvRows<R> {
    fn read_next(&mut self) -> Option<Result<Record>> {
        // The iterator stays finished unless the source is put back.
        let mut open = match std::mem::replace(&mut self.source, Source::Finished) {
            Source::New(source) => match self.open(source) {
                Ok(open) => Box::new(open),
                Err(failure) => return Some(Err(failure.error)),
            },
            Source::Open(open) => open,
            Source::Finished => return None,
        };
        let row = self.read_record(&mut open)?;
        if !matches!(row, Err(Failure { is_last: true, .. })) {
            self.source = Source::Open(open);
        }
        Some(row.map_err(|failure| failure.error))
    }

    /// Returns the number of bytes that have been read.
    fn bytes_read(&self) -> u64 {
        match &self.source {
            Source::Open(open) => open.rows.get_ref().given,
            Source::New(_) | Source::Finished => 0,
        }
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        self.meter.start(|| None);
        let item = self.read_next();
        let position = self.bytes_read();
        self.meter.advance(item.as_ref(), position);
        item
    }
}

impl<R: Read> std::iter::FusedIterator for CsvRows<R> {}

#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod tests;
