//! The fields of a JSON object as a record.

use super::ids::Ids;
use crate::model::metadata::MetadataValue;
use crate::model::record::Record;
use crate::wire::cursor::Cursor;

/// What [`JsonLines`](crate::ingest::JsonLines) does with a field that Chroma's metadata cannot hold: an object that is no sparse
/// vector, a list in a list, a list of values of different kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NestedFields {
    /// The line is an error.
    #[default]
    Refuse,
    /// The field is left out.
    LeaveOut,
    /// The field becomes a text, its JSON.
    AsJson,
}

/// Which field is what.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) document: String,
    /// Whether `text` is the document, where that is missing.
    pub(super) or_text: bool,
    pub(super) embedding: String,
    pub(super) metadata: String,
    pub(super) uri: String,
    pub(super) nested: NestedFields,
}

impl Default for Fields {
    fn default() -> Fields {
        Fields {
            id: "id".to_owned(),
            document: "document".to_owned(),
            or_text: true,
            embedding: "embedding".to_owned(),
            metadata: "metadata".to_owned(),
            uri: "uri".to_owned(),
            nested: NestedFields::default(),
        }
    }
}

const TWICE: &str = "it is there twice";

/// What has been read of a line.
#[derive(Default)]
struct Draft<'a> {
    id: Option<String>,
    record: Record,
    /// Whether the document's field is there.
    has_document: bool,
    /// The JSON of `text`, which may be the document.
    text: Option<&'a [u8]>,
}

impl Fields {
    /// The record in a line; or what is wrong with it.
    pub(super) fn read(&self, line: &[u8], number: u64, ids: &Ids) -> Result<Record, String> {
        // What is passed over is not looked at otherwise.
        std::str::from_utf8(line)
            .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))?;
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err("it is not a JSON object; each line has to be one".to_owned());
        }
        let mut draft = Draft::default();
        Cursor::object(line, |at, field| {
            self.field(at, field, &mut draft)
                .map_err(|why| of_field(field, &why))
        })?;
        let Draft {
            id,
            mut record,
            has_document,
            text,
        } = draft;
        match text {
            Some(json) if has_document => self.metadata("text", json, &mut record),
            Some(json) => parse(json).map(|text| record.document = text),
            None => Ok(()),
        }
        .map_err(|why| of_field("text", &why))?;
        let field = [self.id.as_str(), "id_field"];
        record.id = ids.id(id, record.document.as_deref(), number, field)?;
        Ok(record)
    }

    fn field<'a>(
        &self,
        at: &mut Cursor<'a>,
        field: &str,
        draft: &mut Draft<'a>,
    ) -> Result<(), String> {
        let record = &mut draft.record;
        if field == self.id {
            set(&mut draft.id, id(at.json()?)?)
        } else if field == self.document {
            draft.has_document = true;
            set(&mut record.document, at.value()?)
        } else if field == self.embedding {
            let vector = at.nullable(|at| {
                let mut floats = Vec::new();
                at.floats(&mut floats).map(|_| floats)
            })?;
            set(&mut record.embedding, vector)
        } else if field == self.uri {
            set(&mut record.uri, at.value()?)
        } else if field == self.metadata {
            at.nullable(|at| {
                at.members(|at, key| {
                    self.metadata(key, at.json()?, record)
                        .map_err(|why| of_field(key, &why))
                })
            })
            .map(drop)
        } else if self.or_text && field == "text" {
            set(&mut draft.text, Some(at.json()?))
        } else {
            self.metadata(field, at.json()?, record)
        }
    }

    /// Adds a value to the record's metadata.
    fn metadata(&self, key: &str, json: &[u8], record: &mut Record) -> Result<(), String> {
        let value = match json.first() {
            Some(b'[') if json[1..].trim_ascii_start().starts_with(b"]") => MetadataValue::Null,
            Some(b'[' | b'{') => match (parse(json), self.nested) {
                (Ok(value), _) => value,
                (Err(_), NestedFields::LeaveOut) => return Ok(()),
                (Err(_), NestedFields::AsJson) => {
                    MetadataValue::String(String::from_utf8_lossy(json).into_owned())
                }
                (Err(why), NestedFields::Refuse) => {
                    return Err(format!(
                        "metadata cannot hold this ({why}); nested_fields leaves such fields out, or makes texts of them"
                    ));
                }
            },
            _ => parse::<Option<MetadataValue>>(json)?.unwrap_or(MetadataValue::Null),
        };
        match record.metadata.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(TWICE.to_owned()),
        }
    }
}

fn of_field(field: &str, why: &str) -> String {
    format!("field {field:?}: {why}")
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), String> {
    if slot.is_some() {
        return Err(TWICE.to_owned());
    }
    *slot = value;
    Ok(())
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| {
        // Its place is that in the value, not in the line.
        let place = format!(" at line {} column {}", error.line(), error.column());
        error.to_string().replace(&place, "")
    })
}

