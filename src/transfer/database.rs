//! [`CopyDatabase`]: copies all collections of a database.

use std::collections::HashSet;
use std::fmt;

use super::checkpoint::{Properties, TransferCheckpoint};
use super::copy;
use super::report::CopyReport;
use super::run::Run;
use super::settings::{Settings, settings_methods};
use super::target::place;
use crate::client::Client;
use crate::error::{Call, InvalidInput, Result};

/// The name of the operation in errors and progress.
const COPY_DATABASE: &str = "copy_database";
/// Why two copies must not have the same name.
const SAME_NAME: &str = "two collections would get this name";

impl Client {
    /// Copies all collections of this client's database to the database of another client, which is created if
    /// it does not exist. See [`Collection::copy_to`](crate::Collection::copy_to).
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
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, dry_run, confirm, on_progress
    }

    /// Copies the collections, and returns a report for each that this run has copied.
    ///
    /// # Errors
    /// As for [`CopyCollection::run`](super::CopyCollection::run). If a collection exists in the target and
    /// must not, nothing has been written. Collections before the one that failed are complete.
    /// [`Error::Invalid`](crate::Error::Invalid) if two collections get the same name, or for a checkpoint of
    /// another copy.
    pub fn run(self) -> Result<Vec<CopyReport>> {
        let call = Call::new(COPY_DATABASE, Some(self.source.database()));
        let invalid = |reason| call.clone().invalid(reason);
        let settings = &self.settings;
        settings.check().map_err(invalid)?;
        let (mut names, mut tasks) = (HashSet::new(), Vec::new());
        for collection in self.source.list_collections().run()? {
            let name = (self.rename)(collection.name());
            if !names.insert(name.clone()) {
                return Err(invalid(InvalidInput::setting("rename", name, SAME_NAME)));
            }
            let mut task = copy::task(&collection, self.target.collection(&name), None)?;
            task.key = format!("{} as {name}", task.key);
            task.target.creates_database = true;
            tasks.push(task);
        }
        let run = Run {
            operation: COPY_DATABASE,
            settings,
            checkpoint: TransferCheckpoint::open(
                settings,
                Properties {
                    operation: COPY_DATABASE.to_owned(),
                    source: place(&self.source).join(" "),
                    target: place(&self.target).to_vec(),
                    if_exists: settings.if_exists,
                    ..Properties::default()
                },
            )?,
            keeps_checkpoint: false,
        };
        run.all(tasks)
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
