//! [`Saved`]: the checkpoint of a transfer.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::existing::IfExists;
use crate::durable::in_use::{InUse, Purpose};
use crate::error::{Error, InvalidInput, Result};
use crate::ingest::checkpoint::{Checkpoint, Found, Identity, different_job, lock_path};

/// The advice for a checkpoint of another transfer.
pub(super) const START_AGAIN: &str = "name another file, or delete it to start from the beginning";
/// The name of a property in errors.
pub(super) const IF_EXISTS: &str = "treatment of existing collections";

/// Identifies a transfer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub(super) operation: String,
    /// The id of the source's collection, or the hash of a backup.
    pub(super) source: String,
    /// The address of the target's server, its tenant, its database, and the name of the target.
    pub(super) target: [String; 4],
    pub(super) if_exists: IfExists,
    /// The hash of the filter, which can be large.
    pub(super) filter: Option<String>,
    /// The distance function, if the caller has set it.
    pub(super) space: Option<String>,
    /// The cache key of a new embedding function.
    pub(super) function: Option<String>,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progressed {
    /// Whether the target is created by this transfer. Written before it is created.
    pub(super) creates: bool,
    /// The id of the target's collection, once it exists.
    pub(super) collection: Option<String>,
    /// The key of the list of ids that `done` counts.
    pub(super) list: Option<u64>,
    /// The number of positions of the source that are written.
    pub(super) done: u64,
    /// Whether nothing is left to do but to delete the checkpoints.
    #[serde(default)]
    pub(super) is_complete: bool,
}

/// The checkpoint of a running transfer.
#[derive(Debug)]
pub(super) struct Saved {
    checkpoint: Checkpoint<Transfer, Progressed>,
    pub(super) progressed: Progressed,
    /// The path of the list of ids.
    pub(super) ids: PathBuf,
    _in_use: Vec<InUse>,
}

impl Saved {
    /// Opens the checkpoint at a path.
    pub(super) fn open(path: &Path, transfer: Transfer) -> Result<Saved> {
        let mut in_use = Vec::new();
        for path in [path, &ids_path(path)] {
            let refused = |other: Purpose| {
                let path = path.display().to_string();
                InvalidInput::setting("checkpoint", path, other.refusal())
            };
            in_use.extend(InUse::claim(path, Purpose::Checkpoint).map_err(refused)?);
        }
        let (checkpoint, found) = Checkpoint::open(path, transfer)?;
        match found {
            Found::Position(progressed) => Ok(Saved {
                ids: ids_path(path),
                checkpoint,
                progressed,
                _in_use: in_use,
            }),
            Found::DifferentJob(what) => Err(different_job(path, what, START_AGAIN).into()),
        }
    }

    /// Changes the checkpoint, and writes it at once.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Progressed)) -> Result<()> {
        change(&mut self.progressed);
        self.checkpoint.start(self.progressed.clone())
    }

    /// Records how many positions are written.
    pub(super) fn advance(&mut self, done: u64) -> Result<()> {
        self.progressed.done = done;
        self.checkpoint.advance(self.progressed.clone())
    }

    /// Writes what was recorded last.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.checkpoint.flush()
    }

    /// Deletes the checkpoint, because the transfer is complete.
    pub(super) fn delete(self) -> Result<()> {
        self.checkpoint.delete()
    }

    /// Removes the files of a transfer that is known to be complete.
    pub(super) fn remove(path: &Path) -> Result<()> {
        for file in [path, &ids_path(path), &lock_path(path)] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let message = format!("cannot remove the checkpoint {}", file.display());
                    return Err(Error::Io {
                        message,
                        source: error,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the path of the list of ids next to a checkpoint.
fn ids_path(checkpoint: &Path) -> PathBuf {
    let mut path = checkpoint.as_os_str().to_owned();
    path.push(".ids");
    path.into()
}

impl Identity for Transfer {
    fn difference(&self, other: &Transfer) -> Option<&'static str> {
        let properties = [
            (self.operation == other.operation, "operation"),
            (self.source == other.source, "source"),
            (self.target == other.target, "target"),
            (self.if_exists == other.if_exists, IF_EXISTS),
            (self.filter == other.filter, "filter"),
            (self.space == other.space, "distance function"),
            (self.function == other.function, "embedding function"),
        ];
        let mut different = properties.into_iter().filter(|(is_equal, _)| !is_equal);
        different.next().map(|(_, name)| name)
    }
}
