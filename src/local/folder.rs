//! The folders for the data and the log of a server.

use std::fs::{self, DirBuilder};
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::logs;

/// The paths of the data and the log of a server.
#[derive(Debug)]
pub(super) struct Folders {
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    /// The parent of both, if the caller set no data folder.
    pub(super) temporary: Option<TemporaryFolder>,
}

impl Folders {
    /// Creates the folder set by the caller, or a temporary one.
    pub(super) fn new(data: Option<&Path>) -> Result<Folders> {
        let failed = |what: &Path, error: IoError| {
            Error::local_io(
                format!("cannot create the folder {}", what.display()),
                error,
            )
        };
        if let Some(data) = data {
            let data = std::path::absolute(data).map_err(|error| failed(data, error))?;
            fs::create_dir_all(&data).map_err(|error| failed(&data, error))?;
            return Ok(Folders {
                log: data.join("chroma.log"),
                data,
                temporary: None,
            });
        }
        let parent = std::env::temp_dir();
        let temporary = TemporaryFolder::new(&parent).map_err(|error| failed(&parent, error))?;
        let data = temporary.0.join("data");
        fs::create_dir(&data).map_err(|error| failed(&data, error))?;
        Ok(Folders {
            log: temporary.0.join("chroma.log"),
            data,
            temporary: Some(temporary),
        })
    }
}

/// A folder that only the user can enter. Removed when dropped.
#[derive(Debug)]
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new(parent: &Path) -> IoResult<TemporaryFolder> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = std::path::absolute(parent)?;
        loop {
            let nanos = SystemTime::UNIX_EPOCH
                .elapsed()
                .map_or(0, |d| d.subsec_nanos());
            let path = parent.join(format!(
                "chroma-blocking-{}-{}-{nanos:08x}",
                process::id(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            ));
            match builder().create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                result => return result.map(|()| TemporaryFolder(path)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes the folder, unless the supervisor has done so. Retries, since a server whose supervisor was
    /// killed may still be ending.
    pub(super) fn remove(&self) -> Result<()> {
        let mut tries = 20;
        loop {
            tries -= 1;
            match fs::remove_dir_all(&self.0) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound && !self.0.exists() => {
                    return Ok(());
                }
                Err(error) if tries == 0 => {
                    let message = format!(
                        "the server has ended, but its folder {} could not be removed",
                        self.0.display()
                    );
                    return Err(Error::local_io(message, error));
                }
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // `drop` cannot return the error.
        if let Err(error) = self.remove() {
            log::error!(target: logs::LOCAL, "{error:#}");
        }
    }
}

#[cfg(unix)]
fn builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn builder() -> DirBuilder {
    DirBuilder::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_folders_are_private_distinct_and_removed() {
        let one = Folders::new(None).unwrap();
        let two = Folders::new(None).unwrap();
        assert_ne!(one.data, two.data);
        let path = one.temporary.as_ref().unwrap().path().to_owned();
        assert!(path.starts_with(std::env::temp_dir()) && one.data.starts_with(&path));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        drop(one);
        assert!(!path.exists());
        two.temporary.as_ref().unwrap().remove().unwrap(); // dropping it afterwards does nothing
    }
}
