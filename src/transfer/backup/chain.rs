//! [`Chain`]: a backup with its bases. [`Layered`]: one of its collections.

use std::path::{Path, PathBuf};

use super::folder::{Folder, damaged, identify};
use super::hash::{Hashes, IdSet, keeps_vectors};
use super::line::Line;
use super::manifest::{Manifest, ManifestCollection};
use crate::error::Result;
use crate::model::record::AsRecord;

/// A backup with its bases, the oldest one first. Never empty.
#[derive(Debug)]
pub(super) struct Chain {
    bases: Vec<Folder>,
    newest: Folder,
}

/// A collection in one of the backups.
#[derive(Debug, Clone, Copy)]
struct Layer<'c> {
    folder: &'c Folder,
    collection: &'c ManifestCollection,
}

impl Chain {
    /// Opens a backup. Its bases are among `bases`, or next to the backup that needs them.
    pub(super) fn open(folder: &Path, bases: &[PathBuf]) -> Result<Chain> {
        let newest = Folder::open(folder)?;
        let mut found: Vec<Folder> = Vec::new();
        while let Some(base) = find_base(found.last().unwrap_or(&newest), bases)? {
            found.push(base);
        }
        found.reverse();
        let bases = found;
        Ok(Chain { bases, newest })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.newest.manifest
    }

    pub(super) fn into_manifest(self) -> Manifest {
        self.newest.manifest
    }

    /// Returns the SHA-256 that identifies the newest backup.
    pub(super) fn sha256(&self) -> &str {
        &self.newest.sha256
    }

    pub(super) fn folder(&self) -> &Path {
        self.newest.path()
    }

    /// Returns a collection of the newest backup.
    pub(super) fn collection<'c>(&'c self, of: &'c ManifestCollection) -> Result<Layered<'c>> {
        let folder = &self.newest;
        let mut layers = vec![Layer {
            folder,
            collection: of,
        }];
        let mut rest = self.bases.iter().rev();
        while layers
            .last()
            .is_some_and(|last| last.collection.incremental)
        {
            let found = rest.next().and_then(|folder| {
                let collection = folder.manifest.find(&of.database, &of.name, &of.id)?;
                Some(Layer { folder, collection })
            });
            let Some(layer) = found else {
                let why = format!("no base has the collection {:?}", of.name);
                return Err(damaged(self.folder(), why));
            };
            layers.push(layer);
        }
        layers.reverse();
        Layered::open(layers)
    }

    /// Reads and checks all files of all backups. Reports the number of lines after each file.
    pub(super) fn verify(&self, mut report: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut lines = 0;
        let mut report = |read: u64| {
            lines += read;
            report(lines)
        };
        for of in &self.manifest().collections {
            self.collection(of)?.verify(&mut report)?;
        }
        // Files of bases that the newest backup does not need.
        for folder in &self.bases {
            for part in folder
                .manifest
                .collections
                .iter()
                .flat_map(|one| &one.parts)
            {
                folder.read(part)?;
                report(0)?;
            }
        }
        Ok(())
    }

    /// Returns the number of lines in all files of the collections.
    pub(super) fn lines(&self) -> u64 {
        let folders = self.bases.iter().chain([&self.newest]);
        let collections = folders.flat_map(|folder| &folder.manifest.collections);
        let parts = collections.flat_map(|one| &one.parts);
        parts.map(|part| part.lines).sum()
    }
}

/// Finds the base of a backup.
fn find_base(of: &Folder, given: &[PathBuf]) -> Result<Option<Folder>> {
    let Some(base) = &of.manifest.base else {
        return Ok(None);
    };
    let path = std::fs::canonicalize(of.path()).unwrap_or_else(|_| of.path().to_owned());
    let next_to = path.with_file_name(&base.folder);
    let candidates = given.iter().chain([&next_to]);
    for candidate in candidates.filter(|path| path.is_dir()) {
        if identify(candidate).is_ok_and(|sha256| sha256 == base.sha256) {
            return Folder::open(candidate).map(Some);
        }
    }
    let why = if next_to.is_dir() {
        "it is not the backup that this one is based on, or it was changed"
    } else {
        "the backup needs it as its base; put it next to the backup, or name its folder with .base(...)"
    };
    Err(damaged(&next_to, why))
}

/// A collection of a chain of backups. A record counts unless a later backup has changed or deleted it.
#[derive(Debug)]
pub(super) struct Layered<'c> {
    /// The oldest one first.
    layers: Vec<Layer<'c>>,
    /// The ids in each layer. That of the first layer is empty, because it is never needed.
    ids: Vec<IdSet>,
}

