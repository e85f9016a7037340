//! [`Folder`]: reads and checks the files of a backup.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::manifest::{FORMAT, Manifest, Part};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::printable::short;

/// The name of the file with the checksums of all others.
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const MANIFEST: &str = "manifest.json";
/// The largest manifest or list of checksums that is read.
const MAX_LISTED: u64 = 256 << 20;

/// The folder of a backup. Its list of checksums and its manifest are read and checked.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    pub(super) manifest: Manifest,
    /// The SHA-256 of each file.
    sums: BTreeMap<String, String>,
    /// The SHA-256 of the list of checksums.
    pub(super) sha256: String,
}

/// Reads the version of the format, whatever else a manifest has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Folder> {
        let listed = read(&path.join(SUMS), MAX_LISTED)?;
        let sums = parse_sums(&listed).map_err(|why| damaged(&path.join(SUMS), why))?;
        let bytes = read(&path.join(MANIFEST), MAX_LISTED)?;
        let wrong = |why: String| damaged(&path.join(MANIFEST), why);
        check_sum(&sums, MANIFEST, &bytes).map_err(wrong)?;
        let manifest = parse_manifest(&bytes).map_err(wrong)?;
        let folder = Folder {
            path: path.to_owned(),
            manifest,
            sums,
            sha256: sha256(&listed),
        };
        folder
            .check_names()
            .map_err(|why| damaged(&path.join(SUMS), why))?;
        Ok(folder)
    }

    /// Checks whether the list of checksums and the manifest have the same files.
    fn check_names(&self) -> Result<(), String> {
        let known: HashSet<&str> = self.manifest.files().chain([MANIFEST]).collect();
        let mut listed = self.sums.keys();
        if let Some(name) = listed.find(|name| !known.contains(name.as_str())) {
            return Err(format!(
                "it lists {name:?}, which the manifest does not have"
            ));
        }
        let mut files = self.manifest.files();
        match files.find(|name| !self.sums.contains_key(*name)) {
            Some(name) => Err(format!("it does not list {name}")),
            None => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file with records, and checks its size and its checksum.
    pub(super) fn read(&self, part: &Part) -> Result<Vec<u8>> {
        let path = self.path.join(&part.file);
        let bytes = read(&path, part.bytes)?;
        if bytes.len() as u64 != part.bytes {
            let why = format!("it has {} bytes instead of {}", bytes.len(), part.bytes);
            return Err(damaged(&path, why));
        }
        check_sum(&self.sums, &part.file, &bytes).map_err(|why| damaged(&path, why))?;
        let lines = bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        if lines != part.lines || !bytes.ends_with(b"\n") {
            let why = format!("it has {lines} lines, and the manifest says {}", part.lines);
            return Err(damaged(&path, why));
        }
        Ok(bytes)
    }

    /// Returns the error about a line, counted from 1.
    pub(super) fn bad_line(&self, part: &Part, line: u64, why: &serde_json::Error) -> Error {
        let path = self.path.join(&part.file);
        damaged(&path, format!("line {line} is not a record: {why}"))
    }
}

/// Returns the SHA-256 of a list of checksums, which identifies a backup.
pub(super) fn identify(folder: &Path) -> Result<String> {
    Ok(sha256(&read(&folder.join(SUMS), MAX_LISTED)?))
}

/// Returns a SHA-256 in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
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

/// Reads lines of 64 digits, two blanks and a name.
fn parse_sums(listed: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(listed).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').ok_or("its end is missing")?;
    let mut sums = BTreeMap::new();
    for line in text.split('\n') {
        let digits = |sum: &str| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            sum.len() == 64 && sum.bytes().all(is_digit)
        };
        let Some((sum, name)) = line.split_once("  ").filter(|(sum, _)| digits(sum)) else {
            return Err(format!("the line {line:?} is not a checksum and a name"));
        };
        if sums.insert(name.to_owned(), sum.to_owned()).is_some() {
            return Err(format!("it lists {name:?} twice"));
        }
    }
    Ok(sums)
}

fn check_sum(sums: &BTreeMap<String, String>, name: &str, bytes: &[u8]) -> Result<(), String> {
    match sums.get(name) {
        Some(sum) if *sum == sha256(bytes) => Ok(()),
        Some(_) => Err(format!("its content does not match its checksum in {SUMS}")),
        None => Err(format!("{SUMS} does not list it")),
    }
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, String> {
    let Format { format } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!(
            "the backup has the format {format}, and this version reads the format {FORMAT}; use another version"
        ));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    manifest.check()?;
    Ok(manifest)
}

/// Returns the error about a file of a backup.
pub(super) fn damaged(path: &Path, why: impl Into<String>) -> Error {
    // It may quote what the file has.
    let why = short(&why.into()).into_owned();
    let reason = InvalidInput::setting("file", path.display().to_string(), why);
    Call::new("restore", None).invalid(reason)
}
