//! [`Sink`]: where a backup is written to: a folder, or a `.tar` stream.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::durable::lock::{FileLock, LockError};
use crate::durable::{private, sync_folder};
use crate::error::{Call, Error, InvalidInput, Result};

/// The end of the name of a folder that is not complete.
const EXTENSION: &str = ".partial";
/// A file in a folder that is not complete. Locked as long as a process writes to the folder.
const LOCK: &str = ".lock";

/// Where a backup is written to.
pub(super) trait Sink {
    /// Writes a file. Its name is that of a file, or of a folder and a file.
    ///
    /// May make a hard link to an earlier file with the same bytes instead. Returns whether it did: not if the
    /// earlier file is damaged, is readable for other users, or is on another file system.
    fn put(&mut self, name: &str, bytes: &[u8], earlier: Option<&Path>) -> io::Result<bool>;

    /// Completes the backup.
    fn finish(&mut self) -> io::Result<()>;
}

/// A folder that gets its name when it is complete. Removed if it is dropped before.
#[derive(Debug)]
pub(super) struct FolderSink {
    target: PathBuf,
    temporary: PathBuf,
    lock: Option<FileLock>,
    is_complete: bool,
}

impl FolderSink {
    /// Creates a folder with a temporary name next to the target.
    pub(super) fn create(path: &Path) -> Result<FolderSink> {
        let failed = |source| cannot_create(path, source);
        let target = std::path::absolute(path).map_err(failed)?;
        remove_empty(&target)?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(EXTENSION);
        let temporary = target.with_file_name(name);
        let failed = |source| cannot_create(&temporary, source);
        let lock_path = temporary.join(LOCK);
        if lock_path.is_file() {
            // The process that made the folder was killed, unless it has the lock.
            let lock = lock(&lock_path).map_err(failed)?;
            if lock.is_effective() {
                remove_incomplete(&temporary).map_err(failed)?;
            }
        } else {
            // Left by a process that was killed before it made the lock. Fails if it is not empty.
            let _ = fs::remove_dir(&temporary);
        }
        private_folder(&temporary).map_err(failed)?;
        let mut sink = FolderSink {
            target,
            temporary,
            lock: None,
            is_complete: false,
        };
        sink.lock =
            Some(lock(&lock_path).map_err(|source| cannot_create(&sink.temporary, source))?);
        Ok(sink)
    }

    /// Whether a file has these bytes, and only the current user can read it.
    fn is_same_private_file(&self, path: &Path, bytes: &[u8]) -> bool {
        // A link to a link would be one to the same target, and a pipe would be waited for.
        let (Ok(found), Ok(own)) = (fs::symlink_metadata(path), fs::metadata(&self.temporary))
        else {
            return false;
        };
        #[cfg(unix)]
        let is_private = {
            use std::os::unix::fs::MetadataExt;
            found.mode() & 0o777 == 0o600 && found.uid() == own.uid()
        };
        #[cfg(not(unix))]
        let is_private = own.is_dir();
        is_private
            && found.is_file()
            && found.len() == bytes.len() as u64
            && fs::read(path).is_ok_and(|earlier| earlier == bytes)
    }
}

impl Sink for FolderSink {
    fn put(&mut self, name: &str, bytes: &[u8], earlier: Option<&Path>) -> io::Result<bool> {
        let path = self.temporary.join(name);
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            private_folder(folder)?;
        }
        let is_reused = earlier.is_some_and(|earlier| {
            self.is_same_private_file(earlier, bytes) && fs::hard_link(earlier, &path).is_ok()
        });
        if !is_reused {
            let mut file = private().create_new(true).open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        sync_folder(&path)?;
        Ok(is_reused)
    }

    fn finish(&mut self) -> io::Result<()> {
        if cfg!(windows) {
            // A folder with an open file cannot be renamed.
            self.lock = None;
        }
        fs::rename(&self.temporary, &self.target)?;
        self.is_complete = true;
        // At worst, an empty file stays in the backup.
        let _ = fs::remove_file(self.target.join(LOCK));
        sync_folder(&self.target)
    }
}

impl Drop for FolderSink {
    fn drop(&mut self) {
        if !self.is_complete {
            // At worst, a folder with this name stays.
            let _ = remove_incomplete(&self.temporary);
        }
    }
}

/// Removes a folder that is not complete. The lock, which tells what the folder is, is the last file to go.
fn remove_incomplete(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != LOCK {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

/// Removes an empty folder, whose name the backup gets.
fn remove_empty(target: &Path) -> Result<()> {
    let Err(error) = fs::remove_dir(target) else {
        return Ok(());
    };
    let why = match error.kind() {
        ErrorKind::NotFound => return Ok(()),
        ErrorKind::DirectoryNotEmpty => "the folder is not empty; name a new one for each backup",
        ErrorKind::ResourceBusy => {
            "it is a mount point, and the finished backup is renamed to this name; name a folder inside of it"
        }
        _ => return Err(cannot_create(target, error)),
    };
    let reason = InvalidInput::setting("to_folder", target.display().to_string(), why);
    Err(Call::new("backup", None).invalid(reason))
}

fn lock(path: &Path) -> io::Result<FileLock> {
    FileLock::acquire(path).map_err(|error| match error {
        LockError::Held(_) => io::Error::other("another backup writes to it"),
        LockError::NotALock => io::Error::other("its lock has other content; remove the folder"),
        LockError::Io(error) => error,
    })
}

fn cannot_create(folder: &Path, source: io::Error) -> Error {
    let message = format!("cannot create the folder {}", folder.display());
    Error::Io { message, source }
}

/// Creates a folder that only the current user can read.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A `.tar` stream.
pub(super) struct TarSink<W: Write> {
    tar: tar::Builder<W>,
    /// The time of all files, in seconds since 1970.
    modified: u64,
}

impl<W: Write> TarSink<W> {
    pub(super) fn new(writer: W) -> TarSink<W> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        TarSink {
            tar: tar::Builder::new(writer),
            modified: since_1970.map_or(0, |time| time.as_secs()),
        }
    }
}

impl<W: Write> Sink for TarSink<W> {
    fn put(&mut self, name: &str, bytes: &[u8], _: Option<&Path>) -> io::Result<bool> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o600);
        header.set_mtime(self.modified);
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, name, bytes)?;
        Ok(false)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.tar.finish()?;
        self.tar.get_mut().flush()
    }
}
