//! Where a scan is, and how it reads on.
//!
//! Servers know positions only, in the order in which records were added: what is deleted moves all that was added
//! later. So the scan goes from the end to the start, where that moves only what has come already. It lists ids by
//! position, a window of them at a time, and reads the records by id: a position costs a single-node server as much as
//! all records before it, an id costs next to nothing.
//!
//! A record that starts to pass the filter moves those behind it the other way, out of the next window. So each listing
//! reaches a little into the one before, and what is known from there is left out.

use std::collections::HashSet;

use super::{Scan, seen::Seen};
use crate::client::{chroma, operations as op};
use crate::collection::Collection;
use crate::collection::get::MAX_IDS;
use crate::collection::selection::Selection;
use crate::error::{Error, InvalidInput, Result};
use crate::model::filter::Where;
use crate::model::metadata::Metadata;
use crate::model::results::{GetResult, Include};
use crate::wire::write::FLOAT_LEN;

/// Records that Chroma Cloud gives at once.
const CLOUD_MOST: usize = 300;
/// Pages whose ids are listed at once.
const LISTED_PAGES: usize = 9;
/// Ids that are remembered.
const REMEMBERED: usize = 100_000;
/// Records in the first page, while their size is unknown.
const FIRST_PAGE: usize = 100;
/// What a page's answer should not exceed, in bytes of JSON.
const PAGE_BYTES: usize = 8 << 20;
/// How often a page is asked for again when records go while a single-node server looks at them.
const AGAIN: u32 = 5;

/// Reads one page after the other.
#[derive(Debug)]
pub(super) struct Reader {
    collection: Collection,
    filter: Option<Where>,
    include: Vec<Include>,
    /// Records per page at most, and at present.
    page_size: usize,
    page: usize,
    /// Ids per listing that are new, and those that it reaches back.
    window: usize,
    overlap: usize,
    /// Positions that are not listed yet; `None` at the start.
    below: Option<usize>,
    /// Ids that are listed and not read, the next one last.
    listed: Vec<String>,
    seen: Seen,
}

impl Reader {
    pub(super) fn new(scan: &Scan) -> Reader {
        let most = match scan.collection.client().is_cloud() {
            true => CLOUD_MOST,
            false => MAX_IDS,
        };
        let overlap = most / 10;
        let page_size = scan.page_size.clamp(1, most - overlap);
        Reader {
            // Its requests are no calls of the user's; an export says for itself how far it is.
            collection: scan.collection.without_progress(),
            filter: scan.filter.clone(),
            include: scan.include.clone(),
            page_size,
            page: page_size.min(FIRST_PAGE),
            window: (page_size * LISTED_PAGES).min(most - overlap),
            overlap,
            below: None,
            listed: Vec::new(),
            seen: Seen::new(REMEMBERED),
        }
    }

