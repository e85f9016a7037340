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
        self.tell_observers(ids, |ids| Written::Ids(ids));
    }

    /// Does the same for records that were deleted.
    pub(super) fn announce_deleted<'a>(&self, ids: impl FnOnce() -> Option<Vec<&'a str>>) {
        self.tell_observers(ids, |ids| Written::Deleted(ids));
    }

    fn tell_observers<'a>(
        &self,
        ids: impl FnOnce() -> Option<Vec<&'a str>>,
        written: for<'b> fn(&'b [&'b str]) -> Written<'b>,
    ) {
        let observers = self.inner.observers.living();
        if observers.is_empty() {
            return;
        }
        let ids = ids();
        for observer in observers {
            observer.written(ids.as_deref().map_or(Written::Unknown, written));
        }
    }
}
