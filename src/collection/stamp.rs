//! Stamps: when a record was written, in its metadata.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Collection;
use super::handle::Stamps;
use crate::model::metadata::Metadata;
pub use crate::model::metadata::STAMP;

impl Collection {
    /// Whether writes through this handle [stamp](crate::collection::CollectionBuilder::stamp_writes)
    /// records.
    pub fn stamps_writes(&self) -> bool {
        self.stamps.writes
    }

    /// Returns the same collection, whose calls return stamps.
    #[cfg(feature = "hybrid")]
    pub(crate) fn showing_stamps(&self) -> Collection {
        let mut shown = self.clone();
        shown.stamps.are_shown = true;
        shown
    }

    /// Removes the stamps from metadata that the server returned.
    pub(crate) fn hide_stamps<'a>(&self, metadatas: impl IntoIterator<Item = &'a mut Metadata>) {
        if self.hides_stamps() {
            for metadata in metadatas {
                metadata.remove(STAMP);
            }
        }
    }

    /// Whether this handle leaves stamps out of what it returns.
    fn hides_stamps(&self) -> bool {
        self.stamps.writes && !self.stamps.are_shown
    }

    /// Returns the same collection with the settings of another handle, in addition to those in its metadata.
    pub(super) fn with_stamps(mut self, stamps: Stamps) -> Collection {
        self.stamps.writes |= stamps.writes;
        self.stamps.are_shown = stamps.are_shown;
        self
    }

    /// Returns the same collection, whose calls return no stamps, for records that are written again.
    pub(crate) fn hiding_stamps(&self) -> Collection {
        let mut hidden = self.clone();
        hidden.stamps.are_shown = false;
        hidden
    }
}

/// Returns the time as a stamp: microseconds since 1970, by the clock of this machine.
pub(crate) fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |duration| duration.as_micros() as i64)
}
