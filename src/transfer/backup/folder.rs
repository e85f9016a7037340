//! [`Folder`]: reads and checks the files of a backup.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::manifest::{MANIFEST, MAX_RECORDS, Manifest, part_name, sha256, sum_line};
use crate::error::{Error, InvalidInput, Result};
use crate::model::record::Record;
use crate::printable::short;

/// The name of the file with the checksums of all others.
pub(super) const SUMS: &str = "SHA256SUMS";
/// The largest manifest or list of checksums that is read.
const MAX_LISTED: u64 = 256 << 20;
const MISMATCH: &str = "its content does not match its checksum in SHA256SUMS";

/// The folder of a backup. Its list of checksums and its manifest are read and checked.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    /// The SHA-256 of the list of checksums, which identifies the backup.
    pub(super) sha256: String,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Folder> {
        let sums = read(&path.join(SUMS), MAX_LISTED)?;
        let json = read(&path.join(MANIFEST), MAX_LISTED)?;
        let wrong = |why: String| damaged(&path.join(MANIFEST), why);
        if !sums.ends_with(sum_line(&sha256(&json), MANIFEST).as_bytes()) {
            return Err(wrong(MISMATCH.to_owned()));
        }
        let manifest = Manifest::parse(&json).map_err(wrong)?;
        if manifest.sums(&json).as_bytes() != sums {
            let why = "it does not list the same files as the manifest";
            return Err(damaged(&path.join(SUMS), why));
        }
        Ok(Folder {
            path: path.to_owned(),
            manifest,
            sha256: sha256(&sums),
        })
    }

    /// Reads all files, and checks them. Calls `report` with the number of records that were read.
    pub(super) fn verify(&self, mut report: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut done = 0;
        for (number, collection) in self.manifest.collections.iter().enumerate() {
            let before = done;
            for part in 0..collection.parts.len() {
                done += self.read_part(number, part)?.len() as u64;
                report(done)?;
            }
            let found = done - before;
            if found != collection.records {
                let (name, records) = (&collection.name, collection.records);
                let why = format!("{name:?} has {records} records, and its parts have {found}");
                return Err(damaged(&self.path.join(MANIFEST), why));
            }
        }
        Ok(())
    }

    /// Reads the records of a part, and checks its size and its checksum.
    pub(super) fn read_part(&self, collection: usize, part: usize) -> Result<Vec<Record>> {
        let path = self.path.join(part_name(collection, part));
        let part = &self.manifest.collections[collection].parts[part];
        let bytes = read(&path, part.bytes)?;
        if bytes.len() as u64 != part.bytes {
            let why = format!("it has {} bytes instead of {}", bytes.len(), part.bytes);
            return Err(damaged(&path, why));
        }
        if sha256(&bytes) != part.sha256 {
            return Err(damaged(&path, MISMATCH));
        }
        let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let lines = || lines.split(|byte| *byte == b'\n');
        // Short lines become large records.
        if lines().nth(MAX_RECORDS).is_some() {
            let why = format!("a file cannot have more than {MAX_RECORDS} records");
            return Err(damaged(&path, why));
        }
        let records = lines().zip(1_u64..);
        records
            .map(|(line, number)| {
                serde_json::from_slice(line).map_err(|error| {
                    let why = format!("line {number} is not a record: {error}");
                    damaged(&path, why)
                })
            })
            .collect()
    }
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            let why = if path.ends_with(SUMS) {
                "it does not exist; this is not the folder of a complete backup"
            } else {
                "it does not exist"
            };
            return damaged(path, why);
        }
        let message = format!("cannot read the file {} of the backup", path.display());
        Error::Io {
            message,
            source: error,
        }
    };
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(damaged(path, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(damaged(path, format!("it has more than {max} bytes")));
    }
    Ok(bytes)
}

/// Returns the error about a file of a backup.
fn damaged(path: &Path, why: impl Into<String>) -> Error {
    // It may quote what the file has.
    let why = short(&why.into()).into_owned();
    InvalidInput::setting("file", path.display().to_string(), why).into()
}
