//! [`Source`]: where the records of a transfer come from. [`CollectionSource`]: a collection.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::checkpoint::Saved;
use super::ids::{IDS_PER_LINE, IdList};
use crate::collection::{Collection, PageReader};
use crate::error::{Call, Error, Result};
use crate::model::filter::Where;
use crate::model::record::Record;
use crate::model::results::{GetResult, Include};

/// A part of the records of a source.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The records, in the order in which they were added.
    pub(super) records: Vec<Record>,
    /// The position in the source after these records.
    pub(super) end: u64,
}

/// The pages of a source.
pub(super) type Pages<'s> = Box<dyn Iterator<Item = Result<Page>> + 's>;

/// Ids in groups.
pub(super) type IdGroups<'s> = Box<dyn Iterator<Item = Result<Vec<String>>> + 's>;

/// Where the records of a transfer come from.
pub(super) trait Source {
    /// Returns the number of positions. Records that were deleted since the start also have a position.
    fn len(&self) -> u64;

    /// Returns the records after the first `from` positions.
    fn pages(&self, from: u64) -> Result<Pages<'_>>;

    /// Returns those of the ids that the source does not have.
    fn missing(&self, ids: Vec<String>) -> Result<Vec<String>>;

    /// Reads again which records exist, because some may have been added or deleted.
    fn refresh(&mut self) -> Result<()>;

    /// Returns the ids of the records that existed at the start and before the last refresh, in groups. Only
    /// needed if records can be deleted from the source.
    fn listed_before(&self) -> IdGroups<'_> {
        Box::new(std::iter::empty())
    }

    /// Whether the ids that an earlier run has listed are lost.
    fn has_lost_ids(&self) -> bool {
        false
    }
}

/// A collection, or the records of it that pass a filter.
#[derive(Debug)]
pub(super) struct CollectionSource {
    collection: Collection,
    filter: Option<Where>,
    include: Vec<Include>,
    /// The ids at the start of the transfer.
    start: IdList,
    /// Whether an earlier run has listed other ids.
    has_lost_ids: bool,
    /// The ids of the refresh before the last one.
    previous: Option<IdList>,
    /// The ids of the last refresh.
    current: Option<IdList>,
    /// Whether the ids have just been listed.
    is_fresh: Cell<bool>,
}

impl CollectionSource {
    /// Lists the records, or opens the list of an earlier run. Returns the position to continue from as well.
    pub(super) fn open(
        collection: &Collection,
        filter: Option<Where>,
        saved: Option<&mut Saved>,
    ) -> Result<(CollectionSource, u64)> {
        let had_list = saved
            .as_ref()
            .is_some_and(|saved| saved.progressed.list.is_some());
        let include = vec![
            Include::Documents,
            Include::Metadatas,
            Include::Uris,
            Include::Embeddings,
        ];
        let (start, from, is_fresh) = start(collection, filter.as_ref(), saved)?;
        let source = CollectionSource {
            collection: collection.clone(),
            filter,
            include,
            start,
            has_lost_ids: had_list && is_fresh,
            previous: None,
            current: None,
            is_fresh: Cell::new(is_fresh),
        };
        Ok((source, from))
    }

    fn ids(&self) -> &IdList {
        self.current.as_ref().unwrap_or(&self.start)
    }

    /// Reads the records without their vectors.
    pub(super) fn without_embeddings(mut self) -> CollectionSource {
        self.include.retain(|column| *column != Include::Embeddings);
        self
    }

    /// Removes the list of ids, because the transfer is complete.
    pub(super) fn close(self) {
        self.start.remove();
    }
}

