//! [`Source`]: where the records of a transfer come from. [`CollectionSource`]: a collection.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::ids::{IDS_PER_LINE, IdList};
use super::texts::{has_text, without_text};
use crate::collection::{Collection, PageReader};
use crate::error::{Call, Error, Result};
use crate::model::filter::Where;
use crate::model::record::Record;
use crate::model::results::Include;

/// A part of the records of a source.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The records, in the order in which they were added.
    pub(super) records: Vec<Record>,
    /// The number of records that were not returned because the target has them.
    pub(super) left_out: u64,
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

    /// Returns the records. Those whose ids `target` has are left out.
    fn pages<'s>(&'s self, target: Option<&'s Collection>) -> Result<Pages<'s>>;

    /// Returns those of the ids that the source does not have.
    fn missing(&self, ids: Vec<String>) -> Result<Vec<String>>;

    /// Reads again which records exist, because some may have been added or deleted.
    fn refresh(&mut self) -> Result<()>;

    /// Returns the ids of the records that existed at the start and before the last refresh, in groups. Only
    /// needed if records can be deleted from the source.
    fn listed_before(&self) -> IdGroups<'_> {
        Box::new(std::iter::empty())
    }

    /// Returns how many records the last pass has left out because they have no text to embed.
    fn without_document(&self) -> u64 {
        0
    }
}

/// Which records of a collection count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// All records, with their vectors.
    Any,
    /// All records, without their vectors. One without a text is an error.
    Required,
    /// Those that have a text, without their vectors.
    Only,
}

/// A collection, or the records of it that pass a filter.
#[derive(Debug)]
pub(super) struct CollectionSource {
    collection: Collection,
    filter: Option<Where>,
    texts: Texts,
    /// The ids at the start of the transfer.
    start: IdList,
    /// The ids of the refresh before the last one.
    previous: Option<IdList>,
    /// The ids of the last refresh.
    current: Option<IdList>,
    /// Whether the ids have just been listed.
    is_fresh: Cell<bool>,
    without_document: Cell<u64>,
}

impl CollectionSource {
    /// Lists the records.
    pub(super) fn open(
        collection: Collection,
        filter: Option<Where>,
        texts: Texts,
    ) -> Result<CollectionSource> {
        Ok(CollectionSource {
            start: list(&collection, filter.as_ref())?,
            // The target has its own.
            collection: collection.hiding_stamps(),
            filter,
            texts,
            previous: None,
            current: None,
            is_fresh: Cell::new(true),
            without_document: Cell::new(0),
        })
    }

    fn ids(&self) -> &IdList {
        self.current.as_ref().unwrap_or(&self.start)
    }

    /// Leaves out the records without a text if they do not count.
    fn select(&self, records: &mut Vec<Record>) -> Result<()> {
        if self.texts == Texts::Any {
            return Ok(());
        }
        let (before, mut without) = (records.len(), Vec::new());
        records.retain(|record| {
            let is_kept = has_text(record.document.as_deref());
            if !is_kept {
                without.push(record.id.clone());
            }
            is_kept
        });
        let count = without.len() as u64;
        if count > 0 && self.texts == Texts::Required {
            return Err(without_text(
                &self.collection,
                (count, before as u64),
                &without,
            ));
        }
        self.without_document
            .set(self.without_document.get() + count);
        Ok(())
    }
}

fn list(collection: &Collection, filter: Option<&Where>) -> Result<IdList> {
    let scan = collection.scan().include([]).page_size(IDS_PER_LINE);
    IdList::write(scan.filter(filter.cloned()).pages())
}

/// Returns those of the ids that a collection does not have.
pub(super) fn missing(
    collection: &Collection,
    filter: Option<&Where>,
    mut ids: Vec<String>,
) -> Result<Vec<String>> {
    let get = collection.get().ids(&ids).filter(filter.cloned());
    let found: HashSet<String> = get.include([]).run()?.ids.into_iter().collect();
    ids.retain(|id| !found.contains(id));
    Ok(ids)
}

