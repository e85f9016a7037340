//! [`BackupSource`]: the records of a collection in a backup, as the source of a transfer.

use std::cell::OnceCell;

use super::chain::{Layered, Lines};
use super::hash::{IdSet, id_hash};
use super::line::Line;
use crate::error::Result;
use crate::model::record::Record;
use crate::transfer::source::{Page, Pages, Source};

/// The most records in a page.
const PAGE_RECORDS: usize = 500;
/// The size of the lines from which on a page is full.
const PAGE_BYTES: usize = 4 << 20;

/// A collection in a backup. Its files are checked again whenever they are read.
#[derive(Debug)]
pub(super) struct BackupSource<'c> {
    collection: Layered<'c>,
    len: u64,
    /// The ids of all records, once they are needed.
    ids: OnceCell<IdSet>,
}

impl<'c> BackupSource<'c> {
    pub(super) fn new(collection: Layered<'c>, len: u64) -> BackupSource<'c> {
        let ids = OnceCell::new();
        BackupSource {
            collection,
            len,
            ids,
        }
    }

    fn list_ids(&self) -> Result<IdSet> {
        let (mut ids, mut lines) = (Vec::new(), self.collection.lines());
        while lines.advance()? {
            if lines.is_current()? {
                ids.push(lines.id()?.0);
            }
        }
        Ok(ids.into_iter().collect())
    }
}

impl Source for BackupSource<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn pages(&self, from: u64) -> Result<Pages<'_>> {
        let lines = self.collection.lines();
        let end = 0;
        Ok(Box::new(LinePages { lines, from, end }))
    }

    fn missing(&self, mut ids: Vec<String>) -> Result<Vec<String>> {
        if self.ids.get().is_none() {
            let _ = self.ids.set(self.list_ids()?);
        }
        if let Some(all) = self.ids.get() {
            ids.retain(|id| !all.contains(id_hash(id)));
        }
        Ok(ids)
    }

    fn refresh(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reads the records that count, page by page.
struct LinePages<'l, 'c> {
    lines: Lines<'l, 'c>,
    /// The number of records to skip.
    from: u64,
    /// The number of records that were read or skipped.
    end: u64,
}

impl LinePages<'_, '_> {
    fn read(&mut self) -> Result<Option<Page>> {
        let (mut records, mut bytes): (Vec<Record>, _) = (Vec::new(), 0);
        while records.len() < PAGE_RECORDS && bytes < PAGE_BYTES && self.lines.advance()? {
            if !self.lines.is_current()? {
                continue;
            }
            self.end += 1;
            if self.end <= self.from {
                continue;
            }
            if let Line::Record(record) = self.lines.read()? {
                bytes += self.lines.line().len();
                records.push(*record);
            }
        }
        let end = self.end;
        Ok((!records.is_empty()).then_some(Page { records, end }))
    }
}

impl Iterator for LinePages<'_, '_> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.read().transpose()
    }
}
