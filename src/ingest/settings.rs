//! [`Settings`]: the options of a batch job.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::kv::Value;

use super::bad::BadRecords;
use crate::collection::Collection;
use crate::embed::Purpose;
use crate::error::InvalidInput;
use crate::logs;
use crate::model::filter::Where;
use crate::model::metadata::Metadata;
use crate::transport::RetryPolicy;

/// The options of a batch job. [`Ingest`](super::Ingest) documents each of them.
#[derive(Debug)]
pub(super) struct Settings {
    /// The name of the operation in errors, logs and progress.
    pub(super) operation: &'static str,
    pub(super) collection: Collection,
    pub(super) concurrency: usize,
    pub(super) batch_size: usize,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) cancel: Option<Arc<AtomicBool>>,
    pub(super) bad_records: BadRecords,
    pub(super) retry: RetryPolicy,
    pub(super) content_hash: Option<String>,
    /// The metadata key that holds the id of a record's document, if the job replaces documents.
    pub(super) document_key: Option<String>,
    pub(super) tolerated_unreadable: u64,
    /// Whether metadata keys that a new version of a record lacks are removed.
    pub(super) replace_metadata: bool,
    pub(super) shard: Shard,
    pub(super) mode: Mode,
    pub(super) dry_run: bool,
    /// Whether the caller has set a function for the progress.
    pub(super) reports_progress: bool,
}

/// How the job treats records that exist in the collection, and records that are missing from the input.
#[derive(Debug)]
pub(super) enum Mode {
    /// Writes all records of the input.
    Upsert,
    /// Writes only records whose ids do not exist yet.
    AddNew,
    /// Writes all records, then deletes those that match the filter and are not in the input.
    Sync(Option<Where>),
}

/// One of several parts of an input, chosen by the hash of a record's id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shard {
    /// Counted from 0.
    pub(super) index: u32,
    pub(super) count: u32,
}

impl Settings {
    pub(super) fn new(collection: Collection) -> Settings {
        Settings {
            operation: "ingest",
            // A job writes some of the metadata again that it reads.
            collection: collection.hiding_stamps(),
            concurrency: 4,
            batch_size: 1_000,
            checkpoint: None,
            cancel: None,
            bad_records: BadRecords::default(),
            retry: RetryPolicy::default().max_retries(10),
            content_hash: None,
            document_key: None,
            tolerated_unreadable: 0,
            replace_metadata: false,
            shard: Shard { index: 0, count: 1 },
            mode: Mode::Upsert,
            dry_run: false,
            reports_progress: false,
        }
    }

    /// Validates the options.
    pub(super) fn check(&self) -> Result<(), InvalidInput> {
        if !(1..=64).contains(&self.concurrency) {
            let why = "must be from 1 to 64; the default is 4";
            let value = self.concurrency.to_string();
            return Err(InvalidInput::setting("concurrency", value, why));
        }
        if self.batch_size == 0 {
            let why = "must be at least 1; the default is 1000";
            return Err(InvalidInput::setting("batch_size", "0", why));
        }
        let Shard { index, count } = self.shard;
        if index >= count {
            let why = "the index must be less than the count; of three shards, the indices are 0, 1 and 2";
            let value = format!("{index} of {count}");
            return Err(InvalidInput::setting("shard", value, why));
        }
        if self.retry.deadline.is_some() {
            let why = "a batch job has no deadline; use a policy without one, and stop the job with .cancel(...)";
            let value = "a policy with a deadline";
            return Err(InvalidInput::setting("retry", value, why));
        }
        if matches!(&self.mode, Mode::Sync(Some(within)) if *within == Where::everything()) {
            let why = "to delete all records that are not in the input, pass None";
            let value = "a filter that every record passes";
            return Err(InvalidInput::setting("sync", value, why));
        }
        self.check_keys()
    }

    /// Validates the names of metadata keys.
    fn check_keys(&self) -> Result<(), InvalidInput> {
        let names = [
            ("content_hash", &self.content_hash),
            ("replace_documents", &self.document_key),
        ];
        for (name, key) in names {
            if let Some(key) = key {
                Metadata::from([(key.as_str(), "")]).check_record(|| name.to_owned())?;
            }
        }
        let Some(key) = &self.document_key else {
            return Ok(());
        };
        if self.content_hash.as_ref() == Some(key) {
            let why =
                "content_hash stores its hashes under the same metadata key; name another one";
            return Err(InvalidInput::setting(
                "replace_documents",
                key.as_str(),
                why,
            ));
        }
        if matches!(self.mode, Mode::AddNew) {
            let why = "a job with only_new does not write changed records, so it cannot replace documents; to skip unchanged records, use content_hash";
            return Err(InvalidInput::setting(
                "replace_documents",
                key.as_str(),
                why,
            ));
        }
        Ok(())
    }

    /// Returns the cache key of the embedding function: everything that determines a vector, except for the
    /// text.
    pub(super) fn function_key(&self) -> Option<String> {
        let function = self.collection.embedding_function()?;
        Some(function.cache_key(Purpose::Documents))
    }

    /// Whether the job asks the server for records before it writes them.
    pub(super) fn needs_lookup(&self) -> bool {
        self.content_hash.is_some() || self.replace_metadata || matches!(self.mode, Mode::AddNew)
    }

    /// Returns the collection's name as a key-value of log lines.
    pub(super) fn log_pair(&self) -> (&'static str, Value<'_>) {
        ("collection", logs::text(self.collection.name()))
    }

    /// Whether the caller's flag is set now.
    pub(super) fn is_cancel_requested(&self) -> bool {
        let flag = self.cancel.as_deref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

impl Mode {
    /// Returns the name that checkpoints hold.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Mode::Upsert => "upsert",
            Mode::AddNew => "only_new",
            Mode::Sync(_) => "sync",
        }
    }
}

impl Shard {
    /// Whether an id with this hash belongs to the shard.
    pub(super) fn contains(self, id_hash: u64) -> bool {
        id_hash % u64::from(self.count) == u64::from(self.index)
    }
}
