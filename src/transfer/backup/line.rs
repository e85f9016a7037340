//! [`Line`]: a line of a backup.

use serde::{Deserialize, Serialize};

use super::hash::id_hash;
use crate::model::record::Record;

/// How the line of a deleted record ends. The line of a record never ends so: it ends with a string, metadata
/// or a vector.
const DELETED: &[u8] = br#","deleted":true}"#;

/// A line of a backup.
#[derive(Debug)]
pub(super) enum Line {
    Record(Box<Record>),
    Deleted,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deleted<'a> {
    id: std::borrow::Cow<'a, str>,
    deleted: bool,
}

/// Reads only the id.
#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Line {
    pub(super) fn read(line: &[u8]) -> serde_json::Result<Line> {
        if Line::is_deletion(line) {
            return serde_json::from_slice(line).map(|_: Deleted<'_>| Line::Deleted);
        }
        serde_json::from_slice(line).map(|record| Line::Record(Box::new(record)))
    }

    /// Returns the hash of the id, and whether the record was deleted.
    pub(super) fn read_id(line: &[u8]) -> serde_json::Result<(u128, bool)> {
        let Id { id } = serde_json::from_slice(line)?;
        Ok((id_hash(&id), Line::is_deletion(line)))
    }

    pub(super) fn is_deletion(line: &[u8]) -> bool {
        line.ends_with(DELETED)
    }
}

/// Appends the line of a deleted record.
pub(super) fn push_deleted(to: &mut Vec<u8>, id: &str) -> serde_json::Result<()> {
    let id = id.into();
    serde_json::to_writer(&mut *to, &Deleted { id, deleted: true })?;
    to.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::SparseVector;
    use crate::model::record::AsRecord;

    #[test]
    fn every_kind_of_value_is_read_back_as_written() {
        let full = Record::new("\u{1f980}\n\"")
            .document("")
            .uri("")
            .metadata("int", i64::MIN)
            .metadata("float", 2.0)
            .metadata("tiny", f64::MIN_POSITIVE)
            .metadata("strings", ["", ",\"deleted\":true}"])
            .metadata("floats", [1.0, 2.5])
            .metadata("bools", [true, false])
            .metadata("deleted", true)
            .metadata("sparse", SparseVector::new([3, 7], [0.5, 1.0 / 3.0]))
            .embedding([f32::MIN_POSITIVE, -0.0, 0.1, f32::MAX, 1.0 / 3.0]);
        for record in [full, Record::new("a"), Record::new("a").embedding([1.0])] {
            let mut line = Vec::new();
            crate::wire::line::record(&mut line, record.as_record());
            let read = Line::read(line.trim_ascii_end()).unwrap();
            assert!(matches!(read, Line::Record(read) if *read == record));
        }
    }

    #[test]
    fn records_and_deletions_differ() {
        let mut line = Vec::new();
        push_deleted(&mut line, "\"a\"").unwrap();
        assert_eq!(line, b"{\"id\":\"\\\"a\\\"\",\"deleted\":true}\n");
        let line = line.trim_ascii_end();
        assert!(matches!(Line::read(line).unwrap(), Line::Deleted));
        assert_eq!(Line::read_id(line).unwrap(), (id_hash("\"a\""), true));
        for record in [
            r#"{"id":"a","metadata":{"b":1,"deleted":true}}"#,
            r#"{"id":"a","document":",\"deleted\":true}"}"#,
        ] {
            let read = Line::read(record.as_bytes()).unwrap();
            assert!(matches!(read, Line::Record(_)), "{record}");
            let (id, is_deleted) = Line::read_id(record.as_bytes()).unwrap();
            assert_eq!((id, is_deleted), (id_hash("a"), false));
        }
        assert!(Line::read(br#"{"id":"a","x":1,"deleted":true}"#).is_err());
        assert!(Line::read(br#"{"document":"a"}"#).is_err());
    }
}
