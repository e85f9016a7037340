//! [`Known`]: the records of an earlier backup.

use std::collections::HashMap;

use super::chain::Layered;
use super::hash::{Hashes, id_hash};
use super::line::Line;
use crate::error::Result;
use crate::model::record::{AsRecord, RecordRef};

/// The hashes of the records of an earlier backup. Takes about 24 to 50 bytes of memory for a record.
pub(super) struct Known<'c> {
    collection: Layered<'c>,
    /// The hashes of the records that were not found yet, by the two halves of the hash of the id.
    hashes: HashMap<[u64; 2], u64>,
}

fn key(id: u128) -> [u64; 2] {
    [(id >> 64) as u64, id as u64]
}

impl<'c> Known<'c> {
    pub(super) fn read(collection: Layered<'c>, keeps_vectors: bool) -> Result<Known<'c>> {
        let mut hashes = HashMap::new();
        let mut lines = collection.lines();
        while lines.advance()? {
            if !lines.is_current()? {
                continue;
            }
            if let Line::Record(record) = lines.read()? {
                let found = Hashes::of(record.as_record(), lines.line(), keeps_vectors);
                hashes.insert(key(id_hash(&record.id)), found.change);
            }
        }
        Ok(Known { collection, hashes })
    }

    /// Whether the earlier backup has the same record.
    pub(super) fn has(&mut self, record: RecordRef<'_>, hashes: Hashes) -> bool {
        self.hashes.remove(&key(id_hash(record.id))) == Some(hashes.change)
    }

    /// Passes the ids of all records that were not found.
    pub(super) fn each_gone(&self, mut gone: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut left = self.hashes.len();
        let mut lines = self.collection.lines();
        while left > 0 && lines.advance()? {
            let (id, _) = lines.id()?;
            if !self.hashes.contains_key(&key(id)) || !lines.is_current()? {
                continue;
            }
            if let Line::Record(record) = lines.read()? {
                left -= 1;
                gone(&record.id)?;
            }
        }
        Ok(())
    }
}
