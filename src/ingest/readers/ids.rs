//! [`MissingIds`]: how readers treat records without an id.

use crate::ingest::hash::document_hash;

/// How a reader treats a record without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissingIds {
    /// Returns an error in place of the record.
    #[default]
    Refuse,
    /// Generates the id from the source's name, without its folder, and the line number: `corpus.jsonl:17`.
    ///
    /// The line is the one in which the record begins, counted from 1. The id stays the same as long as no
    /// lines are inserted or removed before the record, even if a program changes how lines end.
    FromLine,
    /// Generates the id from the document, as a 128-bit hash.
    ///
    /// The id does not depend on the record's position. A changed text is a different record, and records
    /// with the same text are one record.
    FromDocument,
}

/// Reads or generates the ids of a source.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    /// The name of the field or column with the id.
    pub(super) name: String,
    pub(super) missing: MissingIds,
    /// The start of ids that are generated from lines.
    pub(super) prefix: String,
    /// The kind of place that holds an id: `field` or `column`.
    kind: &'static str,
}

impl Ids {
    /// Ids of a source with this name, which may be a path. `kind` is `field` or `column`.
    pub(super) fn new(kind: &'static str, source: &str) -> Ids {
        let file = source.rsplit(['/', '\\']).next();
        Ids {
            name: "id".to_owned(),
            missing: MissingIds::default(),
            prefix: file.unwrap_or(source).to_owned(),
            kind,
        }
    }

    /// Returns the id of a record: the given one, or a generated one.
    pub(super) fn id(
        &self,
        given: Option<String>,
        line: u64,
        document: Option<&str>,
    ) -> Result<String, String> {
        match (given, self.missing, document) {
            (Some(id), ..) if id.is_empty() => {
                Err("the id is empty; give every record an id".to_owned())
            }
            (Some(id), ..) => Ok(id),
            (None, MissingIds::Refuse, _) => {
                let Ids { kind, name, .. } = self;
                Err(format!("no id in {kind} {name:?}; {}", self.advice()))
            }
            (None, MissingIds::FromLine, _) => Ok(format!("{}:{line}", self.prefix)),
            (None, MissingIds::FromDocument, Some(text)) => {
                Ok(format!("{:032x}", document_hash(text)))
            }
            (None, MissingIds::FromDocument, None) => Err(
                "no id, and no document to generate one from; give the record one of them"
                    .to_owned(),
            ),
        }
    }

    /// Says what to do about missing ids.
    pub(super) fn advice(&self) -> String {
        let kind = self.kind;
        format!("name the right {kind} with id_{kind}, or generate ids with missing_ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_given_or_generated() {
        let mut ids = Ids::new("field", "data/a.jsonl");
        let id = |ids: &Ids, given: Option<&str>, text| ids.id(given.map(str::to_owned), 7, text);
        assert_eq!(id(&ids, Some("x"), None).unwrap(), "x");
        assert!(id(&ids, None, Some("text")).is_err());
        ids.missing = MissingIds::FromLine;
        assert_eq!(id(&ids, None, None).unwrap(), "a.jsonl:7");
        assert_eq!(id(&ids, Some("x"), None).unwrap(), "x");
        assert!(id(&ids, Some(""), None).is_err());
        ids.missing = MissingIds::FromDocument;
        assert_eq!(
            id(&ids, None, Some("a")).unwrap(),
            "d228cb696f1a8caf78912b704e4a8964"
        );
        assert!(id(&ids, None, None).is_err());
    }
}
