//! The folder of the model: locked, and filled through a temporary folder in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::durable::lock::{FileLock, LockError};
use crate::embed::onnx::folder::FILES;
use crate::error::{Error, Result};
use crate::logs;
use crate::printable::OneLine;
use crate::random::Random;

/// The end of the names of temporary folders.
const TEMPORARY: &str = ".partial";

/// Waits until no other thread or process installs into the folder.
pub(super) fn lock(folder: &Path) -> Result<FileLock> {
    let path = folder.join("download.lock");
    let mut has_logged = false;
    loop {
        let error = match FileLock::acquire(&path) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held(_)) => {
                if !has_logged {
                    let folder = OneLine(folder.display());
                    log::info!(target: logs::EMBED, "waiting for another download into {folder}");
                }
                has_logged = true;
                continue;
            }
            Err(LockError::Io(error)) => error,
            Err(LockError::NotALock) => io::Error::other("it has other content; remove it"),
        };
        return Err(failed("lock", &path)(error));
    }
}

/// A folder in that of the model, so that files can be moved from one to the other. Removed when dropped.
pub(super) struct Temporary(pub(super) PathBuf);

impl Temporary {
    /// Creates the folder, and removes those of downloads that were killed. Called with the lock.
    pub(super) fn create(folder: &Path) -> Result<Temporary> {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(TEMPORARY) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let number = Random::from_entropy().next();
        let path = folder.join(format!("{number:016x}{TEMPORARY}"));
        fs::create_dir(&path).map_err(failed("create the folder", &path))?;
        Ok(Temporary(path))
    }

    /// Moves the files of the model to their folder. The missing ones come last, so that the folder is
    /// incomplete until all of its files are new.
    pub(super) fn install(&self, folder: &Path) -> io::Result<()> {
        let mut names = FILES;
        names.sort_by_key(|name| !folder.join(name).exists());
        for name in names {
            fs::rename(self.0.join(name), folder.join(name))?;
        }
        durable::sync_folder(&folder.join("model.onnx"))?;
        durable::sync_folder(folder)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // If that fails, the next download removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a function that makes an error of a failure to do `what` with a file or a folder.
pub(super) fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let message = format!("cannot {what} {}", path.display());
    move |source| Error::Io {
        message: message.clone(),
        source,
    }
}
