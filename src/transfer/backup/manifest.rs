//! [`Manifest`]: what a backup contains.

use std::collections::HashSet;
use std::fmt;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::collection::CollectionSettings;
use crate::model::name;
use crate::model::space::Space;

/// The version of the format that this crate writes.
pub(super) const FORMAT: u32 = 1;
/// The longest name of a folder in common file systems.
const MAX_NAME: usize = 255;
/// The largest part that is read. A record of a part of more than 16 MiB is as large as that.
const MAX_PART: u64 = 1 << 30;

/// The content of a backup, as its `manifest.json` lists it. Its `Display` is one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The version of this crate that made the backup.
    pub crate_version: String,
    /// The version that the server reports. All servers since Chroma 1.0 report `1.0.0`, the version of the API.
    pub server_version: String,
    /// When the backup was started, in seconds since 1970 (UTC).
    pub created: u64,
    /// The tenant.
    pub tenant: String,
    /// Whether the backup covers all databases of the tenant.
    pub all_databases: bool,
    /// The earlier backup that an incremental backup needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The collections.
    pub collections: Vec<ManifestCollection>,
}

/// The earlier backup that an incremental backup needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Base {
    /// The SHA-256 of the base's `SHA256SUMS`.
    pub sha256: String,
    /// The name of its folder, which is looked for next to the incremental backup.
    pub folder: String,
}

/// A collection in a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestCollection {
    /// The name.
    pub name: String,
    /// The id that the collection had.
    pub id: String,
    /// The database.
    pub database: String,
    /// The number of records, including those in the base.
    pub records: u64,
    /// The content hash of all records, including those in the base.
    pub hash: String,
    /// Whether the backup has only what has changed since its base.
    pub incremental: bool,
    pub(super) settings: CollectionSettings,
    pub(super) parts: Vec<Part>,
}

/// A file with records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(super) file: String,
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

/// Returns the name of a part.
pub(super) fn part_name(collection: usize, part: usize) -> String {
    format!("{collection:04}/{part:06}.jsonl")
}

impl Manifest {
    /// Checks what a backup from elsewhere says. Returns what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(base) = &self.base {
            let mut parts = Path::new(&base.folder).components();
            let is_name = matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            );
            if !is_name || base.folder.len() > MAX_NAME {
                return Err(format!(
                    "the base {:?} is not the name of a folder",
                    base.folder
                ));
            }
        }
        let mut names = HashSet::new();
        for (number, collection) in self.collections.iter().enumerate() {
            collection.check(number)?;
            if collection.incremental && self.base.is_none() {
                return Err(format!("the collection {:?} has no base", collection.name));
            }
            if !names.insert((&collection.database, &collection.name)) {
                return Err(format!("there are two collections {:?}", collection.name));
            }
        }
        Ok(())
    }

    /// Returns the names of all files with records.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let parts = self.collections.iter().flat_map(|one| &one.parts);
        parts.map(|part| part.file.as_str())
    }

    /// Finds a collection that has not been replaced by another one of the same name.
    pub(super) fn find(&self, database: &str, name: &str, id: &str) -> Option<&ManifestCollection> {
        let mut all = self.collections.iter();
        all.find(|one| one.database == database && one.name == name && one.id == id)
    }

    /// Returns the number of records in all collections.
    pub fn records(&self) -> u64 {
        self.collections
            .iter()
            .fold(0, |sum, one| sum.saturating_add(one.records))
    }
}

impl ManifestCollection {
    fn check(&self, number: usize) -> Result<(), String> {
        name::check("collection", &self.name).map_err(|reason| reason.to_string())?;
        name::check_in_path("database", &self.database).map_err(|reason| reason.to_string())?;
        for (place, part) in self.parts.iter().enumerate() {
            if part.file != part_name(number, place) {
                return Err(format!(
                    "{:?} is not the name of a file with records",
                    part.file
                ));
            }
            if part.bytes > MAX_PART || part.lines > part.bytes {
                return Err(format!("{} cannot have this size", part.file));
            }
        }
        let lines: u64 = self.parts.iter().map(|part| part.lines).sum();
        if !self.incremental && self.records != lines {
            let (name, records) = (&self.name, self.records);
            return Err(format!("{name:?} has {records} records in {lines} lines"));
        }
        Ok(())
    }

    /// Returns the distance function, if it is known.
    pub(super) fn space(&self) -> Option<Space> {
        self.settings.configuration.space()
    }
}

/// `3 collections, 12000 records`.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (collections, records) = (self.collections.len(), self.records());
        write!(f, "{collections} collections, {records} records")?;
        if let Some(base) = &self.base {
            write!(f, ", since {:?}", base.folder)?;
        }
        Ok(())
    }
}
