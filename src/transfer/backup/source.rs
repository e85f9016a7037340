//! [`BackupSource`]: the records of a collection in a backup, as the source of a transfer.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;

use super::folder::Folder;
use crate::collection::Collection;
use crate::error::Result;
use crate::ingest::hash::id_hash;
use crate::transfer::source::{Page, Pages, Source, missing};

/// A collection in a backup. A page is a part, which is checked again whenever it is read.
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

    fn pages<'s>(&'s self, target: Option<&'s Collection>) -> Result<Pages<'s>> {
        let mut end = 0;
        Ok(Box::new(self.parts().map(move |part| {
            let mut records = self.folder.read_part(self.number, part)?;
            let count = records.len() as u64;
            end += count;
            if let Some(target) = target {
                let ids = records.iter().map(|record| record.id.clone());
                let new: HashSet<String> =
                    missing(target, None, ids.collect())?.into_iter().collect();
                records.retain(|record| new.contains(&record.id));
            }
            Ok(Page {
                left_out: count - records.len() as u64,
                records,
                end,
            })
        })))
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
