//! [`Onnx::download`]: installs the model of Chroma's default function.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod archive;
mod fetch;
#[cfg(test)]
mod tests;

use super::folder::{self, FILES};
use super::function::Onnx;
use crate::durable;
use crate::durable::lock::{FileLock, LockError};
use crate::environment::Environment;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::logs;
use crate::model::progress::Progress;
use crate::printable::OneLine;
use crate::random::Random;
use crate::transport::{RetryPolicy, shown_address};
use archive::{Fault, unpack};
use fetch::{DOWNLOAD, MODEL, Source};

/// Chroma's archive, as in chromadb 1.5.9.
const URL: &str = "https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz";
const SHA256: &str = "913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3";
/// The size of its `model.onnx`, which is nearly all of it. An interrupted installation of another program may leave a shorter file.
const MODEL_SIZE: u64 = 90_387_606;
/// The longest wait for the next bytes.
const SILENCE: Duration = Duration::from_secs(30);
/// The end of the names of temporary folders.
const TEMPORARY: &str = ".partial";

impl Onnx {
    /// Sets up a download of the model of Chroma's default function: 83 MB, from Chroma's address, into the
    /// folder that Chroma's Python client uses as well. [`mini_lm`](Onnx::mini_lm) finds it there.
    ///
    /// This is the only part of the crate that downloads a model.
    ///
    /// ```no_run
    /// use chroma_blocking::embed::Onnx;
    ///
    /// // Returns at once if the model is there.
    /// Onnx::download().on_progress(|progress| eprintln!("{progress}")).run()?;
    /// let function = Onnx::mini_lm()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn download<'a>() -> OnnxDownload<'a> {
        OnnxDownload {
            source: Source {
                url: URL.to_owned(),
                sha256: SHA256.to_owned(),
                retry: RetryPolicy::default(),
                silence: SILENCE,
            },
            model_size: MODEL_SIZE,
            on_progress: Box::new(|_| {}),
        }
    }
}

/// A download of a model. [`Onnx::download`] returns one, and [`run`](OnnxDownload::run) starts it.
#[must_use = "does nothing until run() is called"]
pub struct OnnxDownload<'a> {
    source: Source,
    model_size: u64,
    on_progress: Box<dyn FnMut(&Progress) + 'a>,
}

