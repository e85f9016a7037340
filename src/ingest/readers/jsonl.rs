//! [`JsonLines`]: records from files with a JSON object in each line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::fields::{Fields, NestedFields};
use super::ids::{Ids, MissingIds};
use super::lines::{Line, Lines};
use super::{MAX_LEN, Origin};
use crate::error::Result;
use crate::model::record::Record;
use crate::wire::read::short;

/// The records of a file with a JSON object in each line: [`JsonLines`] with its options.
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::jsonl_records;
/// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get_or_create()?;
/// let records = jsonl_records("corpus.jsonl")?.id_field("sku").document_field("body");
/// let records: Vec<_> = records.collect::<Result<_, _>>()?;
/// notes.upsert(records)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) when the file cannot be opened.
pub fn jsonl_records(path: impl AsRef<Path>) -> Result<JsonLines> {
    let (origin, file) = Origin::open("jsonl_records", path.as_ref())?;
    Ok(JsonLines::new(origin, BufReader::new(file)))
}

/// An iterator of the records in JSON Lines: a JSON object in each line. [`jsonl_records`] opens a file,
/// [`from_reader`](JsonLines::from_reader) takes anything else.
///
/// # Fields
/// `id`, `document`, `embedding` (a list of numbers), `uri` and `metadata` (an object) are what they say, and have other
/// names where the methods say so. Where a line has no `document`, `text` is taken for it, unless
/// [`document_field`](JsonLines::document_field) names another. All other fields are metadata, beside what is in
/// `metadata`. So [exports](crate::Collection::export) are read with no option at all.
///
/// An id may be an integer, and is the text of its digits then. A field that is `null` or an empty list is metadata without
/// a value ([`Null`](crate::MetadataValue::Null)), which an upsert takes away from a record that had one. For what metadata
/// cannot hold, see [`nested_fields`](JsonLines::nested_fields). A whole number that does not fit into 64 bits becomes a float,
/// as in JSON itself: write long numbers of which every digit counts as texts.
///
/// ```
/// use chroma_blocking::Record;
/// use chroma_blocking::ingest::JsonLines;
///
/// let lines = r#"
///     {"sku": 17, "title": "Gouda", "body": "A cheese.", "price": 4.5, "tags": ["cheese", "dutch"]}
///     {"sku": 18, "title": "Edam", "body": "Another cheese.", "price": 5}
/// "#;
/// let records = JsonLines::from_reader(lines.as_bytes()).id_field("sku").document_field("body");
/// let records: Vec<Record> = records.collect::<Result<_, _>>()?;
/// let gouda = Record::new("17")
///     .document("A cheese.")
///     .metadata("title", "Gouda")
///     .metadata("price", 4.5)
///     .metadata("tags", ["cheese", "dutch"]);
/// assert_eq!(records[0], gouda);
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Lines that cannot be read
/// Such a line is an `Err` that names the file, the line and what is wrong with it ([`Error::Invalid`]), and the next line
/// comes after it. [`Error::Io`] is the end: the source itself cannot be read any more. Blank lines are nothing, and each
/// other line is one item, so a source that is read again gives the same items in the same order: who has dealt with
/// `n` of them goes on with [`skip(n)`](Iterator::skip).
///
/// [`Error::Invalid`]: crate::Error::Invalid
/// [`Error::Io`]: crate::Error::Io
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct JsonLines<R = BufReader<File>> {
    lines: Lines<R>,
    origin: Origin,
    fields: Fields,
    ids: Ids,
}

impl<R: BufRead> JsonLines<R> {
    fn new(origin: Origin, source: R) -> JsonLines<R> {
        JsonLines {
            lines: Lines::new(source, MAX_LEN),
            ids: Ids::of(&origin.name),
            origin,
            fields: Fields::default(),
        }
    }

    /// Lines from anything that can be read: standard input, a file that is unpacked as it is read, bytes in memory.
    pub fn from_reader(source: R) -> JsonLines<R> {
        JsonLines::new(Origin::new("JsonLines", "input"), source)
    }

    /// What errors call the source, and what ids made [from lines](MissingIds::FromLine) start with. Default: the path,
    /// for ids without its folder, or `input`.
    pub fn name(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.origin.name = name.into();
        self.ids.prefix.clone_from(&self.origin.name);
        self
    }

