//! [`Backup`]: writes a backup of collections.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::chain::Chain;
use super::folder::MANIFEST;
use super::hash::{Hashes, keeps_vectors};
use super::known::Known;
use super::line::push_deleted;
use super::manifest::{Base, FORMAT, Manifest, ManifestCollection, Part, part_name};
use super::report::BackupReport;
use super::sink::{Files, FolderSink, Sink, TarSink};
use crate::client::Client;
use crate::collection::{Collection, CollectionSettings};
use crate::error::{Call, Error, Result};
use crate::model::progress::{Progress, ProgressStage};
use crate::model::record::AsRecord;
use crate::transfer::settings::{Settings, settings_methods};
use crate::transfer::source::{CollectionSource, Source};
use crate::wire::line;

/// The name of the operation in errors and progress.
const BACKUP: &str = "backup";
/// The size from which on a file with records is full.
const PART_SIZE: usize = 16 << 20;

impl Client {
    /// Backs up the collections of the database: their settings and all records, with vectors, documents, URIs
    /// and metadata.
    ///
    /// ```no_run
    /// # use chroma_blocking::Client;
    /// let client = Client::from_env()?;
    /// let report = client.backup().to_folder("backups/monday")?;
    /// println!("{report}");
    ///
    /// let changes = client.backup().since("backups/monday");
    /// println!("{}", changes.to_folder("backups/tuesday")?);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn backup<'a>(&self) -> Backup<'a> {
        Backup {
            client: self.clone(),
            collections: None,
            all_databases: false,
            since: None,
            settings: Settings::default(),
        }
    }
}

/// A backup; see [`Client::backup`] and the [format](crate::transfer::backup).
///
/// - **Files.** Only the current user can read them. The folder gets its name when the backup is complete, so a
///   backup that was killed never looks complete.
/// - **Order.** The records are in the order in which they were added. For that, the backup first lists the ids
///   of a collection in a temporary file.
/// - **It is not a snapshot.** Other programs may write meanwhile. Each record is as it was at some time during
///   the backup.
/// - **Memory.** A file of 16 MiB, a few thousand records and some responses, whatever the collection's size. An
///   incremental backup also remembers hashes, up to 50 bytes for each record of the largest collection.
#[must_use = "does nothing until to_folder() or to_tar() is called"]
pub struct Backup<'a> {
    client: Client,
    collections: Option<Vec<String>>,
    all_databases: bool,
    since: Option<PathBuf>,
    settings: Settings<'a>,
}

impl<'a> Backup<'a> {
    /// Sets the names of the collections. Default: all collections.
    pub fn collections<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.collections = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether all databases of the tenant are backed up. Default: `false`: only the client's database.
    pub fn all_databases(mut self, all: bool) -> Self {
        self.all_databases = all;
        self
    }

    /// Writes only what has changed since an earlier backup, which may be incremental as well. Default: all
    /// records.
    ///
    /// To restore the new backup, the earlier one is needed. Keep both in the same folder. The earlier one is
    /// read and checked first. A collection that was created again since then is written as a whole.
    ///
    /// With the distance function `cosine`, a record counts as changed if its vector has another direction. A
    /// change of less than about 0.0001 may be missed.
    pub fn since(mut self, folder: impl Into<PathBuf>) -> Self {
        self.since = Some(folder.into());
        self
    }

    settings_methods! { retry, cancel, on_progress }

    /// Writes the backup to a new folder, or to an empty one.
    ///
    /// The files are first written to a folder next to it, whose name ends in a random number and `.partial`.
    /// If an earlier backup to the same path was killed, its `.partial` folder is removed.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the folder is not empty; [`Error::NotFound`] if a collection does not exist;
    /// [`Error::Io`] if a file cannot be written; any error of a request.
    pub fn to_folder(self, path: impl AsRef<Path>) -> Result<BackupReport> {
        let path = path.as_ref().to_owned();
        self.write(|_| Ok(Box::new(FolderSink::create(&path)?)))
    }

