//! [`ReadLevel`]: whether a search sees the latest writes.

use serde::{Deserialize, Serialize};

/// The records that a search can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReadLevel {
    /// All records. The server's default.
    #[default]
    IndexAndWal,
    /// Only indexed records. Faster, but without the latest writes.
    IndexOnly,
    /// Indexed records, and as many of the latest writes as the server reads in bounded time.
    IndexAndBoundedWal,
}

impl ReadLevel {
    /// Returns the name in Chroma's API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ReadLevel::IndexAndWal => "index_and_wal",
            ReadLevel::IndexOnly => "index_only",
            ReadLevel::IndexAndBoundedWal => "index_and_bounded_wal",
        }
    }
}
