//! [`Restore`]: checks a backup, and restores its collections.

use std::collections::HashSet;
use std::path::PathBuf;

use super::folder::Folder;
use super::manifest::{Manifest, ManifestCollection};
use super::source::BackupSource;
use crate::client::Client;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::progress::{Progress, ProgressStage};
use crate::transfer::checkpoint::{Properties, TransferCheckpoint};
use crate::transfer::report::CopyReport;
use crate::transfer::run::{Run, Task};
use crate::transfer::settings::{Settings, settings_methods};
use crate::transfer::target::{TargetOptions, place};

/// The name of the operation in errors and progress.
const RESTORE: &str = "restore";

impl Client {
    /// Restores collections from the folder of a [backup](Client::backup), or only checks the backup.
    ///
    /// ```no_run
    /// # use chroma_blocking::Client;
    /// let client = Client::from_env()?;
    /// println!("{}", client.restore("backups/tuesday").check()?);
    /// for report in client.restore("backups/tuesday").run()? {
    ///     println!("{report}");
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn restore<'a>(&self, folder: impl Into<PathBuf>) -> Restore<'a> {
        Restore {
            client: self.clone(),
            folder: folder.into(),
            collections: None,
            names: Vec::new(),
            settings: Settings::default(),
        }
    }
}

/// A restore of a backup; see [`Client::restore`].
///
/// - **Checks first.** Before anything is written, all files of the backup are read and compared with their
///   checksums, and all lines are parsed.
/// - **Databases.** The collections are restored to the client's database. A backup of
///   [all databases](super::Backup::all_databases) is restored to databases of the same names, which are created
///   if necessary.
/// - **Memory.** A file of the backup (16 MiB) and a few thousand records. A mirror and a restore that continues
///   also have 8 bytes for each record of the collection.
/// - **No text is embedded.** All vectors come from the backup.
#[derive(Debug)]
#[must_use = "does nothing until run() or check() is called"]
pub struct Restore<'a> {
    client: Client,
    folder: PathBuf,
    collections: Option<Vec<String>>,
    names: Vec<(String, String)>,
    settings: Settings<'a>,
}

/// A collection to restore.
struct Selected<'c> {
    /// A client of the target's database.
    client: Client,
    name: String,
    /// The place of the collection in the manifest.
    number: usize,
    entry: &'c ManifestCollection,
}

impl<'a> Restore<'a> {
    /// Sets the names of the collections to restore, as they are in the backup. Default: all collections.
    pub fn collections<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.collections = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Restores a collection with another name. May be called several times.
    pub fn name(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.names.push((from.into(), to.into()));
        self
    }

    settings_methods! {
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, dry_run, confirm, on_progress
    }

    /// Reads the whole backup, checks it, and returns what it contains. Sends no request.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the file that is missing, cut, changed or not listed;
    /// [`Error::Io`] if a file cannot be read.
    pub fn check(mut self) -> Result<Manifest> {
        let backup = Folder::open(&self.folder)?;
        self.verify_files(&backup)?;
        Ok(backup.manifest)
    }