    /// The field with the id. Default: `id`.
    pub fn id_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.id = name.into();
        self
    }

    /// The field with the text. Default: `document`, or `text` where a line has no `document`.
    pub fn document_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.document = name.into();
        self.fields.or_text = false;
        self
    }

    /// The field with the vector, a list of numbers. Default: `embedding`.
    pub fn embedding_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.embedding = name.into();
        self
    }

    /// The field with an object of metadata. Default: `metadata`.
    pub fn metadata_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.metadata = name.into();
        self
    }

    /// The field with the address of the thing itself. Default: `uri`.
    pub fn uri_field(mut self, name: impl Into<String>) -> JsonLines<R> {
        self.fields.uri = name.into();
        self
    }

    /// What becomes of a field that metadata cannot hold. Default: [`Refuse`](NestedFields::Refuse).
    pub fn nested_fields(mut self, nested: NestedFields) -> JsonLines<R> {
        self.fields.nested = nested;
        self
    }

    /// What becomes of a line without an id, or whose id is `null`. Default: [`Refuse`](MissingIds::Refuse).
    pub fn missing_ids(mut self, missing: MissingIds) -> JsonLines<R> {
        self.ids.missing = missing;
        self
    }

    /// The most bytes in a line, so that a file without line breaks cannot fill the memory. A longer one is an error in
    /// its place. Default: 64 MiB.
    pub fn max_line_len(mut self, bytes: usize) -> JsonLines<R> {
        self.lines.max = bytes;
        self
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let max = self.lines.max;
        let (number, line) = match self.lines.next()? {
            Ok(next) => next,
            Err(error) => return Some(Err(self.origin.io(error))),
        };
        let record = match line {
            Line::Whole(line) => self.fields.read(line, number, &self.ids),
            Line::TooLong => Err(format!("it is longer than {max} bytes (max_line_len)")),
        };
        Some(record.map_err(|why| {
            let place = format!("line {number}");
            self.origin.unreadable(place, short(&why).into_owned())
        }))
    }
}

impl<R: BufRead> std::iter::FusedIterator for JsonLines<R> {}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::ingest::readers) fn one(mut lines: JsonLines<&[u8]>) -> Result<Record> {
        let record = lines.next().unwrap();
        assert!(lines.next().is_none());
        record
    }

    pub(in crate::ingest::readers) fn refused(line: &[u8]) -> String {
        one(JsonLines::from_reader(line)).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_line_names_its_place_and_the_next_one_follows() {
        let bad: &[(&[u8], &str)] = &[
            (b"[1]", "not a JSON object"),
            (b"{\"id\":\"1\"", "it ends too early at byte 9"),
            (b"{\"id\":\"1\"} {}", "unexpected data after the end"),
            (b"{\"id\":\"1\",\"k\":\"\xff\"}", "not UTF-8 at byte 15"),
            (b"{\"id\":\"1\",\"document\":5}", "field \"document\": invalid type: integer `5`, expected a string"),
            (b"{\"id\":\"1\",\"embedding\":[1,\"x\"]}", "field \"embedding\": a number was expected at byte 25"),
            (b"{\"id\":\"1\",\"embedding\":[1e39]}", "too large"),
            (b"{\"id\":\"1\",\"metadata\":5}", "field \"metadata\": '{' was expected"),
            (b"{\"id\":\"1\",\"metadata\":{\"k\":1},\"k\":2}", "field \"k\": it is there twice"),
            (b"{\"id\":\"1\",\"id\":\"2\"}", "field \"id\": it is there twice"),
            (b"{\"id\":\"1\",\"k\":1e999}", "field \"k\": number out of range"),
            (b"{\"id\":\"1\",\"document\":\"a line of more than the 64 bytes that are allowed here\"}", "longer than 64 bytes"),
        ];
        let mut file = Vec::new();
        for (line, _) in bad {
            file.extend_from_slice(line);
            file.extend_from_slice(b"\n{\"id\":\"good\"}\r\n");
        }
        let read = || {
            JsonLines::from_reader(&*file)
                .name("a.jsonl")
                .max_line_len(64)
        };
        let items: Vec<_> = read().collect();
        assert_eq!(items.len(), bad.len() * 2);
        for (index, (pair, (_, why))) in items.chunks(2).zip(bad).enumerate() {
            let error = pair[0].as_ref().unwrap_err().to_string();
            let start = format!("JsonLines \"a.jsonl\": line {}: ", index * 2 + 1);
            assert!(error.starts_with(&start) && error.contains(why), "{error}");
            assert_eq!(pair[1].as_ref().unwrap().id, "good");
        }
        // By position, whatever the items are.
        for position in 0..=items.len() {
            let left: Vec<_> = read()
                .skip(position)
                .map(|item| format!("{item:?}"))
                .collect();
            let expected: Vec<_> = items[position..]
                .iter()
                .map(|item| format!("{item:?}"))
                .collect();
            assert_eq!(left, expected);
        }
    }

    #[test]
    fn an_error_is_short_whatever_the_line() {
        let long = "x".repeat(100_000);
        for line in [
            format!(r#"{{"id":"1","{long}":[[1]]}}"#),
            format!(r#"{{"id":"1","embedding":"{long}"}}"#),
            format!(r#"{{"id":"1","k":[1,"{long}"]}}"#),
            format!(r#"{{"id":"1","metadata":"{long}"}}"#),
            long,
        ] {
            let error = refused(line.as_bytes());
            assert!(error.len() < 500, "{error}");
        }
    }

    #[test]
    fn the_corpus_of_the_examples_needs_no_options() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/corpus.jsonl");
        let records: Vec<_> = jsonl_records(path).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(records.len(), 168);
        for record in records {
            assert!(record.document.is_some_and(|text| !text.is_empty()));
            let keys: Vec<_> = record.metadata.iter().map(|(key, _)| key).collect();
            assert_eq!(keys, ["place", "subject", "title", "year"]);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = jsonl_records("no/such.jsonl").unwrap_err();
        assert!(matches!(error, crate::Error::Io { .. }), "{error:?}");
        assert_eq!(error.to_string(), "cannot read no/such.jsonl");
        assert!(
            format!("{error:#}").starts_with("cannot read no/such.jsonl: "),
            "{error:#}"
        );
    }
}
