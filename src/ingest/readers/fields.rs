//! [`Fields`]: reads a JSON object as a record.

use super::ids::Ids;
use super::json_faults;
use crate::ingest::left_out;
use crate::model::metadata::{Entry, Metadata, MetadataValue};
use crate::model::record::Record;
use crate::wire::cursor::Cursor;

/// How [`JsonLines`](crate::ingest::JsonLines) treats a field that Chroma's metadata cannot hold.
///
/// Metadata cannot hold an object (other than a sparse vector), a list in a list, or a list of values of
/// different types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NestedFields {
    /// Returns an error in place of the record.
    #[default]
    Refuse,
    /// Leaves the field out of the record. A job counts these fields by name, in
    /// [`IngestReport::left_out`](crate::ingest::IngestReport::left_out).
    Skip,
    /// Stores the field's JSON as a string.
    AsJson,
}

/// The roles of fields, by name.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) ids: Ids,
    /// The field with the document. `None` means `document`, or `text` if there is no `document`.
    pub(super) document: Option<String>,
    pub(super) embedding: String,
    pub(super) metadata: String,
    pub(super) uri: String,
    pub(super) nested: NestedFields,
}

/// The fields of a line that have been read so far.
#[derive(Default)]
struct Draft<'a> {
    id: Option<String>,
    record: Record,
    /// In the order of the line.
    metadata: Vec<Entry>,
    /// Whether the line has the document's field, even if that is `null`.
    has_document: bool,
    /// The JSON of `text`, which may be the document.
    text: Option<&'a [u8]>,
}

impl Fields {
    pub(super) fn new(ids: Ids) -> Fields {
        Fields {
            ids,
            document: None,
            embedding: "embedding".to_owned(),
            metadata: "metadata".to_owned(),
            uri: "uri".to_owned(),
            nested: NestedFields::default(),
        }
    }

    /// Reads the record in a line with this number.
    ///
    /// # Errors
    /// If the line is not a record, what is wrong with it.
    pub(super) fn read(&self, line: &[u8], number: u64) -> Result<Record, String> {
        match line.trim_ascii_start().first() {
            Some(b'{') => {}
            Some(b'[') => return Err(format!("{NO_OBJECT}: jq -c '.[]' in.json > out.jsonl")),
            _ => return Err(NO_OBJECT.to_owned()),
        }
        self.read_object(line, number).map_err(|why| {
            if let Some(fault) = json_faults::find(line) {
                return fault;
            }
            if why.starts_with("unexpected data after the end") {
                return format!(
                    "{why}; write each object on its own line: jq -c . in.json > out.jsonl"
                );
            }
            let valid = serde_json::from_slice::<serde::de::IgnoredAny>(line);
            if valid.is_err_and(|error| error.is_eof()) {
                return format!(
                    "{why}; the object must not span lines: jq -c . in.json > out.jsonl"
                );
            }
            why
        })
    }

    fn read_object(&self, line: &[u8], number: u64) -> Result<Record, String> {
        let mut draft = Draft::default();
        Cursor::object(line, |at, field| {
            self.read_field(at, field, &mut draft)
                .map_err(|why| in_field(field, &why))
        })?;
        let Draft {
            id,
            mut record,
            mut metadata,
            has_document,
            text,
        } = draft;
        match text {
            Some(json) if has_document => self.add_metadata("text", json, &mut metadata),
            Some(json) => parse(json).map(|text| record.document = text),
            None => Ok(()),
        }
        .map_err(|why| in_field("text", &why))?;
        record.metadata =
            Metadata::of_different_keys(metadata).map_err(|key| in_field(&key, &duplicate()))?;
        if (has_document || text.is_some()) && record.embedding.is_none() {
            // A missing field may be a wrong name. `null` stands for an empty text.
            record.document.get_or_insert_default();
        }
        record.id = self.ids.id(id, number, record.document.as_deref())?;
        Ok(record)
    }

