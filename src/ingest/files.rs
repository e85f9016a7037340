//! [`Files`]: the files of a job, each of which has one purpose.

use std::path::Path;

use super::bad::DeadLetters;
use super::checkpoint::{
    Checkpoint, Found, JobIdentity, Position, START_AGAIN, different_job, lock_path,
};
use super::job::Job;
use super::settings::Settings;
use crate::durable::Target;
use crate::durable::in_use::{InUse, Purpose};
use crate::error::{Error, InvalidInput, Result};
use crate::logs;

/// The open files of a job.
pub(super) struct Files {
    pub(super) checkpoint: Option<Checkpoint>,
    /// The position from which the checkpoint lets the job continue.
    pub(super) start: Position,
    pub(super) dead_letters: Option<DeadLetters>,
    /// Their purposes, until the job ends.
    _in_use: Vec<InUse>,
}

impl Files {
    /// Opens the files. In a dry run, only reads the checkpoint. `may_restart` tells whether a checkpoint of
    /// another job is replaced.
    ///
    /// # Errors
    /// If two of them are the same file, if the checkpoint belongs to another job or another job uses it, or
    /// if one of them cannot be read or written.
    pub(super) fn open(job: &Job<'_>, may_restart: bool) -> Result<Files> {
        let settings = job.settings;
        let of_call = |error: Error| match error {
            Error::Invalid { reason, .. } => job.call.clone().invalid(reason),
            error => error,
        };
        let in_use = claim_all(settings).map_err(|reason| job.call.clone().invalid(reason))?;
        let (checkpoint, start) = match &settings.checkpoint {
            Some(path) => open_checkpoint(job, path, may_restart).map_err(of_call)?,
            None => (None, Position::START),
        };
        let dead_letters = if settings.dry_run {
            None
        } else {
            settings.bad_records.open()?
        };
        Ok(Files {
            checkpoint,
            start,
            dead_letters,
            _in_use: in_use,
        })
    }
}

/// Records what each file is used for.
fn claim_all(settings: &Settings) -> Result<Vec<InUse>, InvalidInput> {
    let mut in_use = Vec::new();
    let mut claim = |setting, path: &Path, purpose| {
        let refused = |other: Purpose| {
            InvalidInput::setting(setting, path.display().to_string(), other.refusal())
        };
        in_use.extend(InUse::claim(path, purpose).map_err(refused)?);
        Ok(())
    };
    if let Some(path) = &settings.checkpoint {
        claim("checkpoint", path, Purpose::Checkpoint)?;
        if let Ok(file) = Target::file(path) {
            claim("checkpoint", &lock_path(&file), Purpose::Checkpoint)?;
        }
    }
    if let Some(path) = settings.bad_records.path() {
        claim("dead_letters", path, Purpose::DeadLetters)?;
    }
    Ok(in_use)
}

/// Opens the checkpoint, and returns the position to start from.
fn open_checkpoint(
    job: &Job<'_>,
    path: &Path,
    may_restart: bool,
) -> Result<(Option<Checkpoint>, Position)> {
    let settings = job.settings;
    let identity = JobIdentity {
        collection: settings.collection.id().to_owned(),
        function: settings.function_key(),
        mode: settings.mode.name().to_owned(),
        shard: (settings.shard.index, settings.shard.count),
        content_hash: settings.content_hash.clone(),
        documents: settings.document_key.clone(),
    };
    let (mut checkpoint, found) = if settings.dry_run {
        (None, Checkpoint::peek(path, &identity)?)
    } else {
        let (checkpoint, found) = Checkpoint::open(path, identity)?;
        (Some(checkpoint), found)
    };
    let start = match found {
        Found::Position(start) => start,
        Found::DifferentJob(difference) if may_restart => {
            log_restart(job, difference);
            Position::START
        }
        Found::DifferentJob(difference) => {
            return Err(different_job(path, difference, START_AGAIN).into());
        }
    };
    if let Some(checkpoint) = &mut checkpoint {
        checkpoint.start(start)?;
    }
    Ok((checkpoint, start))
}

/// Logs that the checkpoint belongs to a job that differs in `what`.
pub(super) fn log_restart(job: &Job<'_>, what: &str) {
    log::info!(
        target: logs::INGEST, collection = logs::text(job.settings.collection.name());
        "{}: the checkpoint belongs to a job with a different {what}; starting from the beginning",
        job.call
    );
}
