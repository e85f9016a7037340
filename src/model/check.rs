//! Checks of records before they are written.

use std::collections::HashSet;

use super::embeddings;
use super::metadata::STAMP;
use super::record::RecordRef;
use super::records::Records;
use crate::invalid::InvalidInput;

/// The properties of records that have passed the [check](RecordCheck::check_all).
#[derive(Debug, PartialEq)]
pub(crate) struct CheckedRecords {
    /// The indices of the records that have a document and no vector.
    pub(crate) to_embed: Vec<usize>,
    /// Whether the metadata of any record holds a sparse vector.
    pub(crate) has_sparse: bool,
}

/// The rules of a call for its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordCheck {
    /// The dimension of the collection, if it is known.
    pub(crate) dimension: Option<usize>,
    /// Whether records may have neither a document nor a vector.
    pub(crate) is_update: bool,
    /// Whether the limits of a single-node server apply.
    pub(crate) is_single_node: bool,
    /// Whether the write adds a [stamp](STAMP) to the metadata.
    pub(crate) is_stamped: bool,
}

impl RecordCheck {
    /// Refuses records that the server would refuse or lose.
    pub(crate) fn check_all(self, records: &dyn Records) -> Result<CheckedRecords, InvalidInput> {
        let count = records.len();
        if let Some((column, found)) = records.mismatched_column() {
            return Err(InvalidInput::LengthMismatch {
                column,
                ids: count,
                found,
            });
        }
        let mut check = self;
        let mut seen = HashSet::with_capacity(count);
        let mut repeated = Vec::new();
        let mut to_embed = Vec::new();
        let mut has_sparse = false;
        for index in 0..count {
            let record = records.record(index);
            check.check(record, index)?;
            if !seen.insert(record.id) {
                repeated.push(record.id);
            }
            has_sparse |= record.metadata.iter().any(|(_, value)| value.is_sparse());
            match (record.embedding, record.document) {
                (Some(vector), _) => check.dimension = Some(vector.len()),
                (None, Some(_)) => to_embed.push(index),
                (None, None) => {}
            }
        }
        if !repeated.is_empty() {
            repeated.sort_unstable();
            repeated.dedup();
            let ids = repeated.into_iter().map(str::to_owned).collect();
            return Err(InvalidInput::DuplicateIds { ids });
        }
        Ok(CheckedRecords {
            to_embed,
            has_sparse,
        })
    }

    /// Does the part of the [check](RecordCheck::check_all) that needs only one record. `index` is its
    /// position in the call.
    pub(crate) fn check(self, record: RecordRef<'_>, index: usize) -> Result<(), InvalidInput> {
        let owner = || format!("record {:?}", record.id);
        if record.id.is_empty() {
            return Err(InvalidInput::EmptyId { index });
        }
        let rows = record.metadata.check_record(owner)?;
        if self.is_stamped && record.metadata.get(STAMP).is_some() {
            return Err(InvalidInput::Metadata {
                of: owner(),
                key: STAMP.to_owned(),
                why: "the collection stamps its writes under this key; leave it out".to_owned(),
            });
        }
        if self.is_single_node {
            let texts = usize::from(record.document.is_some()) + usize::from(record.uri.is_some());
            let texts = texts + usize::from(self.is_stamped);
            rows.check(texts, record.metadata, owner)?;
        }
        match (record.embedding, record.document) {
            (Some(vector), _) => embeddings::check(vector, self.dimension, owner),
            (None, None) if !self.is_update => Err(InvalidInput::NothingToEmbed {
                id: record.id.to_owned(),
            }),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::columns::Columns;
    use crate::model::metadata::{Metadata, SparseVector};
    use crate::model::record::Record;

    fn check(
        records: &dyn Records,
        dimension: Option<usize>,
    ) -> Result<CheckedRecords, InvalidInput> {
        let check = RecordCheck {
            dimension,
            is_update: false,
            is_single_node: true,
            is_stamped: false,
        };
        check.check_all(records)
    }

    fn check_update(records: &dyn Records) -> Result<CheckedRecords, InvalidInput> {
        let check = RecordCheck {
            dimension: None,
            is_update: true,
            is_single_node: true,
            is_stamped: false,
        };
        check.check_all(records)
    }

    fn vector(id: &str, floats: &[f32]) -> Record {
        Record::new(id).embedding(floats)
    }

    #[test]
    fn records_without_a_vector_are_to_be_embedded() {
        let records = vec![
            vector("1", &[1.0]).document("has a vector"),
            Record::new("2").document("has none"),
        ];
        assert_eq!(check(&records, None).unwrap().to_embed, [1]);
        let update = check_update(&vec![Record::new("1")]).unwrap();
        assert_eq!(
            update,
            CheckedRecords {
                to_embed: vec![],
                has_sparse: false
            }
        );
    }

    #[test]
    fn each_kind_of_bad_record_has_its_error() {
        let refused = |records: Vec<Record>| check(&records, Some(2)).unwrap_err();
        assert_eq!(
            refused(vec![vector("1", &[1.0, 2.0]), vector("", &[1.0, 2.0])]),
            InvalidInput::EmptyId { index: 1 }
        );
        let twice = ["b", "a", "b", "c", "a", "b"].map(|id| vector(id, &[1.0, 2.0]));
        assert_eq!(
            refused(twice.to_vec()),
            InvalidInput::DuplicateIds {
                ids: vec!["a".to_owned(), "b".to_owned()]
            }
        );
        assert!(matches!(
            refused(vec![vector("1", &[1.0])]),
            InvalidInput::Dimension {
                expected: 2,
                found: 1,
                ..
            }
        ));
        assert!(matches!(
            refused(vec![vector("1", &[1.0, f32::NAN])]),
            InvalidInput::NotFinite { .. }
        ));
        assert!(matches!(
            refused(vec![vector("1", &[1.0, 2.0]).metadata("k", f64::INFINITY)]),
            InvalidInput::NotFinite { .. }
        ));
        assert_eq!(
            refused(vec![Record::new("1")]),
            InvalidInput::NothingToEmbed { id: "1".to_owned() }
        );
    }

    #[test]
    fn sparse_vectors_are_reported() {
        let sparse = Record::new("1").metadata("words", SparseVector::default());
        assert!(check_update(&vec![sparse]).unwrap().has_sparse);
    }

    #[test]
    fn vectors_of_different_dimensions_in_one_call_are_refused() {
        let records = vec![vector("1", &[1.0]), vector("2", &[1.0, 2.0])];
        let error = check(&records, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the vector of record \"2\" has 2 floats, not 1; all vectors of a collection have the same length"
        );
    }

    #[test]
    fn a_column_with_more_or_fewer_entries_than_ids_is_refused() {
        let ids = ["1", "2"];
        let vectors = [[1.0, 2.0]];
        let columns = Columns::new(&ids).embeddings(&vectors);
        assert_eq!(
            check(&columns, None).unwrap_err(),
            InvalidInput::LengthMismatch {
                column: "embeddings",
                ids: 2,
                found: 1
            }
        );
        let columns = Columns::new(&ids).documents(&["x"]);
        assert!(check(&columns, None).is_err());
        let metadata = vec![Metadata::new(); 3];
        let columns = Columns::new(&ids).documents(&ids).metadatas(&metadata);
        assert!(check(&columns, None).is_err());
    }
}
