//! [`Checkpoint`]: a small file that records how far a job has come.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::hash::InputHash;
use crate::durable::Target;
use crate::durable::lock::{FileLock, LockError};
use crate::durable::replacement::{Replacement, remove_leftovers};
use crate::error::{Error, InvalidInput, Result};
use crate::logs;
use crate::printable::OneLine;

/// The minimum time between two updates of the file, because syncing a file takes time.
const UPDATE_INTERVAL: Duration = Duration::from_millis(50);
/// The version of the file format.
const VERSION: u32 = 1;
/// A larger file is not a checkpoint.
const MAX_LEN: u64 = 64 << 20;
/// The advice for a checkpoint of another batch job or input.
pub(super) const START_AGAIN: &str = "name another file, delete it to start from the beginning, or let the job do so with .restart_with(...)";

/// Identifies a job, so that a checkpoint is never used for a different one.
pub(crate) trait Identity: Clone + Serialize + DeserializeOwned {
    /// Returns the first property that differs from those of another job.
    fn difference(&self, other: &Self) -> Option<&'static str>;
}

/// Identifies a batch job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobIdentity {
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
pub(crate) struct Position {
    /// The number of items before it.
    pub(super) items: u64,
    /// The [`InputHash`] of these items.
    pub(super) input: u64,
}

impl Default for Position {
    fn default() -> Position {
        Position::START
    }
}

