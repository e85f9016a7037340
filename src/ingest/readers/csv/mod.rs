//! [`CsvRows`]: records from CSV files.

mod columns;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::ids::{Ids, MissingIds};
use super::{MAX_LEN, Origin};
use crate::error::{Error, Result};
use crate::model::record::Record;
use crate::wire::read::short;
use columns::{Column, Kind, Names};

/// The records of a CSV file: [`CsvRows`] with its options.
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::csv_records;
/// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get_or_create()?;
/// let records = csv_records("products.csv")?
///     .id_column("sku")
///     .document_column("body")
///     .int_columns(["year"]);
/// let records: Vec<_> = records.collect::<Result<_, _>>()?;
/// notes.upsert(records)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened.
pub fn csv_records(path: impl AsRef<Path>) -> Result<CsvRows> {
    let (origin, file) = Origin::open("csv_records", path.as_ref())?;
    Ok(CsvRows::new(origin, file))
}

/// An iterator of the records in CSV, whose first row names the columns. [`csv_records`] opens a file,
/// [`from_reader`](CsvRows::from_reader) takes anything else. With the feature `csv`.
///
/// # Columns
/// `id`, `document`, `embedding` (a list of numbers in brackets) and `uri` are what they say, and have other names where the
/// methods say so. Where there is no column `document`, `text` is taken for it, unless
/// [`document_column`](CsvRows::document_column) names another. All other columns are metadata, but for those without a
/// name. An empty cell is no value, in metadata [`MetadataValue::Null`](crate::MetadataValue::Null).
///
/// Metadata are texts, whatever they look like: `007` may be a number or not, and a column with numbers in some rows and
/// texts in others cannot be filtered by. [`int_columns`](CsvRows::int_columns), [`float_columns`](CsvRows::float_columns)
/// and [`bool_columns`](CsvRows::bool_columns) say where it is otherwise.
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
/// let gouda = Record::new("17").document("A cheese, from Gouda.");
/// assert_eq!(records, [gouda.metadata("year", 1184).metadata("code", "007")]);
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Rows that cannot be read
/// Such a row is an `Err` that names the file, the line and what is wrong with it ([`Error::Invalid`]), and the next row
/// comes after it. The end is [`Error::Io`], when the source itself cannot be read any more; a first row without the
/// columns that were named; and a row that is [too long](CsvRows::max_row_len), of which nobody knows where the next one
/// starts. Each row is one item, so a source that is read again gives the same items in the same order: who has dealt with
/// `n` of them goes on with [`skip(n)`](Iterator::skip).
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct CsvRows<R = File> {
    source: Source<R>,
    origin: Origin,
    names: Names,
    ids: Ids,
    delimiter: u8,
    max: usize,
}

#[derive(Debug)]
enum Source<R> {
    New(R),
    Open(Box<Open<R>>),
    Over,
}

