//! [`JsonLines`]: records from files with one JSON object per line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::encoding::{Foreign, not_utf8};
use super::fields::{Fields, NestedFields};
use super::ids::{Ids, MissingIds};
use super::lines::{Line, Lines};
use super::origin::{MAX_LEN, Origin};
use crate::error::Result;
use crate::ingest::consumed::Meter;
use crate::model::record::Record;

/// Opens a JSON Lines file and returns an iterator of its records. See [`JsonLines`] for the options.
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::jsonl_records;
/// # let notes = Client::from_env()?.collection("notes");
/// # let notes = notes.embedding_function(Hashing::default()).get_or_create()?;
/// let records = jsonl_records("corpus.jsonl")?
///     .id_field("sku")
///     .document_field("body");
/// notes.ingest(records).run()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the file cannot be opened.
pub fn jsonl_records(path: impl AsRef<Path>) -> Result<JsonLines> {
    let (origin, file) = Origin::open("jsonl_records", path.as_ref())?;
    let meter = Meter::of_file(&file);
    Ok(JsonLines {
        meter,
        ..JsonLines::new(origin, BufReader::new(file))
    })
}

/// An iterator of the records in JSON Lines (one JSON object per line).
///
/// [`jsonl_records`] opens a file, and [`from_reader`](JsonLines::from_reader) reads any other source.
///
/// # Fields
/// By default, a record's id, document, vector, address and metadata are in the fields `id`, `document`,
/// `embedding` (an array of numbers), `uri` and `metadata` (an object). Setters change these names. If a line
/// has no field `document`, the reader uses the field `text`, unless
/// [`document_field`](JsonLines::document_field) names a different one. All other fields are added to the
/// metadata. [Exports](crate::Collection::export) need no options.
///
/// - An integer id becomes the string of its digits.
/// - A metadata field that is `null` or an empty array becomes
///   [`MetadataValue::Null`](crate::MetadataValue::Null). An upsert removes that key from a stored record.
/// - [`nested_fields`](JsonLines::nested_fields) handles values that metadata cannot hold.
/// - A record without a vector whose document is `null` or empty has an empty document. A job leaves such a
///   record [out](crate::ingest::Ingest#empty-documents) and counts it. A record with a vector is written with
///   its vector.
/// - An integer that does not fit into 64 bits becomes a float, as in JSON itself. If every digit matters,
///   write the number as a string.
///
/// ```
/// use chroma_blocking::Record;
/// use chroma_blocking::ingest::JsonLines;
///
/// let lines = r#"
///     {"sku": 17, "body": "A cheese.", "price": 4.5, "tags": ["a", "b"]}
///     {"sku": 18, "body": "Another cheese.", "price": 5}
/// "#;
/// let records = JsonLines::from_reader(lines.as_bytes())
///     .id_field("sku")
///     .document_field("body");
/// let records: Vec<Record> = records.collect::<Result<_, _>>()?;
/// let gouda = Record::new("17")
///     .document("A cheese.")
///     .metadata("price", 4.5)
///     .metadata("tags", ["a", "b"]);
/// assert_eq!(records[0], gouda);
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// The iterator returns
///
/// - [`Error::Invalid`] in place of a line that is not a record, with the file, the line and the reason. It
///   continues with the next line. Lines are counted from 1, and bytes of a line from 0.
/// - [`Error::Invalid`] if the source is not UTF-8 from its first bytes on, such as UTF-16 or a compressed
///   file. This is the last item.
/// - [`Error::Io`] if the source cannot be read. This is the last item.
///
/// A line ends with `\n` or `\r\n`. The reader ignores blank lines. Each other line is one item, so the same
/// source always gives the same items in the same order. To resume a job, use a
/// [checkpoint](crate::ingest::Ingest::checkpoint).
///
/// [`Error::Invalid`]: crate::Error::Invalid
/// [`Error::Io`]: crate::Error::Io
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct JsonLines<R = BufReader<File>> {
    lines: Lines<R>,
    origin: Origin,
    fields: Fields,
    meter: Meter,
}