/// Returns the list of ids to start with, the position to continue from, and whether the list is new.
fn start(
    collection: &Collection,
    filter: Option<&Where>,
    saved: Option<&mut Saved>,
) -> Result<(IdList, u64, bool)> {
    let Some(saved) = saved else {
        return Ok((list(collection, filter, None)?, 0, true));
    };
    let key = saved.progressed.list;
    let earlier = key.map(|key| IdList::open(&saved.ids, key)).transpose()?;
    if let Some(earlier) = earlier.flatten() {
        return Ok((earlier, saved.progressed.done, false));
    }
    let new = list(collection, filter, Some(&saved.ids))?;
    saved.change(|progressed| {
        progressed.list = Some(new.key());
        progressed.done = 0;
    })?;
    Ok((new, 0, true))
}

fn list(collection: &Collection, filter: Option<&Where>, path: Option<&Path>) -> Result<IdList> {
    let scan = collection.scan().include([]).page_size(IDS_PER_LINE);
    IdList::write(path, scan.filter(filter.cloned()).pages())
}

impl Source for CollectionSource {
    fn len(&self) -> u64 {
        self.ids().len()
    }

    fn pages(&self, from: u64) -> Result<Pages<'_>> {
        self.is_fresh.set(false);
        let reader = self
            .collection
            .page_reader(self.include.clone(), IDS_PER_LINE);
        Ok(Box::new(ListedPages {
            groups: Box::new(self.ids().groups(from)),
            listed: Vec::new(),
            reader,
            has_vectors: self.include.contains(&Include::Embeddings),
            end: from,
        }))
    }

    fn missing(&self, ids: Vec<String>) -> Result<Vec<String>> {
        let get = self.collection.get().ids(&ids).filter(self.filter.clone());
        let found: HashSet<String> = get.include([]).run()?.ids.into_iter().collect();
        let mut missing = ids;
        missing.retain(|id| !found.contains(id));
        Ok(missing)
    }

    fn refresh(&mut self) -> Result<()> {
        if !self.is_fresh.replace(true) {
            // The list of the checkpoint stays, since the checkpoint counts its ids.
            let refreshed = list(&self.collection, self.filter.as_ref(), None)?;
            self.previous = self.current.replace(refreshed);
        }
        Ok(())
    }

    fn listed_before(&self) -> IdGroups<'_> {
        let previous = self.previous.iter().flat_map(|list| list.groups(0));
        Box::new(self.start.groups(0).chain(previous))
    }

    fn has_lost_ids(&self) -> bool {
        self.has_lost_ids
    }
}

/// Reads the records of a list of ids.
struct ListedPages<'s> {
    groups: IdGroups<'s>,
    /// Ids that were listed and not read yet; the next one is the last one.
    listed: Vec<String>,
    reader: PageReader,
    /// Whether the records are read with their vectors.
    has_vectors: bool,
    end: u64,
}

impl ListedPages<'_> {
    fn read(&mut self) -> Result<Option<Page>> {
        if self.listed.is_empty() {
            match self.groups.next().transpose()? {
                Some(group) => self.listed = group,
                None => return Ok(None),
            }
            self.listed.reverse();
        }
        let rest = self.listed.len().saturating_sub(self.reader.page_size());
        let mut ids = self.listed.split_off(rest);
        ids.reverse();
        self.end += ids.len() as u64;
        let found = self.reader.read(ids.clone())?;
        if self.has_vectors && found.embeddings.is_none() && !found.ids.is_empty() {
            let message = "the server returned no vectors, although they were requested".to_owned();
            let call = Box::new(Call::new("get", None));
            return Err(Error::Decode { call, message });
        }
        Ok(Some(Page {
            records: in_order(found, &ids),
            end: self.end,
        }))
    }
}

impl Iterator for ListedPages<'_> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.read().transpose()
    }
}

/// Returns the records in the order of the ids.
fn in_order(found: GetResult, ids: &[String]) -> Vec<Record> {
    let positions: HashMap<&str, usize> = ids.iter().map(String::as_str).zip(0..).collect();
    let mut records: Vec<Record> = found.into_iter().collect();
    records.sort_by_key(|record| positions.get(record.id.as_str()).copied());
    records
}
