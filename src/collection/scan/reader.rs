//! [`Reader`]: which requests a scan sends, and where it continues.
//!
//! Servers page by position only, in the order in which records were added. A deletion shifts all records
//! that were added later. So the scan goes from the last position to the first: a deletion then shifts only
//! records that have been returned already.
//!
//! It lists ids by position, one window at a time, and reads the records by id. A single-node server needs as
//! much time for a position as for all records before it, and almost none for an id.
//!
//! A record that starts to pass the filter shifts the records after it the other way, out of the next window.
//! So each listing overlaps the one before, and ids that were listed before are dropped.

use super::options::ScanOptions;
use super::page_reader::PageReader;
use super::recent_ids::RecentIds;
use crate::client::operations as op;
use crate::collection::Collection;
use crate::collection::selection::Selection;
use crate::error::{Error, InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::results::GetResult;

/// The number of pages whose ids are listed by one request.
const PAGES_PER_LISTING: usize = 9;
/// The number of ids that are remembered, to drop those that are listed again.
const REMEMBERED_IDS: usize = 100_000;
/// The scan fails after this many consecutive listings without a record. A few such listings may be correct:
/// other programs may have deleted the records in the meantime.
const MAX_WITHOUT_RECORD: u32 = 100;

/// Reads one page after the other.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    collection: Collection,
    filter: Option<Where>,
    records: PageReader,
    /// The number of new ids per listing.
    window: usize,
    /// The number of ids per listing that the listing before had as well.
    overlap: usize,
    /// All positions below this one have not been listed yet. `None` before the first listing.
    unlisted: Option<usize>,
    /// Ids that were listed and not read yet; the next one to read is the last one.
    listed: Vec<String>,
    recent: RecentIds,
    /// The number of listings since the last record.
    without_record: u32,
}

impl Reader {
    pub(super) fn new(collection: &Collection, options: &ScanOptions) -> Reader {
        let max_records = collection.limits().ids(&Parts::default());
        let overlap = max_records / 10;
        let max_page_size = options.page_size.clamp(1, max_records - overlap);
        // The caller did not make these requests one by one. An export reports its own progress.
        let collection = collection.without_progress();
        Reader {
            records: PageReader::new(&collection, options.include.clone(), max_page_size),
            collection,
            filter: options.filter.clone(),
            window: (max_page_size * PAGES_PER_LISTING).min(max_records - overlap),
            overlap,
            unlisted: None,
            listed: Vec::new(),
            recent: RecentIds::new(REMEMBERED_IDS),
            without_record: 0,
        }
    }

