//! [`OwnWrites`]: which records this process has written.

use std::collections::HashSet;
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
    Some(HashSet<String>),
    /// Too many, or unknown ones.
    All,
}

impl WriteObserver for OwnWrites {
    fn written(&self, written: Written<'_>) {
        let mut all = lock(&self.0);
        let Written::Ids(ids) = written else {
            *all = WrittenIds::All;
            return;
        };
        let mut known = match std::mem::take(&mut *all) {
            WrittenIds::None => HashSet::new(),
            WrittenIds::Some(known) => known,
            WrittenIds::All => {
                *all = WrittenIds::All;
                return;
            }
        };
        known.extend(ids.iter().map(|id| (*id).to_owned()));
        *all = if known.len() > MAX_WRITTEN {
            WrittenIds::All
        } else {
            WrittenIds::Some(known)
        };
    }
}

impl OwnWrites {
    /// Returns what was written, and forgets it.
    pub(super) fn take(&self) -> WrittenIds {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl OwnWrites {
    pub(super) fn clear(&self) {
        self.take();
    }

    /// Remembers writes that could not be looked at.
    pub(super) fn put_back(&self, own: WrittenIds) {
        match own {
            WrittenIds::None => {}
            WrittenIds::Some(ids) => {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.written(Written::Ids(&ids));
            }
            WrittenIds::All => self.written(Written::Unknown),
        }
    }
}

/// Locks a mutex. What a thread that panicked has left is used.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
