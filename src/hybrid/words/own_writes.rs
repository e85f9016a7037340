//! [`OwnWrites`]: which records this process has written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::collection::{WriteObserver, Written};

/// The most ids of own writes that are remembered.
const MAX_IDS: usize = 10_000;

/// The records that this process has written since the last look.
#[derive(Debug, Default)]
pub(super) struct OwnWrites(Mutex<WrittenRecords>);

/// Records that were written.
#[derive(Debug, Default)]
pub(super) struct WrittenRecords {
    /// The ids, and whether the record was deleted. If it exists again, it is a new one.
    pub(super) ids: HashMap<String, bool>,
    /// Whether there were more ids.
    pub(super) has_more: bool,
    /// Whether records were deleted whose ids are not known.
    pub(super) has_deleted: bool,
}

impl WriteObserver for OwnWrites {
    fn written(&self, written: Written<'_>) {
        let mut all = lock(&self.0);
        let (ids, is_deleted) = match written {
            Written::Ids(ids) => (ids, false),
            Written::Deleted(ids) => (ids, true),
            Written::Unknown => {
                all.has_deleted = true;
                return;
            }
        };
        all.add(ids.iter().map(|id| ((*id).to_owned(), is_deleted)));
    }
}

impl OwnWrites {
    /// Returns what was written, and forgets it.
    pub(super) fn take(&self) -> WrittenRecords {
        std::mem::take(&mut *lock(&self.0))
    }

    /// Remembers writes that could not be looked at.
    pub(super) fn put_back(&self, own: WrittenRecords) {
        let mut all = lock(&self.0);
        all.has_more |= own.has_more;
        all.has_deleted |= own.has_deleted;
        all.add(own.ids);
    }
}

impl WrittenRecords {
    fn add(&mut self, ids: impl IntoIterator<Item = (String, bool)>) {
        for (id, is_deleted) in ids {
            if self.has_more {
                return;
            }
            *self.ids.entry(id).or_default() |= is_deleted;
            self.has_more = self.ids.len() > MAX_IDS;
        }
    }
}

/// Locks a mutex. What a thread that panicked has left is used.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_up_to_a_bound() {
        let own = OwnWrites::default();
        own.written(Written::Ids(&["a", "b"]));
        own.written(Written::Deleted(&["b"]));
        let taken = own.take();
        assert_eq!(
            taken.ids,
            HashMap::from([("a".to_owned(), false), ("b".to_owned(), true)])
        );
        assert!(!taken.has_more && !taken.has_deleted);
        own.written(Written::Unknown);
        own.put_back(taken);
        let ids: Vec<String> = (0..=MAX_IDS).map(|id| id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        own.written(Written::Ids(&ids));
        let taken = own.take();
        assert!(taken.has_more && taken.has_deleted && taken.ids.contains_key("b"));
        assert_eq!(own.take().ids.len(), 0);
    }
}
