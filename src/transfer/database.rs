//! [`CopyDatabase`]: copies all collections of a database.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::checkpoint::{IF_EXISTS, START_AGAIN, Saved};
use super::copy::Copied;
use super::existing::IfExists;
use super::report::CopyReport;
use super::settings::{Settings, settings_methods};
use super::target::{create_database, place};
use crate::client::Client;
use crate::collection::Collection;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::ingest::checkpoint::{Checkpoint, Found, Identity, different_job};

/// The name of the operation in errors.
const COPY_DATABASE: &str = "copy_database";

impl Client {
    /// Copies all collections of this client's database to the database of another client, which is created if
    /// it does not exist. See [`Collection::copy_to`].
    ///
    /// ```no_run
    /// # use chroma_blocking::Client;
    /// let old = Client::new("old.example.com:8000")?;
    /// let new = Client::new("new.example.com:8000")?;
    /// for report in old.copy_database_to(&new).checkpoint("all.ckpt").run()? {
    ///     println!("{report}");
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn copy_database_to<'a>(&self, target: &Client) -> CopyDatabase<'a> {
        CopyDatabase {
            source: self.clone(),
            target: target.clone(),
            rename: Box::new(str::to_owned),
            settings: Settings::default(),
        }
    }
}

/// A copy of all collections of a database; see [`Client::copy_database_to`].
///
/// The collections are copied one after the other, each as by [`CopyCollection`](super::CopyCollection). With a
/// [checkpoint](CopyDatabase::checkpoint), a later run leaves out the collections that are complete.
#[must_use = "copies nothing until run() is called"]
pub struct CopyDatabase<'a> {
    source: Client,
    target: Client,
    rename: Box<dyn Fn(&str) -> String + 'a>,
    settings: Settings<'a>,
}

impl<'a> CopyDatabase<'a> {
    /// Sets a function that returns the name of the copy of a collection. Default: the same name.
    pub fn rename(mut self, rename: impl Fn(&str) -> String + 'a) -> Self {
        self.rename = Box::new(rename);
        self
    }

    settings_methods! {
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, dry_run, on_progress
    }

    /// Copies the collections, and returns a report for each that this run has copied.
    ///
    /// # Errors
    /// As for [`CopyCollection::run`](super::CopyCollection::run). If a collection exists in the target and
    /// must not, nothing has been written. Collections before the one that failed are complete.
    /// [`Error::Invalid`] if two collections get the same name, or for a checkpoint of another copy.
    pub fn run(self) -> Result<Vec<CopyReport>> {
        let call = Call::new(COPY_DATABASE, Some(self.source.database()));
        let invalid = |reason| call.clone().invalid(reason);
        self.settings.check().map_err(invalid)?;
        let collections = self.source.list_collections().run()?;
        self.check_names(&collections).map_err(invalid)?;
        let mut saved = self.open_checkpoint()?;
        if !self.open_database()? {
            // A dry run, whose database does not exist.
            return Ok(Vec::new());
        }
        let left = self.find_left(collections, saved.as_ref(), &call)?;
        if let Some(saved) = &mut saved {
            saved.write()?;
        }
        let mut reports = Vec::new();
        for collection in left {
            if self.settings.is_cancelled() {
                break;
            }
            let copied = self.copy(&collection)?;
            if let Some(saved) = saved.as_mut().filter(|_| !copied.report.cancelled) {
                // Before its own checkpoint is deleted, so that no collection is without both.
                saved.add(self.pair(&collection))?;
            }
            reports.push(copied.finish()?);
        }
        if let Some(saved) = saved.filter(|_| !self.settings.is_cancelled()) {
            saved.checkpoint.delete()?;
        }
        Ok(reports)
    }

    /// Returns the id of a collection, and the name of its copy.
    fn pair(&self, collection: &Collection) -> (String, String) {
        let name = (self.rename)(collection.name());
        (collection.id().to_owned(), name)
    }

    fn copy(&self, collection: &Collection) -> Result<Copied> {
        let settings = &self.settings;
        let mut copy = collection
            .copy_to(&self.target)
            .name((self.rename)(collection.name()));
        copy.settings = Settings {
            if_exists: settings.if_exists,
            allow_losses: settings.allow_losses,
            verify: settings.verify,
            checkpoint: settings
                .checkpoint
                .as_deref()
                .map(|path| checkpoint_of(path, collection)),
            max_rate: settings.max_rate,
            retry: settings.retry,
            concurrency: settings.concurrency,
            cancel: settings.cancel.clone(),
            dry_run: settings.dry_run,
            on_progress: RefCell::new(Box::new(|progress| settings.report(progress))),
        };
        copy.copy()
    }