impl Position {
    pub(super) const START: Position = Position {
        items: 0,
        input: InputHash::START.0,
    };
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Content<J, P> {
    version: u32,
    job: J,
    done: P,
}

/// The result of reading a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<P = Position> {
    /// The position of an earlier run, or the start if there is no file.
    Position(P),
    /// The checkpoint of a job with a different property.
    DifferentJob(&'static str),
}

/// The checkpoint file of a running job. `J` identifies the job, and `P` is a position in its input.
#[derive(Debug)]
pub(crate) struct Checkpoint<J = JobIdentity, P = Position> {
    /// The path without links, since a link's target is replaced and not the link.
    path: PathBuf,
    /// The path as the caller gave it.
    name: String,
    job: J,
    /// The content that this job has written last.
    written: Vec<u8>,
    /// When the file was updated last.
    updated: Option<Instant>,
    /// A later position than the one in the file.
    pending: Option<P>,
    _lock: FileLock,
}

impl<J, P> Checkpoint<J, P>
where
    J: Identity,
    P: Clone + Default + Serialize + DeserializeOwned,
{
    /// Locks the path, and reads the file there. Creates no checkpoint yet.
    ///
    /// # Errors
    /// If another job holds the lock, or the file is not a checkpoint or cannot be read.
    pub(crate) fn open(path: &Path, job: J) -> Result<(Checkpoint<J, P>, Found<P>)> {
        let name = path.display().to_string();
        let file = Target::file(path).map_err(|error| cannot("write", &name, error))?;
        let lock_path = lock_path(&file);
        let lock =
            FileLock::acquire(&lock_path).map_err(|error| lock_failed(&name, &lock_path, error))?;
        if !lock.is_effective() {
            log::warn!(
                target: logs::INGEST,
                "the checkpoint {} cannot be locked on this system; run no other job with it",
                OneLine(&name)
            );
        }
        remove_leftovers(&file);
        let (written, found) = read(&file, &name, &job)?;
        let checkpoint = Checkpoint {
            path: file,
            name,
            job,
            written,
            updated: None,
            pending: None,
            _lock: lock,
        };
        Ok((checkpoint, found))
    }

    /// Reads the file without a lock.
    ///
    /// # Errors
    /// If the file is not a checkpoint, or cannot be read.
    pub(crate) fn peek(path: &Path, job: &J) -> Result<Found<P>> {
        let name = path.display().to_string();
        let file = Target::file(path).map_err(|error| cannot("read", &name, error))?;
        Ok(read(&file, &name, job)?.1)
    }

    /// Records the position to start from. Fails at the start of the job if the file cannot be written.
    pub(crate) fn start(&mut self, position: P) -> Result<()> {
        self.write(position)
    }

    /// Records a new position. Updates the file unless that was done a moment ago.
    pub(crate) fn advance(&mut self, position: P) -> Result<()> {
        self.pending = Some(position);
        let is_recent = |at: Instant| at.elapsed() < UPDATE_INTERVAL;
        if self.updated.is_some_and(is_recent) {
            return Ok(());
        }
        self.flush()
    }

    /// Updates the file if it does not hold the latest position.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if let Some(position) = self.pending.take() {
            self.write(position)?;
            self.updated = Some(Instant::now());
        }
        Ok(())
    }

    /// Deletes the file, because the job is complete.
    pub(crate) fn delete(self) -> Result<()> {
        if let Err(error) = self.check_unchanged() {
            // It belongs to the other job now, and this one is done.
            log::warn!(target: logs::INGEST, "the checkpoint is not deleted: {error:#}");
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(cannot("write", &self.name, error))
            }
            _ => Ok(()),
        }
    }

    /// Replaces the file atomically and durably.
    fn write(&mut self, done: P) -> Result<()> {
        self.check_unchanged()?;
        let content = Content {
            version: VERSION,
            job: self.job.clone(),
            done,
        };
        let replace = || {
            let content = serde_json::to_vec(&content)?;
            let replacement = Replacement::create(&self.path)?;
            replacement.file().write_all(&content)?;
            replacement.commit()?;
            Ok(content)
        };
        self.written = replace().map_err(|error| cannot("write", &self.name, error))?;
        Ok(())
    }

    /// Finds jobs that the lock does not stop: those on other machines and in other containers.
    fn check_unchanged(&self) -> Result<()> {
        match read_limited(&self.path) {
            Ok(found) if found != self.written => {
                let why = "another job, perhaps on another machine, has changed it";
                let error = io::Error::new(ErrorKind::ResourceBusy, why);
                Err(cannot("write", &self.name, error))
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(cannot("read", &self.name, error))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the path of the lock: a separate file, since the checkpoint itself is replaced.
pub(crate) fn lock_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// Reads the checkpoint at a path. Returns its bytes as well.
fn read<J, P>(file: &Path, name: &str, job: &J) -> Result<(Vec<u8>, Found<P>)>
where
    J: Identity,
    P: Default + DeserializeOwned,
{
    let bytes = match read_limited(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok((Vec::new(), Found::Position(P::default())));
        }
        Err(error) => return Err(cannot("read", name, error)),
    };
    let content: Content<J, P> = serde_json::from_slice(&bytes).map_err(|error| {
        let why = format!(
            "not a checkpoint file ({error}); name another file, or delete it to start from the beginning"
        );
        Error::from(invalid(name, why))
    })?;
    let found = match content.difference(job) {
        None => Found::Position(content.done),
        Some(difference) => Found::DifferentJob(difference),
    };
    Ok((bytes, found))
}

/// Reads a file, but no more of it than a checkpoint can have.
fn read_limited(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lock_failed(name: &str, lock_path: &Path, error: LockError) -> Error {
    match error {
        LockError::Held(holder) => {
            let holder = holder.map_or(String::new(), |id| format!(" (pid {id})"));
            let why = "wait until it has ended, or name another file";
            Error::Io {
                message: format!("another job uses the checkpoint {name}{holder}"),
                source: io::Error::new(ErrorKind::ResourceBusy, why),
            }
        }
        LockError::NotALock => {
            let why = "its lock file, with the same name and .lock at the end, has other content; name another file";
            invalid(name, why.to_owned()).into()
        }
        LockError::Io(source) => {
            // For example, the file of a killed process of another user.
            let cure = if lock_path.exists() {
                "; delete that file if no job uses it"
            } else {
                ""
            };
            let lock = lock_path.display();
            Error::Io {
                message: format!("cannot lock the checkpoint {name} with {lock}{cure}"),
                source,
            }
        }
    }
}

fn cannot(act: &str, name: &str, source: io::Error) -> Error {
    let message = format!("cannot {act} the checkpoint {name}");
    Error::Io { message, source }
}

/// Returns the error of a checkpoint file of a job with a different property.
pub(crate) fn different_job(path: &Path, difference: &str, advice: &str) -> InvalidInput {
    let why = format!("the file belongs to a job with a different {difference}; {advice}");
    invalid(&path.display().to_string(), why)
}

/// Returns the error of a checkpoint file whose items are not those of the input.
pub(super) fn different_input(path: &Path, done: Position) -> InvalidInput {
    let items = done.items;
    let why = format!(
        "the file belongs to a different input, whose first {items} items are not those of this one; {START_AGAIN}"
    );
    invalid(&path.display().to_string(), why)
}

fn invalid(name: &str, why: String) -> InvalidInput {
    InvalidInput::setting("checkpoint", name, why)
}

impl<J: Identity, P> Content<J, P> {
    /// Returns the first property that differs from those of `job`.
    fn difference(&self, job: &J) -> Option<&'static str> {
        if self.version != VERSION {
            return Some("version of this crate");
        }
        self.job.difference(job)
    }
}

impl Identity for JobIdentity {
    fn difference(&self, other: &JobIdentity) -> Option<&'static str> {
        let properties = [
            (self.collection == other.collection, "collection"),
            (self.function == other.function, "embedding function"),
            (self.mode == other.mode, "mode"),
            (self.shard == other.shard, "shard"),
            (self.content_hash == other.content_hash, "content hash key"),
            (self.documents == other.documents, "document key"),
        ];
        let mut different = properties.into_iter().filter(|(is_equal, _)| !is_equal);
        different.next().map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Folder;

    #[test]
    fn field_15_the_error_of_a_lock_file_that_cannot_be_opened_names_that_file() {
        let folder = Folder::new();
        let lock = lock_path(&folder.0.join("job.ckpt"));
        let failed = || {
            let denied = LockError::Io(ErrorKind::PermissionDenied.into());
            lock_failed("job.ckpt", &lock, denied).to_string()
        };
        let message = format!(
            "cannot lock the checkpoint job.ckpt with {}",
            lock.display()
        );
        assert_eq!(failed(), message);
        // Left by a run of another user.
        fs::write(&lock, "123\n").unwrap();
        let cure = "; delete that file if no job uses it";
        assert_eq!(failed(), format!("{message}{cure}"));
    }
}