impl Source for CollectionSource {
    fn len(&self) -> u64 {
        self.ids().len()
    }

    fn pages<'s>(&'s self, target: Option<&'s Collection>) -> Result<Pages<'s>> {
        self.is_fresh.set(false);
        self.without_document.set(0);
        let mut include = vec![Include::Documents, Include::Metadatas, Include::Uris];
        if self.texts == Texts::Any {
            include.push(Include::Embeddings);
        }
        Ok(Box::new(ListedPages {
            source: self,
            target,
            groups: Box::new(self.ids().groups()),
            listed: Vec::new(),
            reader: self.collection.page_reader(include, IDS_PER_LINE),
            end: 0,
        }))
    }

    fn missing(&self, ids: Vec<String>) -> Result<Vec<String>> {
        if self.texts != Texts::Only {
            return missing(&self.collection, self.filter.as_ref(), ids);
        }
        // Records whose text was removed count as missing.
        let documents = vec![Include::Documents];
        let mut reader = self.collection.page_reader(documents, IDS_PER_LINE);
        let mut found = HashSet::new();
        let mut rest = ids.as_slice();
        while !rest.is_empty() {
            let (page, after) = rest.split_at(reader.page_size().min(rest.len()));
            let records = reader.read(page.to_vec())?.into_iter();
            let with_text = records.filter(|record: &Record| has_text(record.document.as_deref()));
            found.extend(with_text.map(|record| record.id));
            rest = after;
        }
        let mut missing = ids;
        missing.retain(|id| !found.contains(id));
        Ok(missing)
    }

    fn refresh(&mut self) -> Result<()> {
        if !self.is_fresh.replace(true) {
            let refreshed = list(&self.collection, self.filter.as_ref())?;
            self.previous = self.current.replace(refreshed);
        }
        Ok(())
    }

    fn listed_before(&self) -> IdGroups<'_> {
        let previous = self.previous.iter().flat_map(IdList::groups);
        Box::new(self.start.groups().chain(previous))
    }

    fn without_document(&self) -> u64 {
        self.without_document.get()
    }
}

/// Reads the records of a list of ids.
struct ListedPages<'s> {
    source: &'s CollectionSource,
    /// The collection whose records are left out.
    target: Option<&'s Collection>,
    groups: IdGroups<'s>,
    /// Ids that were listed and not read yet; the next one is the last one.
    listed: Vec<String>,
    reader: PageReader,
    end: u64,
}

impl ListedPages<'_> {
    fn read(&mut self) -> Result<Option<Page>> {
        let mut left_out = 0;
        if self.listed.is_empty() {
            let Some(group) = self.groups.next().transpose()? else {
                return Ok(None);
            };
            let count = group.len();
            self.listed = match self.target {
                Some(target) => missing(target, None, group)?,
                None => group,
            };
            self.listed.reverse();
            left_out = (count - self.listed.len()) as u64;
        }
        let rest = self.listed.len().saturating_sub(self.reader.page_size());
        let mut ids = self.listed.split_off(rest);
        ids.reverse();
        self.end += left_out + ids.len() as u64;
        let mut records = self.records(ids)?;
        self.source.select(&mut records)?;
        Ok(Some(Page {
            records,
            left_out,
            end: self.end,
        }))
    }

    /// Reads the records with these ids, in the order of the ids.
    fn records(&mut self, ids: Vec<String>) -> Result<Vec<Record>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.reader.read(ids.clone())?;
        let needs_vectors = self.source.texts == Texts::Any && !found.ids.is_empty();
        if needs_vectors && found.embeddings.is_none() {
            let message = "the server returned no vectors, although they were requested".to_owned();
            let call = Box::new(Call::new("get", None));
            return Err(Error::Decode { call, message });
        }
        let positions: HashMap<&str, usize> = ids.iter().map(String::as_str).zip(0..).collect();
        let mut records: Vec<Record> = found.into_iter().collect();
        records.sort_by_key(|record| positions.get(record.id.as_str()).copied());
        Ok(records)
    }
}

impl Iterator for ListedPages<'_> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.read().transpose()
    }
}
