//! [`CopyDatabase`]: copies all collections of a database.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::report::CopyReport;
use super::settings::{Settings, settings_methods};
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
        let is_done = |saved: &Option<SavedDatabase>, id: &str| {
            let done = saved.as_ref().map(|saved| &saved.done);
            done.is_some_and(|done| done.iter().any(|done| done == id))
        };
        self.check_targets(&collections, saved.as_ref(), &call)?;
        let mut reports = Vec::new();
        for collection in collections {
            if self.settings.is_cancelled() {
                break;
            }
            if is_done(&saved, collection.id()) {
                continue;
            }
            let report = self.copy(&collection)?;
            let is_complete = !report.cancelled;
            reports.push(report);
            if let Some(saved) = saved.as_mut().filter(|_| is_complete) {
                saved.add(collection.id())?;
            }
        }
        if let Some(saved) = saved.filter(|_| !self.settings.is_cancelled()) {
            saved.checkpoint.delete()?;
        }
        Ok(reports)
    }

    fn copy(&self, collection: &Collection) -> Result<CopyReport> {
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
        copy.run()
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

    /// Fails before anything is written if a target exists and must not.
    fn check_targets(
        &self,
        collections: &[Collection],
        saved: Option<&SavedDatabase>,
        call: &Call,
    ) -> Result<()> {
        // Some of the targets are those of an earlier run.
        let continues = saved.is_some_and(|saved| saved.continues);
        if self.settings.if_exists != super::IfExists::Fail || continues {
            return Ok(());
        }
        let existing = self.target.list_collections().run()?;
        let existing: HashSet<&str> = existing.iter().map(Collection::name).collect();
        for collection in collections {
            let name = (self.rename)(collection.name());
            if existing.contains(name.as_str()) {
                return Err(super::target::exists(call, &name));
            }
        }
        Ok(())
    }

    /// Creates the target's database if it does not exist. Returns `false` in a dry run if it does not.
    fn open_database(&self) -> Result<bool> {
        let name = self.target.database();
        match self.target.get_database(name) {
            Err(Error::NotFound { .. }) if self.settings.dry_run => Ok(false),
            Err(Error::NotFound { .. }) => self.target.create_database(name).map(|()| true),
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
        };
        match Checkpoint::open(path, job)? {
            (mut checkpoint, Found::Position(Done { collections })) => {
                let continues = collections.is_some();
                let done = collections.unwrap_or_default();
                checkpoint.start(Done {
                    collections: Some(done.clone()),
                })?;
                Ok(Some(SavedDatabase {
                    checkpoint,
                    done,
                    continues,
                }))
            }
            (_, Found::DifferentJob(what)) => Err(different_job(path, what).into()),
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

fn place(client: &Client) -> [String; 3] {
    [client.url(), client.tenant(), client.database()].map(str::to_owned)
}

/// Identifies the copy of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DatabaseCopy {
    /// The server, the tenant and the database.
    source: [String; 3],
    target: [String; 3],
}

impl Identity for DatabaseCopy {
    fn difference(&self, other: &DatabaseCopy) -> Option<&'static str> {
        if self.source != other.source {
            return Some("source");
        }
        (self.target != other.target).then_some("target")
    }
}

/// How far the copy of a database has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Done {
    /// The ids of the collections that are complete; `None` before the first run.
    collections: Option<Vec<String>>,
}

/// The checkpoint of the copy of a database.
struct SavedDatabase {
    checkpoint: Checkpoint<DatabaseCopy, Done>,
    done: Vec<String>,
    /// Whether an earlier run has begun.
    continues: bool,
}

impl SavedDatabase {
    /// Records that a collection is complete.
    fn add(&mut self, id: &str) -> Result<()> {
        self.done.push(id.to_owned());
        self.checkpoint.start(Done {
            collections: Some(self.done.clone()),
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
