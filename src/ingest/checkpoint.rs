//! [`Checkpoint`]: a small file that records how far a job has come.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::hash::InputHash;
use crate::durable::sync_folder;
use crate::error::{Error, InvalidInput};

/// The minimum time between two updates of the file, because syncing a file takes time.
const UPDATE_INTERVAL: Duration = Duration::from_millis(50);
/// The version of the file format.
const VERSION: u32 = 1;

/// Identifies a job, so that a checkpoint is never used for a different one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobIdentity {
    /// The collection's id.
    pub(super) collection: String,
    /// The cache key of the embedding function.
    pub(super) function: Option<String>,
    pub(super) mode: String,
    /// The index and the count.
    pub(super) shard: (u32, u32),
    /// The metadata key of the content hash.
    pub(super) content_hash: Option<String>,
    /// The metadata key of the document's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) documents: Option<String>,
}

/// A position in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The number of items before it.
    pub(super) items: u64,
    /// The [`InputHash`] of these items.
    pub(super) input: u64,
}

impl Position {
    pub(super) const START: Position = Position {
        items: 0,
        input: InputHash::START.0,
    };
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    job: JobIdentity,
    done: Position,
}

/// The checkpoint file of a running job.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    job: JobIdentity,
    /// When the file was updated last.
    updated: Option<Instant>,
    /// A later position than the one in the file.
    pending: Option<Position>,
}

impl Checkpoint {
    /// Opens or creates the file, and returns the position in it.
    ///
    /// # Errors
    /// If the file belongs to a different job, is not a checkpoint, or cannot be read or written.
    pub(super) fn open(
        path: &Path,
        job: JobIdentity,
    ) -> Result<(Checkpoint, Position), InvalidInput> {
        let position = Checkpoint::position(path, &job)?;
        let checkpoint = Checkpoint {
            path: path.to_owned(),
            job,
            updated: None,
            pending: None,
        };
        // A file that cannot be written is found now rather than after the first hour.
        checkpoint
            .write(position)
            .map_err(|error| invalid(path, format!("cannot be written: {error}")))?;
        Ok((checkpoint, position))
    }

    /// Returns the position in the file, or the start if the file does not exist.
    ///
    /// # Errors
    /// If the file belongs to a different job, is not a checkpoint, or cannot be read.
    pub(super) fn position(path: &Path, job: &JobIdentity) -> Result<Position, InvalidInput> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Position::START),
            Err(error) => return Err(invalid(path, format!("cannot be read: {error}"))),
        };
        let content: Content = serde_json::from_slice(&bytes).map_err(|error| {
            invalid(
                path,
                format!("not a checkpoint file ({error}); name another file"),
            )
        })?;
        if let Some(difference) = content.difference(job) {
            return Err(invalid(
                path,
                format!(
                    "the file belongs to a job with a different {difference}; name another file, or delete it to start from the beginning"
                ),
            ));
        }
        Ok(content.done)
    }

    /// Records a new position. Updates the file unless that was done a moment ago.
    pub(super) fn advance(&mut self, position: Position) -> Result<(), Error> {
        self.pending = Some(position);
        let is_recent = |at: Instant| at.elapsed() < UPDATE_INTERVAL;
        if self.updated.is_some_and(is_recent) {
            return Ok(());
        }
        self.flush()
    }

    /// Updates the file if it does not hold the latest position.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if let Some(position) = self.pending.take() {
            self.write(position).map_err(|error| self.failed(error))?;
            self.updated = Some(Instant::now());
        }
        Ok(())
    }

    /// Deletes the file, because the job is complete.
    pub(super) fn delete(self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io {
            message: format!("cannot write the checkpoint {}", self.path.display()),
            source,
        }
    }

    /// Replaces the file atomically and durably.
    fn write(&self, done: Position) -> io::Result<()> {
        let content = Content {
            version: VERSION,
            job: self.job.clone(),
            done,
        };
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)
    }
}

/// Returns the error of a checkpoint file whose items are not those of the input.
pub(super) fn different_input(path: &Path, done: Position) -> InvalidInput {
    let items = done.items;
    invalid(
        path,
        format!(
            "the file belongs to a different input, whose first {items} items are not those of this one; name another file, or delete it to start from the beginning"
        ),
    )
}

fn invalid(path: &Path, why: String) -> InvalidInput {
    InvalidInput::setting("checkpoint", path.display().to_string(), why)
}

impl Content {
    /// Returns the first property that differs from those of `job`.
    fn difference(&self, job: &JobIdentity) -> Option<&'static str> {
        let properties = [
            (self.version == VERSION, "version of this crate"),
            (self.job.collection == job.collection, "collection"),
            (self.job.function == job.function, "embedding function"),
            (self.job.mode == job.mode, "mode"),
            (self.job.shard == job.shard, "shard"),
            (
                self.job.content_hash == job.content_hash,
                "content hash key",
            ),
            (self.job.documents == job.documents, "document key"),
        ];
        let mut different = properties.into_iter().filter(|(is_equal, _)| !is_equal);
        different.next().map(|(_, name)| name)
    }
}
