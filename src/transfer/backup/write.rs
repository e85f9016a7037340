//! [`Backup`]: writes a backup of collections.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::folder::{Folder, SUMS};
use super::manifest::{
    FORMAT, MANIFEST, MAX_RECORDS, Manifest, ManifestCollection, Part, part_name, sha256,
};
use super::report::BackupReport;
use super::sink::{FolderSink, Sink, TarSink};
use crate::client::{Client, Database};
use crate::collection::{Collection, CollectionSettings};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::ingest::hash::id_hash;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::record::AsRecord;
use crate::transfer::settings::{Settings, settings_methods};
use crate::transfer::source::{CollectionSource, Source, Texts};
use crate::wire::line;

/// The name of the operation in errors and progress.
const BACKUP: &str = "backup";
/// The average number of records in a part.
const PART_RECORDS: u64 = 256;
/// The size from which on a part is full.
const MAX_BYTES: usize = 16 << 20;

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
    /// let incremental = client.backup().since("backups/monday");
    /// println!("{}", incremental.to_folder("backups/tuesday")?);
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
/// - **Memory.** A file of 16 MiB, a few thousand records and some responses, whatever the collection's size.
#[derive(Debug)]
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

    /// Does not write the files again that an earlier backup has as well: they become hard links to those of the
    /// earlier folder. Default: all files are written.
    ///
    /// Both backups are complete, and either folder can be deleted. Where the file system has no hard links, or
    /// an earlier file is damaged or can be read by other users, the file is written. The earlier folder is not
    /// changed.
    ///
    /// With the distance function `cosine`, servers return vectors with other last digits once they are in the
    /// index. So new records are written a second time by the next backup.
    pub fn since(mut self, folder: impl Into<PathBuf>) -> Self {
        self.since = Some(folder.into());
        self
    }

    settings_methods! { retry, cancel, on_progress }

    /// Writes the backup to a new folder, or to an empty one.
    ///
    /// The files are first written to a folder next to it with the same name and `.partial` at the end. If an
    /// earlier backup to the same path was killed, its `.partial` folder is removed.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the folder is not empty, or the earlier backup is not complete; [`Error::NotFound`]
    /// if a collection does not exist; [`Error::Io`] if a file cannot be written; any error of a request.
    pub fn to_folder(self, path: impl AsRef<Path>) -> Result<BackupReport> {
        self.write(&mut FolderSink::create(path.as_ref())?)
    }

    /// Writes the backup as a `.tar` stream, such as to the standard output. Unpack it to an empty folder
    /// to restore it: `mkdir monday && tar -xf monday.tar -C monday`.
    ///
    /// If the backup is cancelled or fails, the stream has no `SHA256SUMS`, and is not a complete backup.
    ///
    /// # Errors
    /// As for [`to_folder`](Backup::to_folder). [`Error::Invalid`] if [`since`](Backup::since) is set, since a
    /// stream has all records.
    pub fn to_tar(self, writer: impl Write) -> Result<BackupReport> {
        if let Some(earlier) = &self.since {
            let why = "a .tar stream has all records; leave since out, or write to a folder";
            let reason = InvalidInput::setting("since", earlier.display().to_string(), why);
            return Err(Call::new(BACKUP, None).invalid(reason));
        }
        self.write(&mut TarSink::new(writer))
    }

    fn write(mut self, sink: &mut dyn Sink) -> Result<BackupReport> {
        let started = Instant::now();
        let mut report = BackupReport::default();
        let invalid = |reason| Call::new(BACKUP, None).invalid(reason);
        self.settings.check().map_err(invalid)?;
        match self.run(sink, &mut report) {
            // The effect of the caller's flag on a call in progress.
            Err(Error::Cancelled { .. }) if self.settings.is_cancelled() => report.cancelled = true,
            result => result?,
        }
        report.elapsed = started.elapsed();
        Ok(report)
    }

    fn run(&mut self, sink: &mut dyn Sink, report: &mut BackupReport) -> Result<()> {
        // With the client's own policy, so that a wrong address fails soon.
        let mut manifest = self.manifest()?;
        self.client = self.client.with_retry(self.settings.retry);
        if let Some(flag) = &self.settings.cancel {
            self.client = self.client.with_cancel(flag.clone());
        }
        let earlier = self.since.as_deref().map(earlier_parts).transpose()?;
        let mut files = Files {
            sink,
            earlier: earlier.unwrap_or_default(),
            report,
        };
        for (number, collection) in self.select()?.iter().enumerate() {
            let entry = self.write_collection(collection, number, &mut files)?;
            files.report.records += entry.records;
            files.report.collections += 1;
            manifest.collections.push(entry);
        }
        let mut json =
            serde_json::to_vec_pretty(&manifest).map_err(|error| failure(error.into()))?;
        json.push(b'\n');
        files.put(MANIFEST, &json)?;
        let sums = manifest.sums(&json);
        files.report.sha256 = files.put(SUMS, sums.as_bytes())?;
        files.sink.finish().map_err(failure)
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
            collections: Vec::new(),
        })
    }

    /// Returns the collections to back up.
    fn select(&self) -> Result<Vec<Collection>> {
        let mut clients = vec![self.client.clone()];
        if self.all_databases {
            let databases = self.client.list_databases().run()?;
            let client = |database: Database| self.client.with_database(database.name);
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
        &self,
        collection: &Collection,
        number: usize,
        files: &mut Files<'_>,
    ) -> Result<ManifestCollection> {
        let settings = CollectionSettings::of(collection).with_measured_space(collection)?;
        let source = self.settings.patient(collection);
        let source = CollectionSource::open(source, None, Texts::Any)?;
        let (mut parts, mut part) = (Vec::new(), Vec::new());
        let (mut records, mut start) = (0, 0);
        for page in source.pages(None)? {
            let page = page?;
            for record in &page.records {
                line::record(&mut part, record.as_record());
                records += 1;
                // Ids decide, so that a changed record changes no other part.
                if id_hash(&record.id) % PART_RECORDS == 0
                    || records - start == MAX_RECORDS as u64
                    || part.len() >= MAX_BYTES
                {
                    parts.push(files.put_part(&part_name(number, parts.len()), &part)?);
                    part.clear();
                    start = records;
                }
            }
            let progress = Progress::new(BACKUP, ProgressStage::Reading, page.end);
            self.settings.report(&progress.out_of(source.len()));
        }
        if !part.is_empty() {
            parts.push(files.put_part(&part_name(number, parts.len()), &part)?);
        }
        Ok(ManifestCollection {
            name: collection.name().to_owned(),
            id: collection.id().to_owned(),
            database: collection.client().database().to_owned(),
            records,
            settings,
            parts,
        })
    }
}