impl<'c> Layered<'c> {
    fn open(layers: Vec<Layer<'c>>) -> Result<Layered<'c>> {
        let mut collection = Layered {
            ids: vec![IdSet::default()],
            layers,
        };
        for number in 1..collection.layers.len() {
            let mut lines = collection.lines_of(number..number + 1);
            let mut ids = Vec::new();
            while lines.advance()? {
                ids.push(lines.id()?.0);
            }
            collection.ids.push(ids.into_iter().collect());
        }
        Ok(collection)
    }

    fn lines_of(&self, layers: std::ops::Range<usize>) -> Lines<'_, 'c> {
        Lines {
            of: self,
            layer: layers.start,
            end: layers.end,
            part: 0,
            bytes: Vec::new(),
            line: 0..0,
            number: 0,
        }
    }

    /// Returns the lines of all layers.
    pub(super) fn lines(&self) -> Lines<'_, 'c> {
        self.lines_of(0..self.layers.len())
    }

    /// Whether later layers say nothing of an id.
    fn is_last(&self, layer: usize, id: u128) -> bool {
        let later = self.ids.get(layer + 1..).unwrap_or_default();
        later.iter().all(|ids| !ids.contains(id))
    }

    /// Reads all lines, and compares the records with the number and the hash in the manifest.
    fn verify(&self, report: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
        let Some(newest) = self.layers.last() else {
            return Ok(());
        };
        let keeps_vectors = keeps_vectors(newest.collection.space());
        let (mut records, mut hash, mut read) = (0, 0_u64, 0);
        let mut lines = self.lines();
        while lines.advance()? {
            read += 1;
            if lines.is_first_of_part() {
                report(std::mem::take(&mut read))?;
            }
            // Checks all lines, including those that do not count.
            let line = lines.read()?;
            let is_current = lines.is_current()?;
            if let (Line::Record(record), true) = (line, is_current) {
                records += 1;
                let hashes = Hashes::of(record.as_record(), lines.line(), keeps_vectors);
                hash = hash.wrapping_add(hashes.content);
            }
        }
        report(read)?;
        let (hash, expected) = (format!("{hash:016x}"), newest.collection);
        if (records, hash.as_str()) == (expected.records, expected.hash.as_str()) {
            return Ok(());
        }
        let why = format!(
            "its files have {records} records of the collection {:?} with the hash {hash}, and its manifest says {} with the hash {:?}",
            expected.name, expected.records, expected.hash
        );
        Err(damaged(newest.folder.path(), why))
    }
}

/// Reads the lines of a collection, file by file.
#[derive(Debug)]
pub(super) struct Lines<'l, 'c> {
    of: &'l Layered<'c>,
    layer: usize,
    end: usize,
    /// The number of the next part of the layer.
    part: usize,
    bytes: Vec<u8>,
    /// The place of the current line, without its end.
    line: std::ops::Range<usize>,
    /// The number of the current line in its part, counted from 1.
    number: u64,
}

impl Lines<'_, '_> {
    /// Moves to the next line. Returns whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool> {
        // After the line break of the current line.
        let mut start = if self.number == 0 {
            0
        } else {
            self.line.end + 1
        };
        while start >= self.bytes.len() {
            let layers = &self.of.layers;
            let Some(layer) = layers.get(self.layer).filter(|_| self.layer < self.end) else {
                return Ok(false);
            };
            let Some(part) = layer.collection.parts.get(self.part) else {
                (self.layer, self.part) = (self.layer + 1, 0);
                continue;
            };
            self.bytes = layer.folder.read(part)?;
            self.part += 1;
            (start, self.number) = (0, 0);
        }
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.line = start..start + length.unwrap_or(rest.len());
        self.number += 1;
        Ok(true)
    }

    /// Returns the current line.
    pub(super) fn line(&self) -> &[u8] {
        self.bytes.get(self.line.clone()).unwrap_or_default()
    }

    fn is_first_of_part(&self) -> bool {
        self.number == 1
    }

    /// Reads the current line.
    pub(super) fn read(&self) -> Result<Line> {
        self.checked(Line::read(self.line()))
    }

    /// Returns the hash of the current line's id, and whether the record was deleted.
    pub(super) fn id(&self) -> Result<(u128, bool)> {
        self.checked(Line::read_id(self.line()))
    }

    /// Whether the current line is a record that no later backup has changed or deleted.
    pub(super) fn is_current(&self) -> Result<bool> {
        if self.of.layers.len() == 1 {
            return Ok(!Line::is_deletion(self.line()));
        }
        let (id, is_deleted) = self.id()?;
        Ok(!is_deleted && self.of.is_last(self.layer, id))
    }

    fn checked<T>(&self, read: serde_json::Result<T>) -> Result<T> {
        read.map_err(|why| {
            let layer = self.of.layers.get(self.layer);
            let found = layer.and_then(|layer| {
                let part = layer.collection.parts.get(self.part.checked_sub(1)?)?;
                Some(layer.folder.bad_line(part, self.number, &why))
            });
            found.unwrap_or_else(|| damaged(Path::new(""), why.to_string()))
        })
    }
}
