//! Hashes of records and ids.

use twox_hash::XxHash3_64;

use crate::model::record::RecordRef;
use crate::model::space::Space;
use crate::random::Random;
use crate::wire::line;

/// The step of the numbers that describe a direction. Larger than the error of floats, so that few vectors
/// seem to change when a server normalizes them.
const STEP: f64 = 1e-4;

/// Whether servers return vectors as they were written. With the distance function `cosine`, and so with an
/// unknown one, they may return other last digits.
pub(super) fn keeps_vectors(space: Option<Space>) -> bool {
    matches!(space, Some(Space::L2 | Space::Ip))
}

/// The hashes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashes {
    /// A part of the content hash in manifests. Must never change.
    pub(super) content: u64,
    /// Tells whether a record has changed. Covers the direction of its vector. Never stored.
    pub(super) change: u64,
}

impl Hashes {
    /// Returns the hashes of a record and its line, without the line break.
    pub(super) fn of(record: RecordRef<'_>, line: &[u8], keeps_vectors: bool) -> Hashes {
        if keeps_vectors {
            let content = XxHash3_64::oneshot(line);
            let change = content;
            return Hashes { content, change };
        }
        let mut short = Vec::new();
        let embedding = None;
        line::record(
            &mut short,
            RecordRef {
                embedding,
                ..record
            },
        );
        let content = XxHash3_64::oneshot(short.trim_ascii_end());
        let direction = direction(record.embedding.unwrap_or_default());
        let change = XxHash3_64::oneshot_with_seed(content, &direction);
        Hashes { content, change }
    }
}

/// Describes the direction of a vector by four sums of its normalized floats with random signs.
fn direction(vector: &[f32]) -> [u8; 32] {
    const SEED: u64 = 1;
    let squares = vector.iter().map(|x| f64::from(*x).powi(2));
    let length = squares.sum::<f64>().sqrt();
    let (mut signs, mut sums) = (Random(SEED), [0.0; 4]);
    for x in vector {
        let bits = signs.next();
        for (place, sum) in sums.iter_mut().enumerate() {
            let sign = if bits >> place & 1 == 0 { 1.0 } else { -1.0 };
            *sum += sign * f64::from(*x);
        }
    }
    let mut bytes = [0; 32];
    for (to, sum) in bytes.chunks_exact_mut(8).zip(sums) {
        let rounded = (sum / length / STEP).round() as i64;
        to.copy_from_slice(&rounded.to_le_bytes());
    }
    bytes
}

/// Returns the hash of an id. It has 128 bits, so that no two ids of a collection share one.
pub(super) fn id_hash(id: &str) -> u128 {
    let high = u128::from(XxHash3_64::oneshot(id.as_bytes()));
    high << 64 | u128::from(XxHash3_64::oneshot_with_seed(1, id.as_bytes()))
}

/// A set of ids. It takes 16 bytes of memory for each.
#[derive(Debug, Default)]
pub(super) struct IdSet(Vec<u128>);

impl IdSet {
    pub(super) fn contains(&self, id: u128) -> bool {
        self.0.binary_search(&id).is_ok()
    }
}

impl FromIterator<u128> for IdSet {
    fn from_iter<T: IntoIterator<Item = u128>>(ids: T) -> IdSet {
        let mut sorted: Vec<u128> = ids.into_iter().collect();
        sorted.sort_unstable();
        IdSet(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{AsRecord, Record};

    fn hashes(record: &Record, keeps_vectors: bool) -> Hashes {
        let mut line = Vec::new();
        line::record(&mut line, record.as_record());
        Hashes::of(record.as_record(), line.trim_ascii_end(), keeps_vectors)
    }

    /// Manifests of earlier versions depend on these.
    #[test]
    fn content_hashes_never_change() {
        let record = Record::new("a")
            .document("text")
            .metadata("k", 1)
            .embedding([3.0, 4.0]);
        let found = [true, false].map(|keeps| format!("{:016x}", hashes(&record, keeps).content));
        assert_eq!(found, ["0d2b129f656ae94b", "513fccfc404f77cc"]);
    }

    #[test]
    fn a_normalized_vector_is_the_same_and_another_direction_is_not() {
        let of = |vector: [f32; 2]| hashes(&Record::new("a").embedding(vector), false);
        let one = of([3.0, 4.0]);
        assert_eq!(one, of([0.6, 0.8]));
        let other = of([0.61, 0.8]);
        assert_eq!(one.content, other.content);
        assert_ne!(one.change, other.change);
        assert_ne!(one.change, of([-3.0, -4.0]).change);
        let exact = |vector: [f32; 2]| hashes(&Record::new("a").embedding(vector), true);
        assert_ne!(exact([3.0, 4.0]), exact([0.6, 0.8]));
        assert_eq!(of([0.0, 0.0]), of([0.0, 0.0]));
    }
}
