//! [`BadRecords`]: what becomes of a job when a record is bad.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, InvalidInput};
use crate::model::record::Record;
use crate::model::report::BadRecord;

/// What becomes of a job when a record is bad: cannot be read, is refused before it is sent, by the embedding function, or
/// by the server. A batch that is refused is halved until the bad ones are alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecords {
    most: u64,
    dead_letters: Option<PathBuf>,
}

impl Default for BadRecords {
    fn default() -> BadRecords {
        BadRecords::stop()
    }
}

impl BadRecords {
    /// The job stops at the first one. All records before it are written, none behind it.
    pub fn stop() -> BadRecords {
        BadRecords::skip().at_most(0)
    }

    /// They are left out, and the report counts them.
    pub fn skip() -> BadRecords {
        BadRecords {
            most: u64::MAX,
            dead_letters: None,
        }
    }

    /// They are left out, counted, and written to this file, one JSON object on a line: `item`, `id`, `stage`, `reason` and
    /// `record` (with `id`, `document`, `embedding`, `metadata` and `uri`, where it has these). What is in the file stays. A
    /// job that goes on after it was killed may write those again that were under way.
    ///
    /// `jq -c '.record // empty'` makes of the file one that [`jsonl_records`](crate::ingest::jsonl_records) reads, once its records
    /// are mended.
    pub fn dead_letters(file: impl Into<PathBuf>) -> BadRecords {
        BadRecords {
            dead_letters: Some(file.into()),
            ..BadRecords::skip()
        }
    }

    /// How many there may be in a run; one more stops the job. Default: any number.
    #[must_use]
    pub fn at_most(mut self, records: u64) -> BadRecords {
        self.most = records;
        self
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// The file for them, if there is to be one.
    pub(super) fn open(&self) -> Result<Option<DeadLetters>, InvalidInput> {
        let Some(path) = &self.dead_letters else {
            return Ok(None);
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| InvalidInput::Setting {
            name: "dead_letters",
            value: path.display().to_string(),
            why: format!("it cannot be written: {error}"),
        })?;
        Ok(Some(DeadLetters {
            is_new: false,
            file,
            path: path.clone(),
        }))
    }
}

/// A file of bad records.
pub(super) struct DeadLetters {
    /// Whether something is not on the disk yet, as far as is known.
    is_new: bool,
    file: File,
    path: PathBuf,
}

impl DeadLetters {
    pub(super) fn write(&mut self, bad: &BadRecord, record: Option<&Record>) -> Result<(), Error> {
        let mut letter =
            json!({ "item": bad.item, "stage": bad.stage.name(), "reason": bad.reason });
        if let Some(id) = &bad.id {
            letter["id"] = id.as_str().into();
        }
        if let Some(record) = record {
            letter["record"] = as_json(record);
        }
        let line = format!("{letter}\n");
        self.is_new = true;
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| failed(&self.path, error))
    }

    /// Makes sure of all that was written.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_new) {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        message: format!("writing dead letters to {}", path.display()),
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
