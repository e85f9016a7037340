//! [`Sink`]: where a backup is written to: a folder, or a `.tar` stream.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::folder::{SUMS, sha256};
use crate::durable::lock::FileLock;
use crate::durable::{private, sync_folder};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::random::Random;

/// The end of the name of a folder that is not complete.
const EXTENSION: &str = ".partial";
/// A file in a folder that is not complete. Locked as long as a process writes to the folder.
const LOCK: &str = ".lock";

/// Where a backup is written to.
pub(super) trait Sink {
    /// Writes a file. Its name is that of a file, or of a folder and a file.
    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Completes the backup.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// The files of a backup, as they are written.
pub(super) struct Files<'s> {
    sink: Box<dyn Sink + 's>,
    sums: String,
    bytes: u64,
}

impl<'s> Files<'s> {
    pub(super) fn new(sink: Box<dyn Sink + 's>) -> Files<'s> {
        Files {
            sink,
            sums: String::new(),
            bytes: 0,
        }
    }

    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.sums.extend([sha256(bytes).as_str(), "  ", name, "\n"]);
        self.bytes += bytes.len() as u64;
        self.sink.put(name, bytes).map_err(failure)
    }

    /// Writes the checksums, and completes the backup. Returns the SHA-256 of the checksums, and the size of
    /// all files.
    pub(super) fn finish(mut self) -> Result<(String, u64)> {
        let sums = std::mem::take(&mut self.sums);
        self.put(SUMS, sums.as_bytes())?;
        self.sink.finish().map_err(failure)?;
        Ok((sha256(sums.as_bytes()), self.bytes))
    }
}

fn failure(source: io::Error) -> Error {
    Error::Io {
        message: "cannot write the backup".to_owned(),
        source,
    }
}

/// A folder that gets its name when it is complete. Removed if it is dropped before.
#[derive(Debug)]
pub(super) struct FolderSink {
    target: PathBuf,
    temporary: PathBuf,
    lock: Option<FileLock>,
}

impl FolderSink {
    /// Creates a folder with a temporary name next to the target.
    pub(super) fn create(path: &Path) -> Result<FolderSink> {
        let shown = path.display().to_string();
        let failed = |source| Error::Io {
            message: format!("cannot create the folder {shown}"),
            source,
        };
        let target = find(path).map_err(failed)?;
        let is_empty = match fs::read_dir(&target) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(failed(error)),
        };
        if !is_empty {
            let why = "the folder is not empty; name a new one for each backup";
            let reason = InvalidInput::setting("to_folder", shown.as_str(), why);
            return Err(Call::new("backup", None).invalid(reason));
        }
        if is_mount_point(&target) {
            let why = "it is a mount point, and the finished backup is renamed to this name; name a folder inside of it";
            let reason = InvalidInput::setting("to_folder", shown.as_str(), why);
            return Err(Call::new("backup", None).invalid(reason));
        }
        remove_leftovers(&target);
        let number = Random::from_entropy().next();
        let temporary = with_suffix(&target, &format!(".{number:016x}{EXTENSION}"));
        private_folder(&temporary).map_err(failed)?;
        // Other systems than Linux may have no locks. Then an old folder stays.
        let lock = FileLock::acquire(&temporary.join(LOCK)).ok();
        Ok(FolderSink {
            target,
            temporary,
            lock,
        })
    }
}

impl Sink for FolderSink {
    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.temporary.join(name);
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            private_folder(folder)?;
        }
        let mut file = private().create_new(true).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_folder(&path)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.lock = None;
        if cfg!(windows) && self.target.exists() {
            fs::remove_dir(&self.target)?;
        }
        fs::rename(&self.temporary, &self.target)?;
        sync_folder(&self.target)
    }
}

impl Drop for FolderSink {
    fn drop(&mut self) {
        // After `finish`, nothing is there. At worst, a folder with this name stays.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

/// Returns the path of a folder that may not exist yet, without links.
fn find(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    let name = path.file_name().ok_or(ErrorKind::NotFound)?;
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    Ok(fs::canonicalize(parent.unwrap_or(Path::new(".")))?.join(name))
}

/// Whether a folder is on another file system than its parent.
#[cfg(unix)]
fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
    match (device(folder), folder.parent().map(device)) {
        (Ok(own), Some(Ok(parent))) => own != parent,
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_mount_point(_: &Path) -> bool {
    false
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Creates a folder that only the current user can read.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Removes the folders of earlier backups with the same name whose processes were killed.
fn remove_leftovers(target: &Path) {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return;
    };
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let other = entry.file_name();
        let number = other
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes())
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| rest.strip_suffix(EXTENSION.as_bytes()));
        let is_ours = number
            .is_some_and(|number| number.len() == 16 && number.iter().all(u8::is_ascii_hexdigit))
            && entry.path().join(LOCK).is_file();
        let lock = if is_ours {
            FileLock::acquire(&entry.path().join(LOCK)).ok()
        } else {
            None
        };
        if lock.is_some_and(|lock| lock.is_effective()) {
            // A folder that stays costs space and nothing else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A `.tar` stream.
pub(super) struct TarSink<W: Write> {
    tar: tar::Builder<W>,
    /// The time of all files, in seconds since 1970.
    modified: u64,
    /// The folder of the last file.
    folder: String,
}

impl<W: Write> TarSink<W> {
    pub(super) fn new(writer: W, modified: u64) -> TarSink<W> {
        TarSink {
            tar: tar::Builder::new(writer),
            modified,
            folder: String::new(),
        }
    }

    fn append(&mut self, kind: tar::EntryType, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        let mode = if kind == tar::EntryType::Directory {
            0o700
        } else {
            0o600
        };
        header.set_mode(mode);
        header.set_mtime(self.modified);
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, name, bytes)
    }
}

impl<W: Write> Sink for TarSink<W> {
    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if let Some((folder, _)) = name.split_once('/') {
            if folder != self.folder {
                folder.clone_into(&mut self.folder);
                self.append(tar::EntryType::Directory, &format!("{folder}/"), &[])?;
            }
        }
        self.append(tar::EntryType::Regular, name, bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.tar.into_inner()?.flush()
    }
}