    /// Checks the whole backup, restores the collections one after the other, and compares each with the
    /// backup. Returns a report for each.
    ///
    /// # Errors
    /// - As for [`check`](Restore::check). Nothing has been written then.
    /// - [`Error::AlreadyExists`] if a target exists, unless [`if_exists`](Restore::if_exists) allows that;
    ///   [`Error::Unsupported`] if the server cannot store a setting, unless
    ///   [losses are allowed](Restore::allow_losses); [`Error::Invalid`] for a name that the backup does not
    ///   have, for a target with vectors of another model, dimension or space, or for a checkpoint of another
    ///   restore. Nothing has been written then.
    /// - [`Error::Ingest`] if the server refuses a record, or fails for longer than the retry policy allows.
    /// - [`Error::Differs`] if a collection differs from the backup at the end.
    pub fn run(mut self) -> Result<Vec<CopyReport>> {
        let invalid = |reason| Call::new(RESTORE, None).invalid(reason);
        self.settings.check().map_err(invalid)?;
        let backup = Folder::open(&self.folder)?;
        let selected = self.select(&backup.manifest)?;
        match self.verify_files(&backup) {
            // The first report will say so.
            Err(Error::Cancelled { .. }) => {}
            checked => checked?,
        }
        let mut names = Vec::new();
        let tasks = selected.into_iter().map(|one| {
            names.extend([one.client.database().to_owned(), one.name.clone()]);
            one.task(&backup)
        });
        let tasks: Vec<_> = tasks.collect();
        let checkpoint = TransferCheckpoint::open(
            &self.settings,
            Properties {
                operation: RESTORE.to_owned(),
                source: backup.sha256.clone(),
                target: [place(&self.client).to_vec(), names].concat(),
                if_exists: self.settings.if_exists,
                ..Properties::default()
            },
        )?;
        let run = Run {
            operation: RESTORE,
            settings: &self.settings,
            checkpoint,
            keeps_checkpoint: false,
        };
        run.all(tasks)
    }

    fn verify_files(&mut self, backup: &Folder) -> Result<()> {
        let total = backup.manifest.records();
        backup.verify(|records| {
            let progress = Progress::new("verify", ProgressStage::Reading, records);
            self.settings.report(&progress.out_of(total));
            if self.settings.is_cancelled() {
                let call = Box::new(Call::new(RESTORE, None));
                return Err(Error::Cancelled { call });
            }
            Ok(())
        })
    }

    /// Returns the collections to restore, with their targets.
    fn select<'c>(&self, manifest: &'c Manifest) -> Result<Vec<Selected<'c>>> {
        let refused = |name: &str, why: &str| {
            let reason = InvalidInput::setting("collection", name, why);
            Call::new(RESTORE, None).invalid(reason)
        };
        let wanted = self.collections.iter().flatten();
        let renamed = self.names.iter().map(|(from, _)| from);
        for name in wanted.chain(renamed) {
            if manifest.collections.iter().all(|one| one.name != *name) {
                return Err(refused(name, "the backup has no such collection"));
            }
        }
        let is_wanted = |one: &ManifestCollection| {
            let mut names = self.collections.iter().flatten();
            self.collections.is_none() || names.any(|name| *name == one.name)
        };
        let (mut selected, mut targets) = (Vec::new(), HashSet::new());
        let all = manifest.collections.iter().enumerate();
        for (number, entry) in all.filter(|(_, entry)| is_wanted(entry)) {
            let renamed = self.names.iter().find(|(from, _)| *from == entry.name);
            let name = renamed.map_or(&entry.name, |(_, to)| to).clone();
            let mut client = self.client.clone();
            if manifest.all_databases {
                client = client.with_database(&entry.database);
            }
            if !targets.insert((client.database().to_owned(), name.clone())) {
                let why = "two collections of the backup would get this name; set another with .name(...)";
                return Err(refused(&name, why));
            }
            selected.push(Selected {
                client,
                name,
                number,
                entry,
            });
        }
        Ok(selected)
    }
}

impl Selected<'_> {
    /// Returns the task to restore the collection.
    fn task(self, backup: &Folder) -> Task<'_> {
        let settings = &self.entry.settings;
        let builder = self.client.collection(&self.name);
        let number = self.number;
        Task {
            key: format!(
                "{} as {}/{}",
                self.entry.id,
                builder.client().database(),
                self.name
            ),
            target: TargetOptions {
                call: Call::new(RESTORE, Some(&self.name)),
                builder: builder.like_settings(settings.clone()),
                source: settings.clone(),
                read_from: None,
                creates_database: backup.manifest.all_databases,
                needs_function: false,
            },
            filter: None,
            embeds: false,
            open: Box::new(move |_| Ok(Box::new(BackupSource::new(backup, number)))),
        }
    }
}
