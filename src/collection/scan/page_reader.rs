//! [`PageReader`]: reads records by id, as many at a time as fit into a response of a few megabytes.

use crate::collection::Collection;
use crate::collection::retry::retry_if_record_gone;
use crate::error::Result;
use crate::model::metadata::Metadata;
use crate::model::results::{GetResult, Include};
use crate::wire::write::FLOAT_LEN;

/// The number of records in the first page, when their size is not known yet.
const FIRST_PAGE_SIZE: usize = 100;
/// The target size of a page's response, in bytes of JSON.
const TARGET_PAGE_BYTES: usize = 8 << 20;

/// Reads records by id, and chooses the size of each page from the size of the previous one.
#[derive(Debug, Clone)]
pub(crate) struct PageReader {
    collection: Collection,
    include: Vec<Include>,
    max_page_size: usize,
    page_size: usize,
}

impl PageReader {
    pub(super) fn new(
        collection: &Collection,
        include: Vec<Include>,
        max_page_size: usize,
    ) -> PageReader {
        PageReader {
            collection: collection.clone(),
            include,
            max_page_size,
            page_size: max_page_size.min(FIRST_PAGE_SIZE),
        }
    }

    /// Returns the number of ids to read next.
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Reads the records with these ids that exist, in the order of the server. If only ids are included, no
    /// request is sent.
    pub(crate) fn read(&mut self, ids: Vec<String>) -> Result<GetResult> {
        let page = if self.include.is_empty() {
            GetResult {
                ids,
                ..GetResult::default()
            }
        } else {
            self.fetch(&ids)?
        };
        if let Some(bytes) = json_bytes(&page).checked_div(page.len()) {
            self.page_size = (TARGET_PAGE_BYTES / bytes.max(1)).clamp(1, self.max_page_size);
        }
        Ok(page)
    }

    fn fetch(&self, ids: &[String]) -> Result<GetResult> {
        retry_if_record_gone(|_| {
            let get = self.collection.get().ids(ids);
            get.include(self.include.iter().copied()).run()
        })
    }
}

/// Estimates the size of a page in JSON.
fn json_bytes(page: &GetResult) -> usize {
    let texts = |column: &Option<Vec<Option<String>>>| {
        let column = column.iter().flatten().flatten();
        column.map(String::len).sum::<usize>()
    };
    let metadatas = page.metadatas.iter().flatten();
    let floats = page
        .embeddings
        .as_ref()
        .map_or(0, |all| all.as_flat().len());
    page.ids.iter().map(String::len).sum::<usize>()
        + texts(&page.documents)
        + texts(&page.uris)
        + metadatas.map(Metadata::json_len).sum::<usize>()
        + floats * FLOAT_LEN
}