/// A source whose first row has been read.
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
            names: Names::default(),
            ids: Ids::of(&origin.name),
            origin,
            delimiter: b',',
            max: MAX_LEN,
        }
    }

    /// Rows from anything that can be read. It is read in large parts, so no buffer is needed.
    pub fn from_reader(source: R) -> CsvRows<R> {
        CsvRows::new(Origin::new("CsvRows", "input"), source)
    }

    /// What errors call the source, and what ids made [from lines](MissingIds::FromLine) start with. Default: the path,
    /// for ids without its folder, or `input`.
    pub fn name(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.origin.name = name.into();
        self.ids.prefix.clone_from(&self.origin.name);
        self
    }

    /// What stands between two cells. Default: a comma.
    pub fn delimiter(mut self, delimiter: u8) -> CsvRows<R> {
        self.delimiter = delimiter;
        self
    }

    /// The column with the id. Default: `id`.
    pub fn id_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.id = name.into();
        self
    }

    /// The column with the text. Default: `document`, or `text` where there is no `document`.
    pub fn document_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.document = Some(name.into());
        self
    }

    /// The column with the vector, a list of numbers such as `[0.5, 1]`. Default: `embedding`.
    pub fn embedding_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.embedding = Some(name.into());
        self
    }

    /// The column with the address of the thing itself. Default: `uri`.
    pub fn uri_column(mut self, name: impl Into<String>) -> CsvRows<R> {
        self.names.uri = Some(name.into());
        self
    }

    /// Columns of metadata that hold integers. Called again, these as well.
    pub fn int_columns<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> CsvRows<R> {
        self.typed(names, Kind::Int)
    }

    /// Columns of metadata that hold numbers with fractions. Called again, these as well.
    pub fn float_columns<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> CsvRows<R> {
        self.typed(names, Kind::Float)
    }

    /// Columns of metadata that hold `true` or `false`, in small or in capital letters, or 1 or 0. Called again, these as
    /// well.
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

    /// What becomes of a row without an id. Default: [`Refuse`](MissingIds::Refuse).
    pub fn missing_ids(mut self, missing: MissingIds) -> CsvRows<R> {
        self.ids.missing = missing;
        self
    }

    /// The most bytes in a row, so that a quote that nobody closes cannot fill the memory. Default: 64 MiB.
    pub fn max_row_len(mut self, bytes: usize) -> CsvRows<R> {
        self.max = bytes;
        self
    }

    /// Reads the first row.
    fn open(&self, source: R) -> Result<Open<R>> {
        let mut rows = ReaderBuilder::new()
            .delimiter(self.delimiter)
            .from_reader(Bounded {
                source,
                left: self.max,
            });
        let columns = match rows.headers() {
            Ok(names) => self.names.columns(names, self.ids.missing),
            Err(error) => return Err(self.failed(error, rows.get_ref().left, 1).0),
        };
        let columns = columns.map_err(|why| {
            let place = "the first row".to_owned();
            self.origin.unreadable(place, short(&why).into_owned())
        })?;
        Ok(Open {
            rows,
            columns,
            row: StringRecord::new(),
        })
    }

    /// The error of a row, and whether it is the end.
    fn failed(&self, error: ::csv::Error, left: usize, after: u64) -> (Error, bool) {
        // Behind blank lines it is the first of them.
        let line = error.position().map_or(after, |place| place.line());
        let place = format!("line {line}");
        let why = match error.into_kind() {
            ErrorKind::Io(_) if left == 0 => {
                let max = self.max;
                let why =
                    format!("it is longer than {max} bytes (max_row_len); is a quote not closed?");
                return (self.origin.unreadable(place, why), true);
            }
            ErrorKind::Io(error) => return (self.origin.io(error), true),
            ErrorKind::Utf8 { err, .. } => format!("{err}"),
            ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("{len} cells under {expected_len} columns"),
            other => return (self.origin.unreadable(place, format!("{other:?}")), true),
        };
        (self.origin.unreadable(place, why), false)
    }

    /// The next item, and whether it is the last.
    fn read(&self, open: &mut Open<R>) -> Option<(Result<Record>, bool)> {
        open.rows.get_mut().left = self.max;
        let after = open.rows.position().line();
        match open.rows.read_record(&mut open.row) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                let left = open.rows.get_ref().left;
                let (error, last) = self.failed(error, left, after);
                return Some((Err(error), last));
            }
        }
        let line = open.row.position().map_or(after, |place| place.line());
        let record = self.names.record(&open.columns, &open.row, line, &self.ids);
        let record = record.map_err(|why| {
            let place = format!("line {line}");
            self.origin.unreadable(place, short(&why).into_owned())
        });
        Some((record, false))
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        // Unless it is put back, this was the end.
        let mut open = match std::mem::replace(&mut self.source, Source::Over) {
            Source::New(source) => match self.open(source) {
                Ok(open) => Box::new(open),
                Err(error) => return Some(Err(error)),
            },
            Source::Open(open) => open,
            Source::Over => return None,
        };
        let (item, last) = self.read(&mut open)?;
        if !last {
            self.source = Source::Open(open);
        }
        Some(item)
    }
}

impl<R: Read> std::iter::FusedIterator for CsvRows<R> {}

/// A source that fails when more is read of it than is left. The parser's buffer reads ahead, so a bound is kept to within
/// its 8 KiB.
#[derive(Debug)]
struct Bounded<R> {
    source: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = to.len().min(self.left);
        if most == 0 && !to.is_empty() {
            // Unless this is the end.
            return match self.source.read(&mut to[..1])? {
                0 => Ok(0),
                _ => Err(io::ErrorKind::FileTooLarge.into()),
            };
        }
        let read = self.source.read(&mut to[..most])?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn rows(csv: &str) -> CsvRows<&[u8]> {
        CsvRows::from_reader(csv.as_bytes())
    }

    pub(super) fn all(rows: CsvRows<&[u8]>) -> Vec<Record> {
        rows.collect::<Result<_>>().unwrap()
    }