/// An id: a text, or an integer as it is written.
fn id(json: &[u8]) -> Result<Option<String>, String> {
    let digits = json.strip_prefix(b"-").unwrap_or(json);
    if digits.iter().all(u8::is_ascii_digit) {
        return Ok(Some(String::from_utf8_lossy(json).into_owned()));
    }
    match json.first() {
        Some(b'"' | b'n') => parse(json),
        _ => Err("an id is a text or an integer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{JsonLines, MissingIds};
    use super::*;
    use crate::ingest::readers::jsonl::tests::{one, refused};
    use crate::model::metadata::{Metadata, SparseVector};

    fn read(line: &str) -> Record {
        one(JsonLines::from_reader(line.as_bytes())).unwrap()
    }

    #[test]
    fn fields_are_mapped_by_name() {
        let line = r#"{"id":"1","document":"x","embedding":[1,-2.5e-3],"uri":"u","metadata":{"a":1},"b":2.0}"#;
        let record = Record::new("1")
            .document("x")
            .embedding([1.0, -2.5e-3])
            .uri("u")
            .metadata("a", 1)
            .metadata("b", 2.0);
        assert_eq!(read(line), record);

        let line = r#"{"i":"1","d":"x","e":[1,-2.5e-3],"u":"u","m":{"a":1},"b":2.0,"text":"t","id":7,"uri":null}"#;
        let lines = JsonLines::from_reader(line.as_bytes())
            .id_field("i")
            .document_field("d")
            .embedding_field("e")
            .uri_field("u")
            .metadata_field("m");
        let record = record
            .metadata("text", "t")
            .metadata("id", 7)
            .remove_metadata("uri");
        assert_eq!(one(lines).unwrap(), record);
    }

    #[test]
    fn text_is_the_document_where_there_is_no_other() {
        let text = r#"{"text":"t","id":"1"}"#;
        assert_eq!(read(text), Record::new("1").document("t"));
        for both in [
            r#"{"text":"t","id":"1","document":"d"}"#,
            r#"{"document":"d","text":"t","id":"1"}"#,
        ] {
            let record = Record::new("1").document("d").metadata("text", "t");
            assert_eq!(read(both), record);
        }
        let null = read(r#"{"id":"1","text":"t","document":null}"#);
        assert_eq!(null, Record::new("1").metadata("text", "t"));
        assert!(
            refused(br#"{"id":"1","text":5}"#).contains("field \"text\": invalid type: integer")
        );
    }

    #[test]
    fn metadata_of_every_kind_is_read() {
        let line = r##"{"id":"1","bool":true,"int":-9223372036854775808,"float":0.1,"text":null,"string":"\u00e9\n",
            "bools":[true,false],"ints":[1,2],"floats":[1,2.5],"strings":["a"],"none":null,"empty":[ ],
            "metadata":{"sparse":{"#type":"sparse_vector","indices":[1,5],"values":[0.5,0.25]}}}"##;
        let line = line.replace('\n', " ");
        let sparse = SparseVector::new([1, 5], [0.5, 0.25]);
        let expected = Metadata::new()
            .with("bool", true)
            .with("int", i64::MIN)
            .with("float", 0.1)
            .with("string", "é\n")
            .with("bools", vec![true, false])
            .with("ints", vec![1_i64, 2])
            .with("floats", vec![1.0, 2.5])
            .with("strings", ["a"])
            .with("none", MetadataValue::Null)
            .with("empty", MetadataValue::Null)
            .with("sparse", sparse);
        assert_eq!(read(&line).metadata, expected);
    }

    #[test]
    fn what_metadata_cannot_hold_is_refused_left_out_or_made_a_text() {
        for nested in [
            r#"{"b": 1}"#,
            r#"[1, "x"]"#,
            "[[1]]",
            "[null]",
            "{}",
            r#"{"indices":[1,2],"values":[1]}"#,
        ] {
            for line in [
                format!(r#"{{"id":"1","a":{nested},"k":1}}"#),
                format!(r#"{{"id":"1","metadata":{{"a":{nested},"k":1}}}}"#),
            ] {
                let with = |nested| {
                    let lines = JsonLines::from_reader(line.as_bytes()).nested_fields(nested);
                    one(lines)
                };
                let error = with(NestedFields::Refuse).unwrap_err().to_string();
                assert!(
                    error.contains("line 1: ") && error.contains("field \"a\": "),
                    "{error}"
                );
                assert!(error.contains("nested_fields"), "{error}");
                let record = Record::new("1").metadata("k", 1);
                assert_eq!(with(NestedFields::LeaveOut).unwrap(), record);
                let record = record.metadata("a", nested);
                assert_eq!(with(NestedFields::AsJson).unwrap(), record);
            }
        }
    }

    #[test]
    fn ids_are_texts_or_integers_or_made() {
        for (id, expected) in [
            ("17", "17"),
            ("-1", "-1"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            (r#""\u0041""#, "A"),
        ] {
            assert_eq!(read(&format!(r#"{{"id": {id} }}"#)).id, expected);
        }
        for id in ["1.5", "1e3", "true", "{}", "[1]", r#""""#] {
            let error = refused(format!(r#"{{"id":{id}}}"#).as_bytes());
            assert!(error.contains("id"), "{error}");
        }
        for line in [r#"{"document":"a"}"#, r#"{"document":"a","id":null}"#] {
            assert!(
                refused(line.as_bytes())
                    .contains("there is no id in \"id\"; say where it is with id_field")
            );
            let lines = JsonLines::from_reader(line.as_bytes()).missing_ids(MissingIds::FromLine);
            assert_eq!(one(lines.name("a.jsonl")).unwrap().id, "a.jsonl:1");
            let lines =
                JsonLines::from_reader(line.as_bytes()).missing_ids(MissingIds::FromDocument);
            assert_eq!(one(lines).unwrap().id, "d228cb696f1a8caf78912b704e4a8964");
        }
    }
}