    /// Writes the backup as a `.tar` stream, such as to the standard output. Unpack it to an empty folder
    /// to restore it: `mkdir monday && tar -xf monday.tar -C monday`.
    ///
    /// If the backup is cancelled or fails, the stream has no `SHA256SUMS`, and is not a complete backup.
    ///
    /// # Errors
    /// As for [`to_folder`](Backup::to_folder).
    pub fn to_tar(self, writer: impl Write) -> Result<BackupReport> {
        self.write(|created| Ok(Box::new(TarSink::new(writer, created))))
    }

    fn write<'s>(
        mut self,
        open: impl FnOnce(u64) -> Result<Box<dyn Sink + 's>>,
    ) -> Result<BackupReport> {
        let started = Instant::now();
        let mut report = BackupReport::default();
        let invalid = |reason| Call::new(BACKUP, None).invalid(reason);
        self.settings.check().map_err(invalid)?;
        match self.run(open, &mut report) {
            // The effect of the caller's flag on a call in progress.
            Err(Error::Cancelled { .. }) if self.settings.is_cancelled() => report.cancelled = true,
            result => result?,
        }
        report.elapsed = started.elapsed();
        Ok(report)
    }

    fn run<'s>(
        &mut self,
        open: impl FnOnce(u64) -> Result<Box<dyn Sink + 's>>,
        report: &mut BackupReport,
    ) -> Result<()> {
        // With the client's own policy, so that a wrong address fails soon.
        let mut manifest = self.manifest()?;
        let mut files = Files::new(open(manifest.created)?);
        self.client = self.client.with_retry(self.settings.retry);
        if let Some(flag) = &self.settings.cancel {
            self.client = self.client.with_cancel(flag.clone());
        }
        let base = match &self.since {
            Some(folder) => Some(self.open_base(folder)?),
            None => None,
        };
        manifest.base = base.as_ref().map(base_of);
        let found = self.find()?;
        for (number, collection) in found.iter().enumerate() {
            let mut writing = Writing {
                files: &mut files,
                number,
                part: Vec::new(),
                lines: 0,
                parts: Vec::new(),
            };
            let entry = self.write_collection(collection, base.as_ref(), &mut writing, report)?;
            report.records += entry.records;
            report.collections += 1;
            manifest.collections.push(entry);
        }
        let mut json = serde_json::to_vec_pretty(&manifest).map_err(unwritable)?;
        json.push(b'\n');
        files.put(MANIFEST, &json)?;
        (report.sha256, report.bytes) = files.finish()?;
        Ok(())
    }

    fn manifest(&self) -> Result<Manifest> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(Manifest {
            format: FORMAT,
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            server_version: self.client.version()?,
            created: since_1970.map_or(0, |time| time.as_secs()),
            tenant: self.client.tenant().to_owned(),
            all_databases: self.all_databases,
            base: None,
            collections: Vec::new(),
        })
    }

    /// Opens the earlier backup, and checks all of its files.
    fn open_base(&self, folder: &Path) -> Result<Chain> {
        let chain = Chain::open(folder, &[])?;
        chain.verify(|_| self.check_cancelled())?;
        Ok(chain)
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.settings.is_cancelled() {
            let call = Box::new(Call::new(BACKUP, None));
            return Err(Error::Cancelled { call });
        }
        Ok(())
    }

    /// Finds the collections to back up.
    fn find(&self) -> Result<Vec<Collection>> {
        let mut clients = vec![self.client.clone()];
        if self.all_databases {
            let databases = self.client.list_databases().run()?;
            let client =
                |database: crate::client::Database| self.client.with_database(database.name);
            clients = databases.into_iter().map(client).collect();
        }
        let mut found = Vec::new();
        for client in clients {
            found.extend(client.list_collections().run()?);
        }
        let Some(names) = &self.collections else {
            return Ok(found);
        };
        let is_missing = |name: &&String| found.iter().all(|one| one.name() != *name);
        if let Some(missing) = names.iter().find(is_missing) {
            return Err(Error::NotFound {
                call: Box::new(Call::new(BACKUP, Some(missing))),
                message: "the server has no such collection".to_owned(),
            });
        }
        found.retain(|one| names.iter().any(|name| name == one.name()));
        Ok(found)
    }

    fn write_collection(
        &mut self,
        collection: &Collection,
        base: Option<&Chain>,
        writing: &mut Writing<'_, '_>,
        report: &mut BackupReport,
    ) -> Result<ManifestCollection> {
        let settings = CollectionSettings::of(collection).with_measured_space(collection)?;
        let keeps_vectors = keeps_vectors(settings.configuration.space());
        let mut known = match base {
            Some(base) => known(base, collection, keeps_vectors)?,
            None => None,
        };
        let source = self.settings.patient(collection);
        let (source, _) = CollectionSource::open(&source, None, None)?;
        let (mut records, mut hash) = (0, 0_u64);
        let mut line = Vec::new();
        for page in source.pages(0)? {
            let page = page?;
            for record in &page.records {
                line.clear();
                line::record(&mut line, record.as_record());
                let hashes = Hashes::of(record.as_record(), line.trim_ascii_end(), keeps_vectors);
                hash = hash.wrapping_add(hashes.content);
                records += 1;
                let is_known = |known: &mut Known<'_>| known.has(record.as_record(), hashes);
                if known.as_mut().is_some_and(is_known) {
                    report.unchanged += 1;
                } else {
                    report.written += 1;
                    writing.push(&line)?;
                }
            }
            let progress = Progress::new(BACKUP, ProgressStage::Reading, page.end);
            self.settings.report(&progress.out_of(source.len()));
        }
        if let Some(known) = &known {
            known.each_gone(|id| {
                line.clear();
                push_deleted(&mut line, id).map_err(unwritable)?;
                report.deleted += 1;
                writing.push(&line)
            })?;
        }
        writing.end_part()?;
        Ok(ManifestCollection {
            name: collection.name().to_owned(),
            id: collection.id().to_owned(),
            database: collection.client().database().to_owned(),
            records,
            hash: format!("{hash:016x}"),
            incremental: known.is_some(),
            settings,
            parts: std::mem::take(&mut writing.parts),
        })
    }
}

