//! Stamps: when a record was written, in its metadata.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Collection;
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

    /// Returns the stamp of a request that is sent now: microseconds since 1970.
    pub(super) fn stamp(&self) -> Option<i64> {
        if !self.stamps.writes {
            return None;
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Some(since_1970.map_or(0, |duration| duration.as_micros() as i64))
    }

    /// Removes the stamps from metadata that the server returned.
    pub(super) fn hide_stamps<'a>(&self, metadatas: impl IntoIterator<Item = &'a mut Metadata>) {
        if self.hides_stamps() {
            for metadata in metadatas {
                metadata.remove(STAMP);
            }
        }
    }

    /// Whether this handle leaves stamps out of what it returns.
    pub(crate) fn hides_stamps(&self) -> bool {
        self.stamps.writes && !self.stamps.are_shown
    }
}
