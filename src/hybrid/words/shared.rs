//! [`Shared`]: the state of an index of words, its collection and its file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::file::{self, Found, Header};
use super::own_writes::{OwnWrites, lock};
use super::state::{Full, State};
use crate::collection::{Collection, stamp};
use crate::embed::{Bm25, SparseEmbeddingFunction};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::logs;

/// The name of the calls of an index in errors and progress.
pub(super) const OPERATION: &str = "word_index";

/// The state that all clones share.
pub(super) struct Shared {
    /// The collection without the limits of one call, to read from.
    pub(super) collection: Collection,
    pub(super) bm25: Bm25,
    pub(super) key: Option<String>,
    pub(super) lookback: Duration,
    pub(super) path: Option<PathBuf>,
    pub(super) own_writes: Arc<OwnWrites>,
    pub(super) last_look: Mutex<LastLook>,
    pub(super) state: RwLock<State>,
}

/// The time of the last look at the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastLook {
    pub(super) began: Instant,
    /// The same in microseconds since 1970, by the clock of this machine.
    pub(super) at: i64,
}

impl LastLook {
    pub(super) fn now() -> LastLook {
        LastLook {
            began: Instant::now(),
            at: stamp::now(),
        }
    }
}

impl Shared {
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the state from the file. Returns whether there is one that can be used.
    pub(super) fn load(&mut self) -> Result<bool> {
        let Some(path) = self.path.clone() else {
            return Ok(false);
        };
        let name = path.display();
        let found = file::read(&path).map_err(|source| Error::Io {
            message: format!("cannot read {name}"),
            source,
        })?;
        let why = match found {
            Found::Nothing => return Ok(false),
            Found::OtherFile => {
                log::warn!(
                    target: logs::CLIENT,
                    "{name} is not an index of words and is left as it is; the index is kept in memory only: name \
                     another file, or delete this one"
                );
                self.path = None;
                return Ok(false);
            }
            Found::Unusable(why) => why,
            Found::Index(header, _) if header.collection != self.collection.id() => {
                "it belongs to another collection".to_owned()
            }
            Found::Index(header, _) if header.bm25 != self.bm25.config() => {
                "its settings are different".to_owned()
            }
            Found::Index(header, state) => {
                *self.state_mut() = *state;
                lock(&self.last_look).at = header.looked_at;
                return Ok(true);
            }
        };
        log::warn!(target: logs::CLIENT, "the index of words {name} is built again: {why}");
        Ok(false)
    }

    /// Writes the file, if there is one.
    pub(super) fn save(&self) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let last_look = lock(&self.last_look);
        {
            let mut state = self.state_mut();
            if state.has_changed() {
                state.merge(None);
            }
        }
        let header = Header::new(self.collection.id(), self.bm25.config(), last_look.at);
        file::write(path, &header, &self.state()).map_err(|source| Error::Io {
            message: format!("cannot write {}", path.display()),
            source,
        })
    }

    /// Builds the index again, for a search or a caller.
    pub(super) fn rebuild(&self, collection: &Collection) -> Result<()> {
        let mut last_look = lock(&self.last_look);
        let now = LastLook::now();
        let own = self.own_writes.take();
        let built = self.build(collection);
        if built.is_err() {
            self.own_writes.put_back(own);
        }
        built?;
        *last_look = now;
        Ok(())
    }

    /// Refuses a collection whose records have no documents.
    pub(super) fn refuse_no_documents(&self) -> Result<()> {
        let (records, with_text) = {
            let state = self.state();
            (state.documents.live(), state.documents.with_text())
        };
        if records == 0 || with_text > 0 {
            return Ok(());
        }
        let why = format!(
            "none of its {records} records has a document, so there are no words to search; write documents first"
        );
        Err(self.unusable(&why))
    }

    pub(super) fn too_large(&self, _: &Full) -> Error {
        self.unusable(
            "its ids have more than 4 GiB together, which is more than an index of words holds",
        )
    }

    /// Returns the error for a collection that can have no index.
    fn unusable(&self, why: &str) -> Error {
        let name = self.collection.name();
        let reason = InvalidInput::setting("collection", name, why);
        Call::new(OPERATION, Some(name)).invalid(reason)
    }
}