/// Describes the base of an incremental backup.
fn base_of(chain: &Chain) -> Base {
    let folder = std::fs::canonicalize(chain.folder()).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default();
    Base {
        sha256: chain.sha256().to_owned(),
        folder: name.to_string_lossy().into_owned(),
    }
}

/// Reads what the base has of a collection; `None` if it has nothing.
fn known<'c>(
    base: &'c Chain,
    collection: &Collection,
    keeps_vectors: bool,
) -> Result<Option<Known<'c>>> {
    let manifest = base.manifest();
    let database = collection.client().database();
    let Some(entry) = manifest.find(database, collection.name(), collection.id()) else {
        return Ok(None);
    };
    Known::read(base.collection(entry)?, keeps_vectors).map(Some)
}

/// The files of a collection, as they are written.
struct Writing<'w, 's> {
    files: &'w mut Files<'s>,
    number: usize,
    /// The next file.
    part: Vec<u8>,
    lines: u64,
    parts: Vec<Part>,
}

impl Writing<'_, '_> {
    fn push(&mut self, line: &[u8]) -> Result<()> {
        if self.part.len() + line.len() > PART_SIZE {
            self.end_part()?;
        }
        self.part.extend_from_slice(line);
        self.lines += 1;
        Ok(())
    }

    fn end_part(&mut self) -> Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let file = part_name(self.number, self.parts.len());
        self.files.put(&file, &self.part)?;
        self.parts.push(Part {
            file,
            lines: std::mem::take(&mut self.lines),
            bytes: self.part.len() as u64,
        });
        self.part.clear();
        Ok(())
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Io {
        message: "cannot write the backup".to_owned(),
        source: error.into(),
    }
}

impl fmt::Debug for Backup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("client", &self.client)
            .field("collections", &self.collections)
            .field("all_databases", &self.all_databases)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
