//! Which ids came lately.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// The last ids, up to a number of them. It keeps 64 bits of each, however long they are: that two of them have the
/// same ones happens in one of a hundred million scans of a million records.
#[derive(Debug)]
pub(super) struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
    most: usize,
}

impl Seen {
    /// One that keeps this many.
    pub(super) fn new(most: usize) -> Seen {
        Seen {
            hasher: RandomState::new(),
            known: HashSet::new(),
            order: VecDeque::new(),
            most,
        }
    }

    /// Whether it is new; it is not any more.
    pub(super) fn insert(&mut self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        let new = self.known.insert(hash);
        if new {
            self.order.push_back(hash);
            if self.order.len() > self.most {
                self.order
                    .pop_front()
                    .map(|oldest| self.known.remove(&oldest));
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_last_ones() {
        let mut seen = Seen::new(2);
        assert!(seen.insert("a") && seen.insert("b"));
        assert!(!seen.insert("a") && !seen.insert("b"));
        assert!(seen.insert("c"), "and forgets a");
        assert!(!seen.insert("b") && !seen.insert("c"));
        assert!(seen.insert("a"));
        assert_eq!((seen.known.len(), seen.order.len()), (2, 2));
    }
}