    /// Refuses two copies with the same name.
    fn check_names(&self, collections: &[Collection]) -> Result<(), InvalidInput> {
        let mut names = HashSet::new();
        for collection in collections {
            let name = (self.rename)(collection.name());
            if !names.insert(name.clone()) {
                let why = "two collections would get this name";
                return Err(InvalidInput::setting("rename", name, why));
            }
        }
        Ok(())
    }

    /// Returns the collections that are not complete. Fails before anything is written if a target exists and
    /// must not.
    fn find_left(
        &self,
        collections: Vec<Collection>,
        saved: Option<&SavedDatabase>,
        call: &Call,
    ) -> Result<Vec<Collection>> {
        let existing = self.target.list_collections().run()?;
        let existing: HashSet<&str> = existing.iter().map(Collection::name).collect();
        let done = saved.map(|saved| saved.done.iter().cloned().collect());
        let done: HashSet<(String, String)> = done.unwrap_or_default();
        let mut left = Vec::new();
        for collection in collections {
            let path = self
                .settings
                .checkpoint
                .as_deref()
                .filter(|_| saved.is_some());
            let own_checkpoint = path.map(|path| checkpoint_of(path, &collection));
            let pair = self.pair(&collection);
            let exists = existing.contains(pair.1.as_str());
            if done.contains(&pair) {
                // Left by a run that was killed when the collection was complete.
                own_checkpoint.as_deref().map_or(Ok(()), Saved::remove)?;
                if exists {
                    continue;
                }
            } else if exists && self.settings.if_exists == IfExists::Fail {
                // With a checkpoint, the target is that of an earlier run.
                if !own_checkpoint.is_some_and(|path| path.exists()) {
                    return Err(super::target::exists(call, &pair.1));
                }
            }
            left.push(collection);
        }
        Ok(left)
    }

    /// Creates the target's database if it does not exist. Returns `false` in a dry run if it does not.
    fn open_database(&self) -> Result<bool> {
        if !self.settings.dry_run {
            return create_database(&self.target).map(|()| true);
        }
        match self.target.get_database(self.target.database()) {
            Err(Error::NotFound { .. }) => Ok(false),
            found => found.map(|_| true),
        }
    }

    fn open_checkpoint(&self) -> Result<Option<SavedDatabase>> {
        let path = self.settings.checkpoint.as_deref();
        let Some(path) = path.filter(|_| !self.settings.dry_run) else {
            return Ok(None);
        };
        let job = DatabaseCopy {
            source: place(&self.source),
            target: place(&self.target),
            if_exists: self.settings.if_exists,
        };
        match Checkpoint::open(path, job)? {
            (checkpoint, Found::Position(Done { collections: done })) => {
                Ok(Some(SavedDatabase { checkpoint, done }))
            }
            (_, Found::DifferentJob(what)) => Err(different_job(path, what, START_AGAIN).into()),
        }
    }
}

/// Returns the path of the checkpoint of one collection.
fn checkpoint_of(database: &Path, collection: &Collection) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".");
    path.push(collection.id());
    path.into()
}

/// Identifies the copy of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DatabaseCopy {
    /// The server, the tenant and the database.
    source: [String; 3],
    target: [String; 3],
    if_exists: IfExists,
}

impl Identity for DatabaseCopy {
    fn difference(&self, other: &DatabaseCopy) -> Option<&'static str> {
        if self.source != other.source {
            return Some("source");
        }
        if self.target != other.target {
            return Some("target");
        }
        (self.if_exists != other.if_exists).then_some(IF_EXISTS)
    }
}

/// How far the copy of a database has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Done {
    /// The collections that are complete: the id of each, and the name of its copy.
    collections: Vec<(String, String)>,
}

/// The checkpoint of the copy of a database.
struct SavedDatabase {
    checkpoint: Checkpoint<DatabaseCopy, Done>,
    done: Vec<(String, String)>,
}

impl SavedDatabase {
    /// Records that a collection is complete.
    fn add(&mut self, pair: (String, String)) -> Result<()> {
        self.done.push(pair);
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        self.checkpoint.start(Done {
            collections: self.done.clone(),
        })
    }
}

impl fmt::Debug for CopyDatabase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyDatabase")
            .field("source", &self.source)
            .field("target", &self.target)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