    /// The next page that is not empty, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<GetResult>> {
        loop {
            if !self.listed.is_empty() {
                let page = self.read()?;
                if !page.is_empty() {
                    return Ok(Some(page));
                }
            } else if !self.list_more()? {
                return Ok(None);
            }
        }
    }

    /// Lists the next window; whether there was one.
    fn list_more(&mut self) -> Result<bool> {
        let below = match self.below {
            Some(0) => return Ok(false),
            Some(below) => below,
            None => self.begin()?,
        };
        let offset = below.saturating_sub(self.window);
        if below > 0 {
            let ids = self.list(offset, below - offset + self.overlap)?;
            // Nothing there: many were deleted. Where is the end now?
            self.below = Some(match ids.is_empty() {
                true => self.end(0, offset)?,
                false => offset,
            });
            self.take(ids);
        }
        Ok(true)
    }

    /// Where to begin.
    fn begin(&mut self) -> Result<usize> {
        let below = match &self.filter {
            None => self.total()?,
            Some(filter) => {
                self.check(filter)?;
                let limit = self.window + self.overlap;
                let ids = self.list(0, limit)?;
                if ids.len() < limit {
                    // That is all of them.
                    self.take(ids);
                    0
                } else {
                    self.end(limit, self.total()?)?
                }
            }
        };
        self.below = Some(below);
        Ok(below)
    }

    /// A filter goes with each listing, and so do the ids that it names.
    fn check(&self, filter: &Where) -> Result<()> {
        let selection = Selection::default().filtered(filter.clone());
        let parts = self.collection.select(&op::GET, selection)?;
        match parts.and_then(|parts| parts.ids) {
            Some(ids) if ids.len() > MAX_IDS => {
                let value = format!("ids of {} records", ids.len());
                let why = format!("a scan's names {MAX_IDS} at most; get() takes any number");
                let name = "filter";
                let reason = InvalidInput::Setting { name, value, why };
                Err(self.collection.at(&op::GET).invalid(reason))
            }
            _ => Ok(()),
        }
    }

    /// The number of records, whether they pass the filter or not. Servers count in 32 bits.
    fn total(&self) -> Result<usize> {
        Ok(self.collection.count()?.min(u32::MAX as usize))
    }

    /// The first position behind all records, or a little more, where it is between `low` and `high`.
    fn end(&self, mut low: usize, mut high: usize) -> Result<usize> {
        while high.saturating_sub(low) > self.window {
            let middle = low + (high - low) / 2;
            match self.list(middle, 1)?.is_empty() {
                true => high = middle,
                false => low = middle,
            }
        }
        Ok(high.max(low))
    }

    fn list(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        let get = self.collection.get().include([]);
        let get = match &self.filter {
            Some(filter) => get.filter(filter.clone()),
            None => get,
        };
        let found = get.offset(offset).limit(limit).run()?;
        Ok(self.no_more_than(limit, found)?.ids)
    }

    fn take(&mut self, mut ids: Vec<String>) {
        ids.retain(|id| self.seen.insert(id));
        self.listed = ids;
    }

    /// Reads the next ids that are listed. Without the filter: for a filter and a thousand ids in one request, a
    /// single-node server takes ten seconds.
    fn read(&mut self) -> Result<GetResult> {
        let rest = self.listed.len() - self.page.min(self.listed.len());
        let ids = self.listed.split_off(rest);
        let mut page = match self.include.is_empty() {
            true => GetResult {
                ids,
                ..GetResult::default()
            },
            false => self.fetch(&ids)?,
        };
        page.reverse();
        if let Some(bytes) = bytes(&page).checked_div(page.len()) {
            self.page = (PAGE_BYTES / bytes.max(1)).clamp(1, self.page_size);
        }
        Ok(page)
    }

    fn fetch(&self, ids: &[String]) -> Result<GetResult> {
        let mut again = 0;
        loop {
            let get = self.collection.get().ids(ids);
            match get.include(self.include.iter().copied()).run() {
                Err(Error::NotFound { message, .. })
                    if message.contains(chroma::MISSING_RECORD) && again < AGAIN =>
                {
                    again += 1;
                }
                found => return self.no_others_than(ids, found?),
            }
        }
    }

    /// Each of the ids at most once, and no other.
    fn no_others_than(&self, ids: &[String], found: GetResult) -> Result<GetResult> {
        let mut asked: HashSet<&String> = ids.iter().collect();
        match found.ids.iter().find(|id| !asked.remove(id)) {
            Some(id) => Err(self.wrong(format!("{id:?} was not asked for, or comes twice"))),
            None => Ok(found),
        }
    }

    fn wrong(&self, message: String) -> Error {
        Error::Decode {
            call: Box::new(self.collection.at(&op::GET)),
            message,
        }
    }

    /// A server that gives more than it was asked for may give anything.
    fn no_more_than(&self, limit: usize, found: GetResult) -> Result<GetResult> {
        match found.len() {
            len if len > limit => Err(self.wrong(format!(
                "{len} records where at most {limit} were asked for"
            ))),
            _ => Ok(found),
        }
    }
}

/// About how large a page is in JSON.
fn bytes(page: &GetResult) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    fn reader(host: &str, page_size: usize) -> Reader {
        let builder = Client::builder().host(host).api_key("key");
        let client = builder.tenant("a").database("b").build().unwrap();
        let stored = serde_json::from_str(r#"{"id":"1","name":"notes"}"#).unwrap();
        let collection = Collection::new(client, stored, None);
        Reader::new(&collection.scan().page_size(page_size))
    }

    #[test]
    fn what_a_server_gives_at_once_is_not_passed() {
        let mut servers = vec![("localhost:8000", 10_000)];
        // It is https only.
        if cfg!(feature = "tls") {
            servers.push(("api.trychroma.com", 300));
        }
        for (host, most) in servers {
            for page_size in [0, 1, 33, 1_000, usize::MAX] {
                let reader = reader(host, page_size);
                let asked = reader.window + reader.overlap;
                assert!(asked <= most && reader.page_size <= reader.window);
                assert!(reader.page >= 1 && reader.overlap == most / 10);
            }
        }
    }
}
