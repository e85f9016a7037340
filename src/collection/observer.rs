//! [`WriteObserver`]: learns which records this process writes.

// Only the feature has observers.
#![cfg_attr(not(feature = "hybrid"), allow(dead_code))]

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Learns which records are written through handles that share their settings.
pub(crate) trait WriteObserver: Send + Sync {
    /// Called after each request that has written, or may have written although it failed.
    fn written(&self, written: Written<'_>);
}

/// The records that a request may have written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Written<'a> {
    /// Records with these ids.
    Ids(&'a [&'a str]),
    /// Records with these ids, which were deleted.
    Deleted(&'a [&'a str]),
    /// Deleted records whose ids are not known.
    Unknown,
}

/// The observers of a collection. They are not kept alive.
#[derive(Default)]
pub(super) struct Observers(Mutex<Vec<Weak<dyn WriteObserver>>>);

impl Observers {
    #[cfg(feature = "hybrid")]
    pub(super) fn add(&self, observer: Weak<dyn WriteObserver>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|observer| observer.strong_count() > 0);
        all.push(observer);
    }

    /// Returns those that still exist.
    pub(super) fn living(&self) -> Vec<Arc<dyn WriteObserver>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return Vec::new();
        }
        all.retain(|observer| observer.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }
}
