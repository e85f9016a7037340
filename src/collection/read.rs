//! [`Read`]: reads records in as many requests as the server's limits require.

use std::collections::HashSet;

use super::Collection;
use super::batches::{self, Batches};
use super::limits::Limits;
use super::retry::retry_if_record_gone;
use crate::client::operations as op;
use crate::error::Result;
use crate::model::filter::{Parts, Where};
use crate::model::results::{GetResult, Include};
use crate::wire::read;
use crate::wire::requested::Requested;
use crate::wire::write::{self, Page};

/// A read that has started: its options, and the records found so far.
pub(super) struct Read<'a> {
    collection: &'a Collection,
    limits: Limits,
    include: &'a [Include],
    page: &'a Page,
    found: GetResult,
}

impl<'a> Read<'a> {
    pub(super) fn new(
        collection: &'a Collection,
        include: &'a [Include],
        page: &'a Page,
    ) -> Read<'a> {
        Read {
            collection,
            limits: collection.limits(),
            include,
            page,
            found: GetResult::empty(include),
        }
    }

    pub(super) fn finish(self) -> GetResult {
        self.found
    }

    /// Reads the selected records.
    pub(super) fn run(&mut self, mut parts: Parts) -> Result<()> {
        let ids = parts.ids.take().map(without_repeated);
        match ids {
            Some(ids) if !self.page.is_set() => self.read_ids(parts, ids),
            Some(ids) => {
                parts.ids = Some(ids);
                let why = "with a limit or an offset";
                self.collection.check_id_count(&op::GET, &parts, why)?;
                self.append(&parts, self.page)
            }
            None => self.read_pages(&parts),
        }
    }

    /// Sends one request, and appends the records.
    fn append(&mut self, parts: &Parts, page: &Page) -> Result<()> {
        let found = &mut self.found;
        let body = write::selection(parts, page, Some(self.include));
        let requested = Requested::new(parts.ids.as_deref(), page.limit);
        let request = self.collection.request(&op::GET).body(&body);
        request
            .send(|answer| {
                let mut page = read::get(answer, &requested)?;
                self.collection
                    .hide_stamps(page.metadatas.iter_mut().flatten());
                found.append(page)
            })
            .map_err(|error| self.collection.explain_refusal(parts, error))
    }

    /// Reads records by id.
    fn read_ids(&mut self, mut parts: Parts, ids: Vec<String>) -> Result<()> {
        self.in_batches(&parts, &ids)
            .send(self.collection, |range, _| {
                parts.ids = Some(ids[range].to_vec());
                self.append(&parts, &Page::default())
            })?;
        Ok(())
    }

    /// Returns the requests for these ids.
    fn in_batches<'b>(
        &self,
        parts: &Parts,
        ids: &'b [String],
    ) -> Batches<impl Fn(usize) -> usize + use<'b>> {
        let overhead = write::selection(parts, self.page, Some(self.include)).len();
        batches::of_ids(&op::GET, ids, overhead, self.limits.ids(parts))
    }

    /// Reads the first records. If there are more than a request returns, lists the ids of all, and reads the
    /// others by id. So a write in between cannot shift a record from one request to another.
    fn read_pages(&mut self, parts: &Parts) -> Result<()> {
        let before = self.found.len();
        let wanted = self.page.limit.unwrap_or(usize::MAX);
        let max = self.limits.records(self.include, self.page.limit);
        let Some(max) = max.filter(|max| *max < wanted) else {
            return self.append(parts, self.page);
        };
        let first = Page {
            limit: Some(max),
            offset: self.page.offset,
        };
        self.append(parts, &first)?;
        let read = self.found.len() - before;
        if read < max {
            return Ok(());
        }
        let mut ids = self.list(parts)?;
        let seen: HashSet<&String> = self.found.ids.iter().collect();
        ids.retain(|id| !seen.contains(id));
        ids.truncate(wanted.saturating_sub(read));
        self.read_others(&ids)
    }

    /// Lists the ids of the selected records, in the order in which they were added.
    fn list(&self, parts: &Parts) -> Result<Vec<String>> {
        if self.limits != Limits::Cloud {
            let mut listing = Read::new(self.collection, &[], self.page);
            listing.append(parts, self.page)?;
            return Ok(listing.finish().ids);
        }
        // Chroma Cloud limits lists of ids as well.
        let mut ids = Vec::new();
        let filters = [&parts.fields, &parts.documents].into_iter().flatten();
        let filter = Where::all(filters.cloned());
        let scan = self.collection.scan().filter(filter).include([]);
        for page in scan.pages() {
            ids.extend(page?.ids);
        }
        ids.reverse();
        Ok(ids.split_off(self.page.offset.unwrap_or(0).min(ids.len())))
    }

    /// Reads the records with these ids that have not been deleted since they were listed.
    fn read_others(&mut self, ids: &[String]) -> Result<()> {
        let mut parts = Parts::default();
        let batches = self.in_batches(&parts, ids);
        // A read without ids reports no progress.
        batches.send(&self.collection.without_progress(), |range, _| {
            parts.ids = Some(ids[range].to_vec());
            retry_if_record_gone(|_| self.append(&parts, &Page::default()))
        })?;
        Ok(())
    }
}

/// Removes ids that occur earlier in the list.
pub(super) fn without_repeated(mut ids: Vec<String>) -> Vec<String> {
    let is_first: Vec<bool> = {
        let mut seen = HashSet::with_capacity(ids.len());
        ids.iter().map(|id| seen.insert(id)).collect()
    };
    let mut is_first = is_first.into_iter();
    ids.retain(|_| is_first.next() == Some(true));
    ids
}
