//! [`RecentIds`]: the ids that a scan has listed lately.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// A set of the most recently inserted ids, of limited size.
///
/// It keeps a 64-bit hash of each id, whatever the id's length. Two ids of one set share a hash in about one
/// of 10^8 scans of a million records.
#[derive(Debug, Clone)]
pub(super) struct RecentIds {
    hasher: RandomState,
    hashes: HashSet<u64>,
    /// The same hashes, the oldest one first.
    order: VecDeque<u64>,
    capacity: usize,
}

impl RecentIds {
    /// Creates an empty set of at most `capacity` ids.
    pub(super) fn new(capacity: usize) -> RecentIds {
        RecentIds {
            hasher: RandomState::new(),
            hashes: HashSet::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    /// Adds an id. Returns whether it was not in the set. If the set is full, the oldest id is removed.
    pub(super) fn insert(&mut self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        let is_new = self.hashes.insert(hash);
        if is_new {
            self.order.push_back(hash);
            if self.order.len() > self.capacity {
                if let Some(oldest) = self.order.pop_front() {
                    self.hashes.remove(&oldest);
                }
            }
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_set_removes_its_oldest_id() {
        let mut recent = RecentIds::new(2);
        assert!(recent.insert("a") && recent.insert("b"));
        assert!(!recent.insert("a") && !recent.insert("b"));
        assert!(recent.insert("c"), "removes a");
        assert!(!recent.insert("b") && !recent.insert("c"));
        assert!(recent.insert("a"));
        assert_eq!((recent.hashes.len(), recent.order.len()), (2, 2));
    }
}