    pub(super) fn items(rows: CsvRows<&[u8]>) -> Vec<Result<Record, String>> {
        rows.map(|item| item.map_err(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn columns_are_mapped_by_name() {
        let csv = "\u{feff}id,document,embedding,uri,note,\r\n1,\"a, \"\"b\"\"\nc\",\"[1, -2.5e-3]\",u,x,y\r\n2,,,,,\r\n";
        let record = Record::new("1")
            .document("a, \"b\"\nc")
            .embedding([1.0, -2.5e-3]);
        let empty = Record::new("2").remove_metadata("note");
        let expected = [record.uri("u").metadata("note", "x"), empty];
        assert_eq!(all(rows(csv)), expected);

        let csv = "i;d;e;u;id;text\n1;x;[0];y;7;t\n";
        let renamed = rows(csv)
            .delimiter(b';')
            .id_column("i")
            .document_column("d")
            .embedding_column("e")
            .uri_column("u");
        let record = Record::new("1").document("x").embedding([0.0]).uri("y");
        assert_eq!(
            all(renamed),
            [record.metadata("id", "7").metadata("text", "t")]
        );
        assert_eq!(
            all(rows("id,text\n1,t\n")),
            [Record::new("1").document("t")]
        );
    }

    #[test]
    fn a_bad_row_names_its_place_and_the_next_one_follows() {
        let csv = b"id,embedding,k\n1,[1],x\n\n2,[1]\n3,\"[1,]\",x\n\"4\",[1],\"two\nlines\"\n,[1],x\n6,[1],\xff\n7,[1],x,y\n8,[1],x";
        let read = || CsvRows::from_reader(&csv[..]).name("a.csv");
        let items = items(read());
        let expected: [Result<&str, &str>; 8] = [
            Ok("1"),
            Err("line 3: 2 cells under 3 columns"),
            Err("line 5: column \"embedding\": a number was expected at byte 3"),
            Ok("4"),
            Err("line 8: there is no id in \"id\"; say where it is with id_column"),
            Err("line 9: invalid utf-8"),
            Err("line 10: 4 cells under 3 columns"),
            Ok("8"),
        ];
        assert_eq!(items.len(), expected.len(), "{items:?}");
        for (item, expected) in items.iter().zip(expected) {
            match (item, expected) {
                (Ok(record), Ok(id)) => assert_eq!(record.id, id),
                (Err(error), Err(why)) => {
                    let start = format!("CsvRows \"a.csv\": {why}");
                    assert!(error.starts_with(&start), "{error}");
                }
                _ => panic!("{item:?}, not {expected:?}"),
            }
        }
        for position in 0..=items.len() {
            let left: Vec<_> = read()
                .skip(position)
                .map(|item| item.map_err(|error| error.to_string()))
                .collect();
            assert_eq!(left, items[position..]);
        }
        let ids = read().missing_ids(MissingIds::FromLine).nth(4);
        assert_eq!(ids.unwrap().unwrap().id, "a.csv:8");
    }

    #[test]
    fn a_first_row_without_what_was_named_is_the_end() {
        for (rows, why) in [
            (
                rows(""),
                "there is no column \"id\" in []; say where the id is with id_column",
            ),
            (
                rows("id,x\n1,2\n").document_column("body"),
                "there is no column \"body\" in [\"id\", \"x\"]",
            ),
            (
                rows("id,x\n1,2\n").int_columns(["year"]),
                "there is no column \"year\"",
            ),
            (rows("id,x,x\n1,2,3\n"), "the column \"x\" is there twice"),
        ] {
            let items = items(rows);
            assert_eq!(items.len(), 1, "{items:?}");
            let error = items[0].as_ref().unwrap_err();
            assert!(
                error.contains("the first row: ") && error.contains(why),
                "{error}"
            );
        }
        let made = rows("text\na\n").missing_ids(MissingIds::FromDocument);
        assert_eq!(all(made)[0].id, "d228cb696f1a8caf78912b704e4a8964");
    }

    #[test]
    fn a_row_is_bounded() {
        // A quote that nobody closes.
        let csv = format!("id,k\n1,x\n2,\"{}", "x\n".repeat(50_000));
        let open = items(rows(&csv).max_row_len(20_000));
        assert_eq!(open.len(), 2);
        let error = open[1].as_ref().unwrap_err();
        assert!(
            error.contains("line 3: it is longer than 20000 bytes"),
            "{error}"
        );

        // As long as the whole file, which is no row that is too long.
        let csv = "id\n1\n2\n";
        assert_eq!(all(rows(csv).max_row_len(csv.len())).len(), 2);
    }

    #[test]
    fn a_source_that_fails_is_the_end() {
        struct Failing;

        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }

        let items: Vec<_> = CsvRows::from_reader(b"id\n1\n2".chain(Failing)).collect();
        assert_eq!(items.len(), 2);
        assert!(matches!(&items[1], Err(Error::Io { .. })), "{items:?}");
    }
}