    fn read_field<'a>(
        &self,
        at: &mut Cursor<'a>,
        field: &str,
        draft: &mut Draft<'a>,
    ) -> Result<(), String> {
        let (record, metadata) = (&mut draft.record, &mut draft.metadata);
        if field == self.ids.name {
            set(&mut draft.id, parse_id(at.json()?)?)
        } else if field == self.document.as_deref().unwrap_or("document") {
            draft.has_document = true;
            set(&mut record.document, at.value()?)
        } else if field == self.embedding {
            let vector = at.nullable(|at| {
                let mut floats = Vec::new();
                at.floats(&mut floats).map(|_| floats)
            });
            let vector =
                vector.map_err(|why| must_be(why, "expected '['", "an array of numbers"))?;
            set(&mut record.embedding, vector)
        } else if field == self.uri {
            set(&mut record.uri, at.value()?)
        } else if field == self.metadata {
            at.nullable(|at| {
                at.members(|at, key| {
                    self.add_metadata(key, at.json()?, metadata)
                        .map_err(|why| in_field(key, &why))
                })
            })
            .map(drop)
            .map_err(|why| must_be(why, "expected '{'", "an object"))
        } else if self.document.is_none() && field == "text" {
            set(&mut draft.text, Some(at.json()?))
        } else {
            self.add_metadata(field, at.json()?, metadata)
        }
    }

    /// Adds a value to the record's metadata.
    fn add_metadata(
        &self,
        key: &str,
        json: &[u8],
        metadata: &mut Vec<Entry>,
    ) -> Result<(), String> {
        let value = match json.first() {
            Some(b'[') if json[1..].trim_ascii_start().starts_with(b"]") => MetadataValue::Null,
            Some(b'[' | b'{') => match self.nested_value(key, json)? {
                Some(value) => value,
                None => return Ok(()),
            },
            _ => parse::<Option<MetadataValue>>(json)?.unwrap_or(MetadataValue::Null),
        };
        metadata.push((key.into(), value));
        Ok(())
    }

    /// Reads a list or an object. Returns `None` if the field is to be left out.
    ///
    /// # Errors
    /// If metadata cannot hold the value and the caller has not said what to do with it, or if the value is
    /// broken: that is not left out, since a correct value might be stored.
    fn nested_value(&self, key: &str, json: &[u8]) -> Result<Option<MetadataValue>, String> {
        let error = match serde_json::from_slice(json) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let why = without_position(&error);
        let is_nested = error.is_data() || why.starts_with("recursion limit exceeded");
        match self.nested {
            _ if !is_nested => Err(why),
            NestedFields::Skip => {
                left_out::add(key);
                Ok(None)
            }
            NestedFields::AsJson => {
                let text = String::from_utf8_lossy(json).into_owned();
                Ok(Some(MetadataValue::String(text)))
            }
            NestedFields::Refuse => Err(format!(
                "metadata cannot hold this value ({why}); use nested_fields to skip such fields or to store their JSON"
            )),
        }
    }
}

const NO_OBJECT: &str = "not a JSON object; every line must be one";

/// Adds what a value must be to the message that its first byte is wrong.
pub(super) fn must_be(why: String, wrong_start: &str, what: &str) -> String {
    if why.starts_with(wrong_start) {
        format!("{why}; it must be {what}")
    } else {
        why
    }
}

fn in_field(field: &str, why: &str) -> String {
    format!("field {field:?}: {why}")
}

fn duplicate() -> String {
    "the line has this field more than once; keep one of them".to_owned()
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), String> {
    if slot.is_some() {
        return Err(duplicate());
    }
    *slot = value;
    Ok(())
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| without_position(&error))
}

/// Returns the message without the position, which is relative to the value rather than to the line.
fn without_position(error: &serde_json::Error) -> String {
    let position = format!(" at line {} column {}", error.line(), error.column());
    error.to_string().replace(&position, "")
}

/// Reads an id: a string, or an integer as it is written.
fn parse_id(json: &[u8]) -> Result<Option<String>, String> {
    let digits = json.strip_prefix(b"-").unwrap_or(json);
    if digits.iter().all(u8::is_ascii_digit) {
        return Ok(Some(String::from_utf8_lossy(json).into_owned()));
    }
    match json.first() {
        Some(b'"' | b'n') => parse(json),
        _ => Err(format!(
            "{} is not an id; use a string or an integer",
            String::from_utf8_lossy(json)
        )),
    }
}
