//! [`Comparison`]: what differs between a record and its copy.

use crate::model::differences::DifferenceKind;
use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::record::{Record, RecordRef};
use crate::model::space::Space;

/// The largest difference between two floats of vectors of length 1 that count as equal. A float of 32 bits
/// has about seven digits.
const TOLERANCE: f64 = 1e-5;

/// The largest relative difference between two floats of metadata that count as equal. A single-node server
/// keeps 15 significant digits.
const METADATA_TOLERANCE: f64 = 1e-14;

/// How vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vectors {
    /// Float by float.
    Exact,
    /// By their direction: with the space `cosine`, an index keeps vectors of length 1, so a server returns
    /// other last digits than were written.
    Direction,
    /// Not at all, because the copy has vectors of another function.
    Ignored,
}

impl Vectors {
    /// Returns how vectors are compared, by the distance functions of the two collections.
    pub(super) fn of(source: Option<Space>, target: Option<Space>) -> Vectors {
        match (source, target) {
            // Chroma 1.0.0 does not report the space.
            (Some(Space::Cosine), _) | (_, Some(Space::Cosine)) | (None, None) => {
                Vectors::Direction
            }
            _ => Vectors::Exact,
        }
    }

    fn are_equal(self, source: Option<&[f32]>, copy: Option<&[f32]>) -> bool {
        match (self, source, copy) {
            (Vectors::Ignored, _, _) => true,
            (Vectors::Direction, Some(source), Some(copy)) => have_same_direction(source, copy),
            (_, source, copy) => source == copy,
        }
    }

    /// Returns what differs between a record and its copy.
    pub(super) fn difference(
        self,
        source: RecordRef<'_>,
        copy: RecordRef<'_>,
    ) -> Option<DifferenceKind> {
        if source.document != copy.document {
            Some(DifferenceKind::Document)
        } else if source.uri != copy.uri {
            Some(DifferenceKind::Uri)
        } else if !are_equal(source.metadata, copy.metadata) {
            Some(DifferenceKind::Metadata)
        } else if !self.are_equal(source.embedding, copy.embedding) {
            Some(DifferenceKind::Embedding)
        } else {
            None
        }
    }
}

fn have_same_direction(one: &[f32], other: &[f32]) -> bool {
    // As `f64`, because the squares of large or small floats of 32 bits are infinite or zero.
    let square = |x: &f32| f64::from(*x) * f64::from(*x);
    let length = |vector: &[f32]| vector.iter().map(square).sum::<f64>().sqrt();
    let (a, b) = (length(one), length(other));
    if a == 0.0 || b == 0.0 {
        return one == other;
    }
    let is_close =
        |(x, y): (&f32, &f32)| (f64::from(*x) / a - f64::from(*y) / b).abs() <= TOLERANCE;
    one.len() == other.len() && one.iter().zip(other).all(is_close)
}

fn are_equal(source: &Metadata, copy: &Metadata) -> bool {
    let values = |(key, value), (other_key, other)| key == other_key && is_equal(value, other);
    source.len() == copy.len()
        && source
            .iter()
            .zip(copy.iter())
            .all(|(one, other)| values(one, other))
}

fn is_equal(source: &MetadataValue, copy: &MetadataValue) -> bool {
    match (source, copy) {
        (MetadataValue::Float(source), MetadataValue::Float(copy)) => is_near(*source, *copy),
        (MetadataValue::Floats(source), MetadataValue::Floats(copy)) => {
            source.len() == copy.len()
                && source
                    .iter()
                    .zip(copy)
                    .all(|(one, other)| is_near(*one, *other))
        }
        (source, copy) => source == copy,
    }
}

fn is_near(source: f64, copy: f64) -> bool {
    (source - copy).abs() <= METADATA_TOLERANCE * source.abs()
}

/// Changes a record so that an upsert replaces its copy: metadata keys that only the copy has are removed.
pub(super) fn replace_metadata(record: &mut Record, copy: &Metadata) {
    let removed: Vec<&str> = copy
        .iter()
        .map(|(key, _)| key)
        .filter(|key| record.metadata.get(key).is_none())
        .collect();
    for key in removed {
        record.metadata.insert(key, MetadataValue::Null);
    }
}

/// Whether an upsert would keep a part of the copy that the record does not have.
pub(super) fn keeps_old_parts(record: &Record, copy: RecordRef<'_>) -> bool {
    record.document.is_none() && copy.document.is_some()
        || record.uri.is_none() && copy.uri.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::AsRecord;

    fn record() -> Record {
        Record::new("a").document("d").uri("u").metadata("k", 1)
    }

    #[test]
    fn each_part_is_compared() {
        let vectors = |record: Record| record.embedding([3.0, 4.0]);
        let one = vectors(record());
        let difference =
            |other: &Record| Vectors::Exact.difference(one.as_record(), other.as_record());
        assert_eq!(difference(&one), None);
        for (other, kind) in [
            (vectors(record().document("e")), DifferenceKind::Document),
            (vectors(record().uri("v")), DifferenceKind::Uri),
            (
                vectors(record().metadata("k", 1.0)),
                DifferenceKind::Metadata,
            ),
            (record().embedding([3.0, 4.1]), DifferenceKind::Embedding),
            (record(), DifferenceKind::Embedding),
        ] {
            assert_eq!(difference(&other), Some(kind));
        }
    }

    #[test]
    fn with_cosine_only_the_direction_counts() {
        let difference = |copy: [f32; 2]| {
            let source = Record::new("a").embedding([3.0, 4.0]);
            let copy = Record::new("a").embedding(copy);
            Vectors::Direction.difference(source.as_record(), copy.as_record())
        };
        assert_eq!(difference([0.6, 0.8]), None);
        assert_eq!(difference([0.60001, 0.8]), None);
        assert!(difference([0.61, 0.8]).is_some());
        assert!(difference([0.0, 0.0]).is_some());
    }

    #[test]
    fn the_direction_of_long_and_short_vectors_is_compared() {
        for length in [1e-30, 1e30] {
            let difference = |copy: [f32; 2]| {
                let source = Record::new("a").embedding([3.0 * length, 4.0 * length]);
                let copy = Record::new("a").embedding(copy);
                Vectors::Direction.difference(source.as_record(), copy.as_record())
            };
            assert_eq!(difference([0.6, 0.8]), None);
            assert!(difference([0.8, 0.6]).is_some());
            assert!(difference([4.0 * length, 3.0 * length]).is_some());
        }
    }

    #[test]
    fn the_last_digits_of_floats_in_metadata_do_not_count() {
        let difference = |copy: f64| {
            let with = |float: f64| record().metadata("f", float).metadata("l", [1.0, float]);
            Vectors::Exact.difference(
                with(90.333_333_333_333_33).as_record(),
                with(copy).as_record(),
            )
        };
        assert_eq!(difference(90.333_333_333_333_31), None);
        assert_eq!(difference(90.333_333_333_3), Some(DifferenceKind::Metadata));
        assert_eq!(
            difference(-90.333_333_333_333_33),
            Some(DifferenceKind::Metadata)
        );
    }

    #[test]
    fn replaced_metadata_loses_its_old_keys() {
        let mut new = record();
        replace_metadata(&mut new, &Metadata::from([("k", 2), ("old", 3)]));
        assert_eq!(new.metadata.get("k"), Some(&1.into()));
        assert_eq!(new.metadata.get("old"), Some(&MetadataValue::Null));
    }
}