impl<'a> OnnxDownload<'a> {
    /// Sets the address of a mirror. It must have Chroma's own archive: its SHA-256 is checked, so plain http
    /// does no harm. Default: Chroma's address.
    pub fn url(mut self, url: impl Into<String>) -> OnnxDownload<'a> {
        self.source.url = url.into();
        self
    }

    /// Sets a function that is called with the number of bytes so far, on the calling thread. It is not called
    /// if nothing has to be downloaded, or if another process downloads. Default: none.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> OnnxDownload<'a> {
        self.on_progress = Box::new(report);
        self
    }

    /// Downloads the model unless it is there, and returns its folder.
    ///
    /// If another thread or process is downloading it, waits for that. The request goes through the proxy of
    /// the environment. It has no time limit as long as bytes arrive. The files get into their folder only
    /// after the hash of the archive was checked.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the address is malformed or the user has no home folder, [`Error::Decode`] if the
    /// server sends something else than Chroma's archive, [`Error::Io`] if the folder cannot be written, and
    /// any other error of a request. None of them leaves a file behind.
    pub fn run(self) -> Result<PathBuf> {
        self.run_in(&Environment::of_process())
    }

    fn run_in(mut self, environment: &Environment<'_>) -> Result<PathBuf> {
        let invalid = |reason| Call::new(DOWNLOAD.name, Some(MODEL)).invalid(reason);
        let Some(folder) = folder::of_python(environment) else {
            let why = "the model is installed below the home folder, and there is none; set it to an absolute path";
            return Err(invalid(InvalidInput::setting(folder::HOME, "", why)));
        };
        if self.is_installed(&folder) {
            return Ok(folder);
        }
        let transport = self.source.connect(environment).map_err(invalid)?;
        let parent = folder.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(failed("create the folder", parent))?;
        let Some(_lock) = self.lock(&folder)? else {
            return Ok(folder);
        };
        remove_leftovers(&folder);
        log::info!(
            target: logs::EMBED, "downloading the model {MODEL} (83 MB) from {} into {}",
            OneLine(transport.endpoint().as_str()), OneLine(folder.display())
        );
        let temporary = Temporary::create(&folder)?;
        let (archive, unpacked) = (temporary.0.join("onnx.tar.gz"), temporary.0.join("onnx"));
        self.source
            .fetch(&transport, &archive, &mut *self.on_progress)?;
        unpack(&archive, &unpacked, 3 * self.model_size).map_err(|fault| match fault {
            Fault::Disk(error) => failed("write", &unpacked)(error),
            Fault::Archive(why) => Error::Decode {
                call: Box::new(Call {
                    url: transport.endpoint().as_str().to_owned(),
                    ..Call::new(DOWNLOAD.name, Some(MODEL))
                }),
                message: format!("the archive cannot be unpacked: {why}"),
            },
        })?;
        install(&unpacked, &folder).map_err(failed("write", &folder))?;
        log::info!(target: logs::EMBED, "installed the model {MODEL} in {}", OneLine(folder.display()));
        Ok(folder)
    }

    /// Whether a folder has all files. A shorter model was not written to its end.
    fn is_installed(&self, folder: &Path) -> bool {
        let model = fs::metadata(folder.join("model.onnx"));
        folder::missing(folder).is_empty()
            && model.is_ok_and(|found| found.len() == self.model_size)
    }

    /// Waits until no other thread or process installs into the folder. Returns `None` if one has done it.
    fn lock(&self, folder: &Path) -> Result<Option<FileLock>> {
        let path = folder.with_extension("lock");
        let mut has_logged = false;
        loop {
            match FileLock::acquire(&path) {
                Ok(_) if self.is_installed(folder) => return Ok(None),
                Ok(lock) => return Ok(Some(lock)),
                Err(LockError::Held(_)) if has_logged => {}
                Err(LockError::Held(_)) => {
                    has_logged = true;
                    log::info!(
                        target: logs::EMBED, "waiting for another download into {}", OneLine(folder.display())
                    );
                }
                Err(LockError::Io(error)) => return Err(failed("lock", &path)(error)),
                Err(LockError::NotALock) => {
                    let error = io::Error::other("it has other content; remove it");
                    return Err(failed("lock", &path)(error));
                }
            }
        }
    }
}

/// Shows no password of the address.
impl fmt::Debug for OnnxDownload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxDownload")
            .field("url", &shown_address(&self.source.url))
            .finish_non_exhaustive()
    }
}

/// A folder next to that of the model. Removed when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn create(folder: &Path) -> Result<Temporary> {
        let number = Random::from_entropy().next();
        let path = folder.with_extension(format!("{number:016x}{TEMPORARY}"));
        fs::create_dir(&path).map_err(failed("create the folder", &path))?;
        Ok(Temporary(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // If that fails, the next download removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the temporary folders of downloads that were killed. Called with the lock.
fn remove_leftovers(folder: &Path) {
    let Some(entries) = folder.parent().and_then(|parent| fs::read_dir(parent).ok()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            let number = name.strip_prefix("onnx.")?.strip_suffix(TEMPORARY)?;
            (number.len() == 16 && number.bytes().all(|b| b.is_ascii_hexdigit())).then_some(())
        });
        if number.is_some() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Moves the files to their folder. The missing ones come last, so that the folder is incomplete until all of
/// its files are new.
fn install(unpacked: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut names = FILES;
    names.sort_by_key(|name| !folder.join(name).exists());
    for name in names {
        fs::rename(unpacked.join(name), folder.join(name))?;
    }
    durable::sync_folder(&folder.join("model.onnx"))?;
    durable::sync_folder(folder)
}

/// Returns a function that makes an error of a failure to do `what` with a file or a folder.
fn failed(what: &str, path: &Path) -> impl Fn(io::Error) -> Error {
    let message = format!("cannot {what} {}", path.display());
    move |source| Error::Io {
        message: message.clone(),
        source,
    }
}
