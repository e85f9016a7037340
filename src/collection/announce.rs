//! Tells observers what this process writes.

#[cfg(feature = "hybrid")]
use std::sync::Weak;

use super::Collection;
#[cfg(feature = "hybrid")]
use super::observer::WriteObserver;
use super::observer::Written;

impl Collection {
    /// Adds an observer of the writes through handles that share their settings with this one.
    #[cfg(feature = "hybrid")]
    pub(crate) fn on_write(&self, observer: Weak<dyn WriteObserver>) {
        self.inner.observers.add(observer);
    }

    /// Tells all observers what a request may have written. Calls `ids` only if there is an observer; `None`
    /// are unknown records.
    pub(super) fn announce<'a>(&self, ids: impl FnOnce() -> Option<Vec<&'a str>>) {
        let observers = self.inner.observers.living();
        if observers.is_empty() {
            return;
        }
        let ids = ids();
        for observer in observers {
            observer.written(match &ids {
                Some(ids) => Written::Ids(ids),
                None => Written::Unknown,
            });
        }
    }
}
