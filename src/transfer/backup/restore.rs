//! [`Restore`]: checks a backup, and restores its collections.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use super::folder::Folder;
use super::manifest::{Manifest, ManifestCollection};
use super::source::BackupSource;
use crate::client::Client;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::progress::{Progress, ProgressStage};
use crate::model::space::Space;
use crate::transfer::checkpoint::{Saved, Transfer};
use crate::transfer::compare::Vectors;
use crate::transfer::load::{Counts, Job};
use crate::transfer::report::CopyReport;
use crate::transfer::settings::{Settings, settings_methods};
use crate::transfer::source::Source;
use crate::transfer::target::{Opening, Target, create_database};

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
/// - **Memory.** A file of the backup (16 MiB) and a few thousand records. A mirror also has 8 bytes for each
///   record of the collection.
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
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, dry_run, on_progress
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
    /// With a [`checkpoint`](Restore::checkpoint) and several collections, each collection after the first one
    /// has another file, whose name ends in the id of the collection. All of them are deleted when the last
    /// collection is restored.
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
        let mut reports = Vec::new();
        match self.verify_files(&backup) {
            Err(Error::Cancelled { .. }) => {
                reports.push(CopyReport {
                    collection: selected
                        .first()
                        .map_or_else(String::new, |one| one.name.clone()),
                    cancelled: true,
                    ..CopyReport::default()
                });
                return Ok(reports);
            }
            result => result?,
        }
        let mut all_saved = self.open_checkpoints(&backup, &selected)?;
        if all_saved
            .iter()
            .flatten()
            .any(|saved| saved.progressed.is_complete)
        {
            // An earlier run was killed while it deleted the checkpoints.
            delete_all(all_saved)?;
            return Ok(selected.iter().map(Selected::restored_before).collect());
        }
        self.check_targets(&selected, &all_saved)?;
        for (one, saved) in selected.iter().zip(&mut all_saved) {
            let report = self.restore(&backup, one, saved)?;
            let is_cancelled = report.cancelled;
            reports.push(report);
            if is_cancelled {
                return Ok(reports);
            }
        }
        if let Some(Some(first)) = all_saved.first_mut() {
            first.change(|progressed| progressed.is_complete = true)?;
        }
        delete_all(all_saved)?;
        Ok(reports)
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

    /// Checks all targets before the first one is written to.
    fn check_targets(&mut self, selected: &[Selected<'_>], saved: &[Option<Saved>]) -> Result<()> {
        let dry_run = std::mem::replace(&mut self.settings.dry_run, true);
        let checked = self.check_each(selected, saved);
        self.settings.dry_run = dry_run;
        checked
    }

    fn check_each(&self, selected: &[Selected<'_>], saved: &[Option<Saved>]) -> Result<()> {
        for (one, saved) in selected.iter().zip(saved) {
            let has_started =
                |saved: &Saved| saved.progressed.creates || saved.progressed.collection.is_some();
            if saved.as_ref().is_some_and(has_started) {
                continue;
            }
            let Target { losses, .. } = one.opening().run(&self.settings, None)?;
            if !losses.is_empty() && !self.settings.allow_losses {
                return Err(Error::Unsupported {
                    call: Box::new(Call::new(RESTORE, Some(&one.name))),
                    message: losses.join("; "),
                });
            }
        }
        Ok(())
    }

    fn restore(
        &mut self,
        backup: &Folder,
        one: &Selected<'_>,
        saved: &mut Option<Saved>,
    ) -> Result<CopyReport> {
        let started = Instant::now();
        if backup.manifest.all_databases && !self.settings.dry_run {
            create_database(&one.client)?;
        }
        let target = one.opening().run(&self.settings, saved.as_mut())?;
        let mut source = BackupSource::new(backup, one.number);
        let mut report = CopyReport {
            collection: one.name.clone(),
            records: source.len(),
            resumed: target.from,
            losses: target.losses,
            dry_run: self.settings.dry_run,
            ..CopyReport::default()
        };
        if let Some(collection) = target.collection {
            let keeps_vectors = |space| matches!(space, Some(Space::L2 | Space::Ip));
            let is_exact = keeps_vectors(one.entry.space()) && keeps_vectors(collection.space());
            let vectors = if is_exact {
                Vectors::Exact
            } else {
                Vectors::Direction
            };
            let mut job = Job {
                operation: RESTORE,
                vectors,
                target: collection.without_functions(),
                origin: target.origin,
                filter: None,
                settings: &self.settings,
                saved: saved.take(),
                counts: Counts::default(),
                is_verified: false,
            };
            let done = job.run(&mut source, target.pass, target.from);
            *saved = job.saved.take();
            done?;
            report.add(&job.counts);
            report.cancelled = job.settings.is_cancelled();
            report.verified = job.is_verified;
        } else {
            report.written = source.len();
        }
        report.elapsed = started.elapsed();
        Ok(report)
    }

    fn open_checkpoints(
        &self,
        backup: &Folder,
        selected: &[Selected<'_>],
    ) -> Result<Vec<Option<Saved>>> {
        let mut all = Vec::new();
        for (number, one) in selected.iter().enumerate() {
            let path = self.settings.checkpoint.as_ref();
            let Some(path) = path.filter(|_| !self.settings.dry_run) else {
                all.push(None);
                continue;
            };
            let mut path = path.clone().into_os_string();
            if number > 0 {
                path.push(format!(".{}", one.entry.id));
            }
            let [url, tenant, database] =
                [one.client.url(), one.client.tenant(), one.client.database()].map(str::to_owned);
            let transfer = Transfer {
                operation: RESTORE.to_owned(),
                source: format!("{}/{}", backup.sha256, one.entry.id),
                target: [url, tenant, database, one.name.clone()],
                if_exists: self.settings.if_exists,
                ..Transfer::default()
            };
            all.push(Some(Saved::open(path.as_ref(), transfer)?));
        }
        Ok(all)
    }
}

/// Deletes the checkpoints. The first one says that all collections are complete, so it is the last to go.
fn delete_all(all_saved: Vec<Option<Saved>>) -> Result<()> {
    let mut last_first = all_saved.into_iter().flatten().rev();
    last_first.try_for_each(Saved::delete)
}

impl Selected<'_> {
    /// Returns the report of a collection that an earlier run has restored.
    fn restored_before(&self) -> CopyReport {
        CopyReport {
            collection: self.name.clone(),
            records: self.entry.records,
            resumed: self.entry.records,
            ..CopyReport::default()
        }
    }

    fn opening(&self) -> Opening<'_> {
        let settings = self.entry.settings.clone();
        Opening {
            call: Call::new(RESTORE, Some(&self.name)),
            builder: self
                .client
                .collection(&self.name)
                .like_settings(settings.clone()),
            source: settings,
            read_from: None,
        }
    }
}
