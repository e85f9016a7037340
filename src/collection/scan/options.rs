//! [`ScanOptions`]: which records a scan reads, and how many at a time.

use crate::model::filter::Where;
use crate::model::results::Include;

/// Records per page unless the caller sets another number.
const DEFAULT_PAGE_SIZE: usize = 1_000;

/// The options of a scan that its requests depend on.
#[derive(Debug, Clone)]
pub(super) struct ScanOptions {
    pub(super) filter: Option<Where>,
    pub(super) include: Vec<Include>,
    /// The maximum number of records per page, as the caller set it: not clamped yet.
    pub(super) page_size: usize,
}

impl Default for ScanOptions {
    fn default() -> ScanOptions {
        ScanOptions {
            filter: None,
            include: vec![Include::Documents, Include::Metadatas],
            page_size: DEFAULT_PAGE_SIZE,
        }
    }
}
