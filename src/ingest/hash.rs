//! Hashes that are stored: they must stay the same in every version and on every machine.
//!
//! Checkpoints, shards, stored content hashes and generated ids depend on them.

use twox_hash::XxHash3_64;

use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::record::Record;

/// Returns the hash of an id (XXH3, 64 bits). It decides the shard and the end of a part of a backup,
/// and a sync remembers it for each id of the input.
pub(crate) fn id_hash(id: &str) -> u64 {
    XxHash3_64::oneshot(id.as_bytes())
}

/// Returns the hash of the id of a document with pieces (XXH3, 64 bits). It decides the shard of the pieces.
///
/// It differs from the [`id_hash`] of a record with the same id.
pub(super) fn document_id_hash(id: &MetadataValue) -> u64 {
    const SEED: u64 = 1;
    let id = serde_json::to_vec(id).unwrap_or_default();
    XxHash3_64::oneshot_with_seed(SEED, &id)
}

/// Returns the hash of a document (FNV-1a, 128 bits), from which ids are generated.
///
/// Written out here because it must never change, and because it is shorter than a dependency.
pub(super) fn document_hash(text: &str) -> u128 {
    // The parameters: http://www.isthe.com/chongo/tech/comp/fnv/
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;
    text.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

/// Returns the hash of a record's content (XXH3, 64 bits) as 16 hexadecimal digits.
///
/// It changes with any part of the record and with `function`, the cache key of the embedding function. It
/// does not cover the metadata value under `key`, which is where the hash itself is stored.
pub(super) fn content_hash(record: &Record, function: &str, key: &str) -> String {
    let mut bytes = Vec::new();
    push_part(&mut bytes, Some(function.as_bytes()));
    push_content(&mut bytes, record, Some(key));
    format!("{:016x}", XxHash3_64::oneshot(&bytes))
}

/// The hash of all items read so far (XXH3, 64 bits): each item is hashed with the previous hash as the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputHash(pub(super) u64);

impl InputHash {
    pub(super) const START: InputHash = InputHash(0);

    /// Adds a record. `buffer` holds the bytes to hash, and is reused.
    pub(super) fn with_record(self, record: &Record, buffer: &mut Vec<u8>) -> InputHash {
        buffer.clear();
        push_part(buffer, Some(record.id.as_bytes()));
        push_content(buffer, record, None);
        InputHash(XxHash3_64::oneshot_with_seed(self.0, buffer))
    }

    /// Adds an item that could not be read. The reason is not part of the hash.
    pub(super) fn with_unreadable(self) -> InputHash {
        InputHash(XxHash3_64::oneshot_with_seed(self.0, b"unreadable"))
    }
}

/// Appends everything but the id. `without` is a metadata key to leave out.
fn push_content(to: &mut Vec<u8>, record: &Record, without: Option<&str>) {
    push_part(to, record.document.as_deref().map(str::as_bytes));
    push_part(to, record.uri.as_deref().map(str::as_bytes));
    push_metadata(to, &record.metadata, without);
    match &record.embedding {
        None => push_part(to, None),
        Some(floats) => {
            // The same bytes as from `push_part`, without a copy of the floats.
            let bytes = size_of_val(floats.as_slice()) as u64;
            to.extend_from_slice(&bytes.to_le_bytes());
            to.extend(floats.iter().flat_map(|x| x.to_le_bytes()));
        }
    }
}

/// Appends metadata in the order of its keys, which is the order of a [`Metadata`].
fn push_metadata(to: &mut Vec<u8>, metadata: &Metadata, without: Option<&str>) {
    for (key, value) in metadata.iter().filter(|(key, _)| Some(*key) != without) {
        push_part(to, Some(key.as_bytes()));
        let value = serde_json::to_vec(value).unwrap_or_default();
        push_part(to, Some(&value));
    }
    push_part(to, None);
}

/// Appends bytes after their length, so that different records never have the same bytes.
fn push_part(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    // No part has this length.
    const ABSENT: u64 = u64::MAX;
    let length = bytes.map_or(ABSENT, |bytes| bytes.len() as u64);
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
    fn stored_hashes_never_change() {
        assert_eq!(id_hash("a"), 0xe6c6_32b6_1e96_4e1f);
        assert_eq!(content_hash(&record(), "f", "hash"), "bf69ad530e9458bb");
        let hash = InputHash::START
            .with_record(&record(), &mut Vec::new())
            .with_unreadable();
        assert_eq!(format!("{:016x}", hash.0), "743f8db3049304bf");
    }

    #[test]
    fn the_document_hash_is_fnv_1a() {
        // Test vectors of the algorithm's authors.
        assert_eq!(
            document_hash("a"),
            0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964
        );
        assert_eq!(
            document_hash("foobar"),
            0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18
        );
    }

    #[test]
    fn any_difference_changes_the_hash() {
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
        let mut hashes: Vec<String> = all.iter().map(|r| content_hash(r, "f", "hash")).collect();
        hashes.push(content_hash(&record(), "g", "hash"));
        let input = |record: &Record| InputHash::START.with_record(record, &mut Vec::new()).0;
        let mut inputs: Vec<u64> = all.iter().map(input).collect();
        inputs.push(input(&Record::new("b").document("text").metadata("k", 1)));
        inputs.push(InputHash::START.with_unreadable().0);
        hashes.sort();
        hashes.dedup();
        inputs.sort_unstable();
        inputs.dedup();
        assert_eq!((hashes.len(), inputs.len()), (9, 10));
    }

    #[test]
    fn the_content_hash_does_not_cover_the_stored_hash() {
        let stored = record().metadata("hash", "0123");
        assert_eq!(
            content_hash(&stored, "f", "hash"),
            content_hash(&record(), "f", "hash")
        );
        assert_ne!(
            content_hash(&stored, "f", "other"),
            content_hash(&record(), "f", "other")
        );
    }
}
