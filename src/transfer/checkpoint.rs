//! [`TransferCheckpoint`]: which collections of a transfer have been started, and which are complete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::existing::IfExists;
use super::settings::Settings;
use crate::durable::in_use::{InUse, Purpose};
use crate::error::{InvalidInput, Result};
use crate::ingest::checkpoint::{Checkpoint, Found, Identity, different_job};

/// The advice for a checkpoint of another transfer.
const START_AGAIN: &str = "name another file, or delete it to start from the beginning";

/// Identifies a transfer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Properties {
    pub(super) operation: String,
    /// The id of the source's collection, the place of its database, or the hash of a backup.
    pub(super) source: String,
    /// The address of the target's server, its tenant, its database, and the name of the target if there is
    /// only one.
    pub(super) target: Vec<String>,
    pub(super) if_exists: IfExists,
    /// The hash of the filter, which can be large.
    pub(super) filter: Option<String>,
    /// The distance function, if the caller has set it.
    pub(super) space: Option<String>,
    /// The cache key of a new embedding function.
    pub(super) function: Option<String>,
}

impl Identity for Properties {
    fn difference(&self, other: &Properties) -> Option<&'static str> {
        let properties = [
            (self.operation == other.operation, "operation"),
            (self.source == other.source, "source"),
            (self.target == other.target, "target"),
            (
                self.if_exists == other.if_exists,
                "treatment of existing collections",
            ),
            (self.filter == other.filter, "filter"),
            (self.space == other.space, "distance function"),
            (self.function == other.function, "embedding function"),
        ];
        let mut different = properties.into_iter().filter(|(is_equal, _)| !is_equal);
        different.next().map(|(_, name)| name)
    }
}

/// How far the transfer of a collection has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Whether the target is created by this transfer. Written before it is created.
    pub(super) creates: bool,
    /// The id of the target, once it exists.
    pub(super) collection: Option<String>,
    pub(super) is_complete: bool,
}

/// The checkpoint of a running transfer. If the caller has named no file, it is only kept in memory.
#[derive(Debug)]
pub(super) struct TransferCheckpoint {
    file: Option<Checkpoint<Properties, Positions>>,
    _in_use: Option<InUse>,
    positions: Positions,
}

/// The positions by the keys of their collections.
type Positions = BTreeMap<String, Position>;

impl TransferCheckpoint {
    /// Opens the file of the settings, if there is one. A dry run uses none.
    pub(super) fn open(
        settings: &Settings<'_>,
        properties: Properties,
    ) -> Result<TransferCheckpoint> {
        let path = settings.checkpoint.as_deref();
        let Some(path) = path.filter(|_| !settings.dry_run) else {
            return Ok(TransferCheckpoint {
                file: None,
                _in_use: None,
                positions: Positions::new(),
            });
        };
        let refused = |other: Purpose| {
            let path = path.display().to_string();
            InvalidInput::setting("checkpoint", path, other.refusal())
        };
        let in_use = InUse::claim(path, Purpose::Checkpoint).map_err(refused)?;
        let (file, found) = Checkpoint::open(path, properties)?;
        match found {
            Found::Position(positions) => Ok(TransferCheckpoint {
                file: Some(file),
                _in_use: in_use,
                positions,
            }),
            Found::DifferentJob(what) => Err(different_job(path, what, START_AGAIN).into()),
        }
    }

    /// Returns the position of a collection.
    pub(super) fn position(&self, key: &str) -> Position {
        self.positions.get(key).cloned().unwrap_or_default()
    }

    /// Changes the position of a collection, and writes the file at once.
    pub(super) fn change(&mut self, key: &str, change: impl FnOnce(&mut Position)) -> Result<()> {
        change(self.positions.entry(key.to_owned()).or_default());
        match &mut self.file {
            Some(file) => file.start(self.positions.clone()),
            None => Ok(()),
        }
    }

    /// Deletes the file, because the transfer is complete.
    pub(super) fn delete(self) -> Result<()> {
        self.file.map_or(Ok(()), Checkpoint::delete)
    }
}
