//! [`BadRecords`]: how a job handles bad records.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::batch::Rejected;
use crate::error::{Error, InvalidInput};
use crate::model::record::Record;

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

    /// Skips and counts bad records, and appends each of them to a file as one line of JSON.
    ///
    /// The fields are `item`, `stage`, `reason`, and if known, `id` and `record` (with `id`, `document`,
    /// `embedding`, `metadata` and `uri`, if the record has them). A job that resumes after it was killed may
    /// append the records that were in flight again.
    ///
    /// After you have corrected the records, `jq -c '.record // empty'` turns the file into one that
    /// [`jsonl_records`](crate::ingest::jsonl_records) reads.
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

    /// Opens the dead letter file, if there is one.
    pub(super) fn open(&self) -> Result<Option<DeadLetters>, InvalidInput> {
        let Some(path) = &self.dead_letters else {
            return Ok(None);
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| {
            let why = format!("cannot be written: {error}");
            InvalidInput::setting("dead_letters", path.display().to_string(), why)
        })?;
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
    pub(super) fn write(&mut self, Rejected { bad, record, .. }: &Rejected) -> Result<(), Error> {
        let mut letter =
            json!({ "item": bad.item, "stage": bad.stage.name(), "reason": bad.reason });
        if let Some(id) = &bad.id {
            letter["id"] = id.as_str().into();
        }
        if let Some(record) = record {
            letter["record"] = as_json(record);
        }
        let line = format!("{letter}\n");
        self.is_dirty = true;
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| failed(&self.path, error))
    }

    /// Syncs the file, if it has changed.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| failed(&self.path, error))
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
