//! [`BackupSource`]: the records of a collection in a backup, as the source of a transfer.

use std::cell::OnceCell;
use std::ops::Range;
use std::vec;

use super::folder::Folder;
use crate::error::Result;
use crate::ingest::hash::id_hash;
use crate::model::record::Record;
use crate::transfer::source::{Page, Pages, Source};

/// The most records in a page.
const PAGE_SIZE: usize = 500;

/// A collection in a backup. Its files are checked again whenever they are read.
#[derive(Debug)]
pub(super) struct BackupSource<'f> {
    folder: &'f Folder,
    /// The place of the collection in the manifest.
    number: usize,
    /// The sorted hashes of all ids, once they are needed.
    ids: OnceCell<Vec<u64>>,
}

impl<'f> BackupSource<'f> {
    pub(super) fn new(folder: &'f Folder, number: usize) -> BackupSource<'f> {
        BackupSource {
            folder,
            number,
            ids: OnceCell::new(),
        }
    }

    fn parts(&self) -> Range<usize> {
        0..self.folder.manifest.collections[self.number].parts.len()
    }

    fn list_ids(&self) -> Result<Vec<u64>> {
        let mut ids = Vec::new();
        for part in self.parts() {
            let records = self.folder.read_part(self.number, part)?;
            ids.extend(records.iter().map(|record| id_hash(&record.id)));
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

impl Source for BackupSource<'_> {
    fn len(&self) -> u64 {
        self.folder.manifest.collections[self.number].records
    }

    fn pages(&self, from: u64) -> Result<Pages<'_>> {
        Ok(Box::new(PartPages {
            source: self,
            parts: self.parts(),
            records: Vec::new().into_iter(),
            from,
            end: 0,
        }))
    }

    fn missing(&self, mut ids: Vec<String>) -> Result<Vec<String>> {
        if self.ids.get().is_none() {
            let _ = self.ids.set(self.list_ids()?);
        }
        if let Some(all) = self.ids.get() {
            ids.retain(|id| all.binary_search(&id_hash(id)).is_err());
        }
        Ok(ids)
    }

    fn refresh(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reads the parts of a collection, and returns their records in pages.
struct PartPages<'s> {
    source: &'s BackupSource<'s>,
    /// The parts that were not read yet.
    parts: Range<usize>,
    /// The records of the current part that were not returned yet.
    records: vec::IntoIter<Record>,
    /// The number of records to skip.
    from: u64,
    /// The number of records that were returned or skipped.
    end: u64,
}

impl Iterator for PartPages<'_> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        while self.records.len() == 0 {
            let part = self.parts.next()?;
            match self.source.folder.read_part(self.source.number, part) {
                Ok(mut records) => {
                    let to_skip = self.from.saturating_sub(self.end) as usize;
                    let skipped = records.drain(..to_skip.min(records.len())).count();
                    self.end += skipped as u64;
                    self.records = records.into_iter();
                }
                Err(error) => return Some(Err(error)),
            }
        }
        let records: Vec<Record> = self.records.by_ref().take(PAGE_SIZE).collect();
        self.end += records.len() as u64;
        let end = self.end;
        Some(Ok(Page { records, end }))
    }
}