/// Returns the paths of the parts of an earlier backup, by their SHA-256.
fn earlier_parts(folder: &Path) -> Result<HashMap<String, PathBuf>> {
    let manifest = Folder::open(folder)?.manifest;
    let parts = manifest.parts();
    Ok(parts
        .map(|(name, part)| (part.sha256.clone(), folder.join(name)))
        .collect())
}

/// The files of a backup, as they are written and counted.
struct Files<'w> {
    sink: &'w mut dyn Sink,
    /// The parts of the earlier backup.
    earlier: HashMap<String, PathBuf>,
    report: &'w mut BackupReport,
}

impl Files<'_> {
    /// Writes a file with records, unless the earlier backup has the same one.
    fn put_part(&mut self, name: &str, bytes: &[u8]) -> Result<Part> {
        self.report.parts += 1;
        Ok(Part {
            sha256: self.put(name, bytes)?,
            bytes: bytes.len() as u64,
        })
    }

    /// Writes a file, and returns its SHA-256.
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<String> {
        let (sha256, size) = (sha256(bytes), bytes.len() as u64);
        let earlier = self.earlier.get(&sha256).map(PathBuf::as_path);
        let is_reused = self.sink.put(name, bytes, earlier).map_err(failure)?;
        self.report.bytes += size;
        if is_reused {
            self.report.reused_parts += 1;
            self.report.reused_bytes += size;
        }
        Ok(sha256)
    }
}

fn failure(source: io::Error) -> Error {
    Error::Io {
        message: "cannot write the backup".to_owned(),
        source,
    }
}
