//! [`Manifest`]: what a backup contains.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::collection::CollectionSettings;
use crate::model::name;

/// The name of the file with the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// The version of the format that this crate writes.
pub(super) const FORMAT: u32 = 1;
/// The most records of a part.
pub(super) const MAX_RECORDS: usize = 1_000;
/// The largest part that is read. A part is larger than 16 MiB if its last record is large.
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
    /// The collections.
    pub collections: Vec<ManifestCollection>,
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
    /// The number of records.
    pub records: u64,
    pub(super) settings: CollectionSettings,
    pub(super) parts: Vec<Part>,
}

/// A file with records. Its name follows from its place in the manifest, see [`part_name`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// Returns the name of a part.
pub(super) fn part_name(collection: usize, part: usize) -> String {
    format!("{collection:04}/{part:06}.jsonl")
}

/// Returns a SHA-256 in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Returns the line of a file in a list of checksums.
pub(super) fn sum_line(sha256: &str, name: &str) -> String {
    format!("{sha256}  {name}\n")
}

/// Reads the version of the format, whatever else a manifest has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    /// Reads a manifest, and checks it. Returns what is wrong with it.
    pub(super) fn parse(json: &[u8]) -> Result<Manifest, String> {
        let Format { format } = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if format != FORMAT {
            return Err(format!(
                "the backup has the format {format}, and this version reads the format {FORMAT}; use another version"
            ));
        }
        let manifest: Manifest = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut names = HashSet::new();
        for collection in &manifest.collections {
            collection.check()?;
            if !names.insert((&collection.database, &collection.name)) {
                return Err(format!("there are two collections {:?}", collection.name));
            }
        }
        Ok(manifest)
    }

    /// Returns all parts with their names.
    pub(super) fn parts(&self) -> impl Iterator<Item = (String, &Part)> {
        let collections = self.collections.iter().enumerate();
        collections.flat_map(|(number, collection)| {
            let parts = collection.parts.iter().enumerate();
            parts.map(move |(place, part)| (part_name(number, place), part))
        })
    }

    /// Returns the list of checksums of a backup with this manifest.
    pub(super) fn sums(&self, json: &[u8]) -> String {
        let parts = self.parts();
        let mut sums: String = parts
            .map(|(name, part)| sum_line(&part.sha256, &name))
            .collect();
        sums.push_str(&sum_line(&sha256(json), MANIFEST));
        sums
    }

    /// Returns the number of records in all collections.
    pub fn records(&self) -> u64 {
        self.collections
            .iter()
            .fold(0, |sum, one| sum.saturating_add(one.records))
    }
}

impl ManifestCollection {
    fn check(&self) -> Result<(), String> {
        name::check("collection", &self.name).map_err(|reason| reason.to_string())?;
        name::check_in_path("database", &self.database).map_err(|reason| reason.to_string())?;
        match self.parts.iter().find(|part| part.bytes > MAX_PART) {
            Some(part) => Err(format!("a part cannot have {} bytes", part.bytes)),
            None => Ok(()),
        }
    }
}

/// `3 collections, 12000 records`.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (collections, records) = (self.collections.len(), self.records());
        write!(f, "{collections} collections, {records} records")
    }
}