impl<R: BufRead> JsonLines<R> {
    fn new(origin: Origin, source: R) -> JsonLines<R> {
        JsonLines {
            lines: Lines::new(source, MAX_LEN),
            fields: Fields::new(Ids::new("field", &origin.name)),
            origin,
            meter: Meter::new(None),
        }
    }

    /// Creates an iterator of the records in any source, such as standard input, a decompressor, or bytes in
    /// memory.
    pub fn from_reader(source: R) -> JsonLines<R> {
        JsonLines::new(Origin::new("JsonLines", "input"), source)
    }

    /// Sets the name of the source for errors and for ids that are generated [from
    /// lines](MissingIds::FromLine).
    ///
    /// Default: the file's path in errors and its name in ids, or `input` if the source is not a file.
    pub fn name(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.origin.name = name.into();
        self.fields.ids.prefix.clone_from(&self.origin.name);
        self
    }

    /// Sets the field with the id. Default: `id`.
    pub fn id_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.ids.name = name.into();
        self
    }

    /// Sets the field with the document. Default: `document`, or `text` if a line has no `document`.
    pub fn document_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.document = Some(name.into());
        self
    }

    /// Sets the field with the vector, an array of numbers. Default: `embedding`.
    pub fn embedding_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.embedding = name.into();
        self
    }

    /// Sets the field with the metadata, an object. Default: `metadata`.
    pub fn metadata_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.metadata = name.into();
        self
    }

    /// Sets the field with the record's URI. Default: `uri`.
    pub fn uri_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.uri = name.into();
        self
    }

    /// Sets how to treat fields that metadata cannot hold. Default: [`NestedFields::Refuse`].
    pub fn nested_fields(mut self, nested: NestedFields) -> JsonLines<R> {
        self.fields.nested = nested;
        self
    }

    /// Sets how to treat lines without an id, or with an id that is `null`. Default: [`MissingIds::Refuse`].
    pub fn missing_ids(mut self, missing: MissingIds) -> JsonLines<R> {
        self.fields.ids.missing = missing;
        self
    }

    /// Sets the maximum number of bytes in a line. Default: 64 MiB.
    ///
    /// For a longer line, the iterator returns an error. The limit keeps a file without line breaks from
    /// filling the memory.
    pub fn max_line_len(mut self, bytes: usize) -> JsonLines<R> {
        self.lines.max_len = bytes;
        self
    }

    fn read_next(&mut self) -> Option<Result<Record>> {
        let max = self.lines.max_len;
        let (number, line) = match self.lines.next()? {
            Ok(next) => next,
            Err(error) => return Some(Err(self.origin.io(error))),
        };
        let place = || format!("line {number}");
        let foreign = match line {
            Line::Complete(line) if number == 1 => Foreign::of(line),
            _ => None,
        };
        if let Some(foreign) = foreign {
            let why = foreign.advice(&self.origin.name);
            self.lines.finish();
            return Some(Err(self.origin.unreadable_rest(place(), &why)));
        }
        let record = match line {
            Line::Complete(line) => match std::str::from_utf8(line) {
                // Files that were joined have byte order marks on later lines.
                Ok(text) => {
                    let text = text.trim_start_matches('\u{feff}');
                    self.fields.read(text.as_bytes(), number)
                }
                Err(error) => {
                    let byte = error.valid_up_to();
                    let place = format!("at byte {byte}");
                    Err(not_utf8(line, byte, &place, &self.origin.name))
                }
            },
            Line::TooLong => Err(format!("longer than {max} bytes; raise max_line_len")),
        };
        Some(record.map_err(|why| self.origin.unreadable(place(), &why)))
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        self.meter.start(|| None);
        let item = self.read_next();
        self.meter.advance(item.as_ref(), self.lines.bytes);
        item
    }
}

impl<R: BufRead> std::iter::FusedIterator for JsonLines<R> {}

#[cfg(test)]
mod tests;
