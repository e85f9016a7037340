//! What records are known by: hashes that are the same in every version, on every machine.

use twox_hash::XxHash3_64;

use crate::model::metadata::Metadata;
use crate::model::record::Record;

/// The hash of an input as far as it was read: of the hash before and the next item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputHash(pub(super) u64);

impl InputHash {
    pub(super) const START: InputHash = InputHash(0);

    /// With one more record, whose bytes are put together in `bytes`.
    pub(super) fn record(self, record: &Record, bytes: &mut Vec<u8>) -> InputHash {
        bytes.clear();
        part(bytes, Some(record.id.as_bytes()));
        content(bytes, record, None);
        InputHash(XxHash3_64::oneshot_with_seed(self.0, bytes))
    }

    /// With one more item that could not be read; why is not part of it.
    pub(super) fn unreadable(self) -> InputHash {
        InputHash(XxHash3_64::oneshot_with_seed(self.0, b"unreadable"))
    }
}

/// What a record holds, in 16 hexadecimal digits, which differ when anything of it does, or `function` (what its vector
/// depends on beside the text). The metadata key that the hash is kept under is not part of it.
pub(super) fn of_content(record: &Record, function: &str, key: &str) -> String {
    let mut bytes = Vec::new();
    part(&mut bytes, Some(function.as_bytes()));
    content(&mut bytes, record, Some(key));
    format!("{:016x}", XxHash3_64::oneshot(&bytes))
}

/// The hash of an id: which shard it belongs to, and, in a sync, that it was there.
pub(super) fn of_id(id: &str) -> u64 {
    XxHash3_64::oneshot(id.as_bytes())
}

fn content(to: &mut Vec<u8>, record: &Record, without: Option<&str>) {
    part(to, record.document.as_deref().map(str::as_bytes));
    part(to, record.uri.as_deref().map(str::as_bytes));
    metadata(to, &record.metadata, without);
    match &record.embedding {
        None => part(to, None),
        Some(floats) => {
            // A part as the others, without a copy of its own.
            let bytes = size_of_val(floats.as_slice()) as u64;
            to.extend_from_slice(&bytes.to_le_bytes());
            to.extend(floats.iter().flat_map(|x| x.to_le_bytes()));
        }
    }
}

/// In the order of the keys, which is the order of a [`Metadata`].
fn metadata(to: &mut Vec<u8>, metadata: &Metadata, without: Option<&str>) {
    for (key, value) in metadata.iter().filter(|(key, _)| Some(*key) != without) {
        part(to, Some(key.as_bytes()));
        let value = serde_json::to_vec(value).unwrap_or_default();
        part(to, Some(&value));
    }
    part(to, None);
}

/// Behind its length, so that no two different records have the same bytes.
fn part(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    // Nothing is that long.
    let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(bytes.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::new("a").document("text").metadata("k", 1)
    }

    /// Checkpoints, stored hashes and shards of earlier versions depend on these.
    #[test]
    fn hashes_are_the_same_for_ever() {
        assert_eq!(of_id("a"), 0xe6c6_32b6_1e96_4e1f);
        assert_eq!(of_content(&record(), "f", "hash"), "bf69ad530e9458bb");
        let hash = InputHash::START
            .record(&record(), &mut Vec::new())
            .unreadable();
        assert_eq!(format!("{:016x}", hash.0), "743f8db3049304bf");
    }

    #[test]
    fn whatever_differs_makes_a_difference() {
        let all = [
            record(),
            record().document("Text"),
            record().uri("u"),
            record().metadata("k", 1.0),
            record().metadata("l", 1),
            record().embedding([1.0]),
            record().embedding([-1.0]),
            Record::new("a").metadata("k", 1),
        ];
        let mut hashes: Vec<String> = all.iter().map(|r| of_content(r, "f", "hash")).collect();
        hashes.push(of_content(&record(), "g", "hash"));
        let input = |record: &Record| InputHash::START.record(record, &mut Vec::new()).0;
        let mut inputs: Vec<u64> = all.iter().map(input).collect();
        inputs.push(input(&Record::new("b").document("text").metadata("k", 1)));
        inputs.push(InputHash::START.unreadable().0);
        hashes.sort();
        hashes.dedup();
        inputs.sort_unstable();
        inputs.dedup();
        assert_eq!((hashes.len(), inputs.len()), (9, 10));
    }

    #[test]
    fn the_stored_hash_is_no_part_of_itself() {
        let stored = record().metadata("hash", "0123");
        assert_eq!(
            of_content(&stored, "f", "hash"),
            of_content(&record(), "f", "hash")
        );
        assert_ne!(
            of_content(&stored, "f", "other"),
            of_content(&record(), "f", "other")
        );
    }
}