    /// Returns the next page that is not empty, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<GetResult>> {
        loop {
            if !self.listed.is_empty() {
                let page = self.read_page()?;
                if !page.is_empty() {
                    self.without_record = 0;
                    return Ok(Some(page));
                }
            } else if !self.list_next_window()? {
                return Ok(None);
            }
        }
    }

    /// Lists the next window of ids. Returns `false` if all positions have been listed.
    fn list_next_window(&mut self) -> Result<bool> {
        let unlisted = match self.unlisted {
            Some(0) => return Ok(false),
            Some(unlisted) => unlisted,
            None => self.begin()?,
        };
        let offset = unlisted.saturating_sub(self.window);
        if unlisted > 0 {
            if self.without_record == MAX_WITHOUT_RECORD {
                return Err(self.wrong_response(format!(
                    "the last {MAX_WITHOUT_RECORD} pages had no new entry; the server, or a proxy before it, \
                     ignores the offset"
                )));
            }
            let ids = self.list(offset, unlisted - offset + self.overlap)?;
            self.unlisted = Some(if ids.is_empty() {
                // Many records were deleted. Finds the last position again.
                self.find_end(0, offset)?
            } else {
                offset
            });
            self.queue(ids);
            self.without_record += 1;
        }
        Ok(true)
    }

    /// Finds the position to start from.
    fn begin(&mut self) -> Result<usize> {
        let start = match &self.filter {
            None => self.total()?,
            Some(filter) => {
                self.check_id_count(filter)?;
                let limit = self.window + self.overlap;
                let ids = self.list(0, limit)?;
                if ids.len() < limit {
                    // These are all records that pass the filter.
                    self.queue(ids);
                    0
                } else {
                    self.find_end(limit, self.total()?)?
                }
            }
        };
        self.unlisted = Some(start);
        Ok(start)
    }

    /// Refuses a filter that names too many ids. Each listing sends the filter, so its ids cannot be split
    /// over several requests.
    fn check_id_count(&self, filter: &Where) -> Result<()> {
        let selection = Selection::from_filter(filter.clone());
        let Some(parts) = self.collection.select(&op::GET, selection)? else {
            return Ok(());
        };
        let max = self.collection.max_ids(&parts);
        match parts.ids {
            Some(ids) if ids.len() > max => {
                let reason = InvalidInput::Setting {
                    name: "filter",
                    value: format!("a list of {} ids", ids.len()),
                    why: format!(
                        "the filter of a scan can list at most {max} ids; use get(), which takes any number"
                    ),
                };
                Err(self.collection.unsent_call(&op::GET).invalid(reason))
            }
            _ => Ok(()),
        }
    }

    /// Returns the number of records in the collection, whether they pass the filter or not. Positions are
    /// 32-bit numbers on servers.
    fn total(&self) -> Result<usize> {
        Ok(self.collection.count()?.min(u32::MAX as usize))
    }

    /// Finds a position after all records by bisection between `low` and `high`. It is at most one window too
    /// high.
    fn find_end(&self, mut low: usize, mut high: usize) -> Result<usize> {
        while high.saturating_sub(low) > self.window {
            let middle = low + (high - low) / 2;
            if self.list(middle, 1)?.is_empty() {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(high.max(low))
    }

    /// Lists ids by position.
    fn list(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        let get = self
            .collection
            .get()
            .include([])
            .filter(self.filter.clone());
        Ok(get.offset(offset).limit(limit).run()?.ids)
    }

    /// Queues the ids that are new to this scan.
    fn queue(&mut self, mut ids: Vec<String>) {
        ids.retain(|id| self.recent.insert(id));
        self.listed = ids;
    }

    /// Reads the records of the next listed ids, without the filter: a single-node server needs ten seconds
    /// for a request with a filter and a thousand ids.
    fn read_page(&mut self) -> Result<GetResult> {
        let rest = self.listed.len().saturating_sub(self.records.page_size());
        let ids = self.listed.split_off(rest);
        let mut page = self.records.read(ids)?;
        page.reverse();
        Ok(page)
    }

    fn wrong_response(&self, message: String) -> Error {
        Error::Decode {
            call: Box::new(self.collection.unsent_call(&op::GET)),
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::collection::embedding_functions::EmbeddingFunctions;

    fn reader(host: &str, page_size: usize) -> Reader {
        let builder = Client::builder().host(host).api_key("key");
        let client = builder.tenant("a").database("b").build().unwrap();
        let stored =
            serde_json::from_str(r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"notes"}"#)
                .unwrap();
        let collection = Collection::new(client, stored, EmbeddingFunctions::default());
        let options = ScanOptions {
            page_size,
            ..ScanOptions::default()
        };
        Reader::new(&collection, &options)
    }

    #[test]
    fn listings_stay_within_the_server_limit() {
        let mut servers = vec![("localhost:8000", 10_000)];
        // Chroma Cloud is available over https only.
        if cfg!(feature = "tls") {
            servers.push(("api.trychroma.com", 300));
        }
        for (host, max) in servers {
            for page_size in [0, 1, 33, 1_000, usize::MAX] {
                let reader = reader(host, page_size);
                assert!(reader.window + reader.overlap <= max);
                assert!(reader.records.page_size() <= reader.window);
                assert!(reader.records.page_size() >= 1 && reader.overlap == max / 10);
            }
        }
    }
}
