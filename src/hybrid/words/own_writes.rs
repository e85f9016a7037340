//! [`OwnWrites`]: which records this process has written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::collection::{WriteObserver, Written};

/// The most ids of own writes that are remembered. After more, all documents are read again.
const MAX_WRITTEN: usize = 10_000;

/// Which records this process has written since the last look.
#[derive(Debug, Default)]
pub(super) struct OwnWrites(Mutex<WrittenIds>);

#[derive(Debug, Default)]
pub(super) enum WrittenIds {
    #[default]
    None,
    /// The ids, and whether the record was deleted. If it exists again, it is a new one.
    Some(HashMap<String, bool>),
    /// Too many, or unknown ones.
    All,
}

impl WriteObserver for OwnWrites {
    fn written(&self, written: Written<'_>) {
        let (ids, is_deleted) = match written {
            Written::Ids(ids) => (ids, false),
            Written::Deleted(ids) => (ids, true),
            Written::Unknown => return *lock(&self.0) = WrittenIds::All,
        };
        self.add(ids.iter().map(|id| ((*id).to_owned(), is_deleted)));
    }
}

impl OwnWrites {
    /// Returns what was written, and forgets it.
    pub(super) fn take(&self) -> WrittenIds {
        std::mem::take(&mut *lock(&self.0))
    }

    /// Remembers writes that could not be looked at.
    pub(super) fn put_back(&self, own: WrittenIds) {
        match own {
            WrittenIds::None => {}
            WrittenIds::Some(ids) => self.add(ids),
            WrittenIds::All => self.written(Written::Unknown),
        }
    }

    fn add(&self, ids: impl IntoIterator<Item = (String, bool)>) {
        let mut all = lock(&self.0);
        let mut known = match std::mem::take(&mut *all) {
            WrittenIds::None => HashMap::new(),
            WrittenIds::Some(known) => known,
            WrittenIds::All => {
                *all = WrittenIds::All;
                return;
            }
        };
        for (id, is_deleted) in ids {
            *known.entry(id).or_default() |= is_deleted;
        }
        *all = if known.len() > MAX_WRITTEN {
            WrittenIds::All
        } else {
            WrittenIds::Some(known)
        };
    }
}

/// Locks a mutex. What a thread that panicked has left is used.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
