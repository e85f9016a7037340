//! [`BadRecords`]: how a job handles bad records.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::batch::Rejected;
use crate::durable::lines;
use crate::error::{Error, Result};
use crate::model::record::Record;
use crate::printable::OneLine;

/// How a job handles bad records.
///
/// A record is bad if it cannot be read, is invalid, or is refused by the embedding function or by the
/// server. If a whole batch is refused, the job halves it until the bad records are alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecords {
    limit: u64,
    dead_letters: Option<PathBuf>,
}

impl Default for BadRecords {
    /// The same as [`stop`](BadRecords::stop).
    fn default() -> BadRecords {
        BadRecords::stop()
    }
}

impl BadRecords {
    /// Stops the job at the first bad record. All records before it are written, none after it.
    pub fn stop() -> BadRecords {
        BadRecords::skip().at_most(0)
    }

    /// Skips bad records. The report counts them.
    pub fn skip() -> BadRecords {
        BadRecords {
            limit: u64::MAX,
            dead_letters: None,
        }
    }

    /// Skips and counts bad records, and appends each of them to a file as one line of JSON. Also appends the
    /// records that the job leaves out because their documents are [empty](crate::ingest::Ingest#empty-documents).
    ///
    /// The fields are `item`, `stage`, `reason`, and if known, `id` and `record` (with `id`, `document`,
    /// `embedding`, `metadata` and `uri`, if the record has them). A job that resumes after it was killed may
    /// append the records that were in flight again.
    ///
    /// If the disk fills up in the middle of a line, the job stops. The next run ends that line and appends
    /// the record again. Only the current user can read a file that the job creates. Several jobs may append
    /// to one file, and the file may be a device or a pipe.
    ///
    /// After you have corrected the records, `jq -cR 'fromjson? | .record // empty'` turns the file into one
    /// that [`jsonl_records`](crate::ingest::jsonl_records) reads.
    pub fn dead_letters(file: impl Into<PathBuf>) -> BadRecords {
        BadRecords {
            dead_letters: Some(file.into()),
            ..BadRecords::skip()
        }
    }

    /// Sets the maximum number of bad records in a run. One more stops the job. Default: unlimited.
    #[must_use]
    pub fn at_most(mut self, records: u64) -> BadRecords {
        self.limit = records;
        self
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns the path of the dead letter file, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.dead_letters.as_deref()
    }

    /// Opens the dead letter file, if there is one.
    pub(super) fn open(&self) -> Result<Option<DeadLetters>> {
        let Some(path) = &self.dead_letters else {
            return Ok(None);
        };
        let file = lines::open(path).map_err(|error| failed(path, error))?;
        Ok(Some(DeadLetters {
            is_dirty: false,
            file,
            path: path.clone(),
        }))
    }
}

/// The file of bad records.
pub(super) struct DeadLetters {
    /// Whether something may not have been synced yet.
    is_dirty: bool,
    file: File,
    path: PathBuf,
}

impl DeadLetters {
    /// Appends a bad record.
    pub(super) fn write(&mut self, Rejected { bad, record, .. }: &Rejected) -> Result<()> {
        let mut letter =
            json!({ "item": bad.item, "stage": bad.stage.name(), "reason": bad.reason });
        if let Some(id) = &bad.id {
            letter["id"] = id.as_str().into();
        }
        if let Some(record) = record {
            letter["record"] = as_json(record);
        }
        // The escapes of JSON: the line means the same, and is safe to print.
        let line = format!("{}\n", OneLine(letter));
        self.is_dirty = true;
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| failed(&self.path, error))
    }

    /// Syncs the file, if it has changed.
    pub(super) fn sync(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        match self.file.sync_data() {
            // A device or a pipe holds nothing back.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            synced => synced.map_err(|error| failed(&self.path, error)),
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        message: format!("cannot write dead letters to {}", path.display()),
        source,
    }
}

fn as_json(record: &Record) -> serde_json::Value {
    let mut all = json!({ "id": record.id });
    if let Some(document) = &record.document {
        all["document"] = document.as_str().into();
    }
    if let Some(embedding) = &record.embedding {
        all["embedding"] = json!(embedding);
    }
    if !record.metadata.is_empty() {
        all["metadata"] = json!(record.metadata);
    }
    if let Some(uri) = &record.uri {
        all["uri"] = uri.as_str().into();
    }
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::durable::tests::Folder;
    use crate::model::report::{BadRecord, IngestStage};

    fn rejected(item: u64) -> Rejected {
        let record = Record::new(format!("id{item}")).document("a \"text\"\nof two lines, naïve");
        Rejected {
            bad: BadRecord {
                item,
                id: Some(record.id.clone()),
                stage: IngestStage::Check,
                reason: "it is too long".to_owned(),
            },
            record: Some(record),
            document: None,
        }
    }

    /// The items of the lines that are JSON.
    fn items(bytes: &[u8]) -> Vec<u64> {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
            .map(|letter| letter["item"].as_u64().unwrap())
            .collect()
    }

    #[test]
    fn field_25_after_a_cut_at_any_byte_all_complete_letters_are_readable() {
        let folder = Folder::new();
        let path = folder.0.join("bad.jsonl");
        let policy = BadRecords::dead_letters(&path);
        let append = |item| {
            let mut letters = policy.open().unwrap().unwrap();
            letters.write(&rejected(item)).unwrap();
            letters.sync().unwrap();
        };
        append(1);
        append(2);
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.split(|byte| *byte == b'\n').count(), 3);
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            append(3);
            let mut expected = items(&whole[..length]);
            expected.push(3);
            let found = fs::read(&path).unwrap();
            assert_eq!(items(&found), expected, "cut at {length}");
            assert!(found.starts_with(&whole[..length]), "nothing is removed");
        }
    }

    #[cfg(unix)]
    #[test]
    fn secure_11_dead_letters_are_for_this_user_only() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};

        let folder = Folder::new();
        let path = folder.0.join("bad.jsonl");
        let mode = || {
            BadRecords::dead_letters(&path).open().unwrap();
            fs::metadata(&path).unwrap().mode() & 0o777
        };
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(mode(), 0o640, "the caller's choice");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn field_28_a_full_disk_is_an_io_error() {
        let mut letters = BadRecords::dead_letters("/dev/full")
            .open()
            .unwrap()
            .unwrap();
        let Error::Io { message, source } = letters.write(&rejected(1)).unwrap_err() else {
            panic!("another kind of error");
        };
        assert_eq!(message, "cannot write dead letters to /dev/full");
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        letters.sync().unwrap();
    }
}
