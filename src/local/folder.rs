//! The folders for the data and the log of a server.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::find::CACHE_SETTINGS;
use crate::error::{Error, Result};
use crate::logs;
use crate::printable::OneLine;

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
            if data.as_os_str().is_empty() || data.to_str().is_none() {
                let shown = data.display();
                return Err(Error::local(format!(
                    "the data folder is {shown:?}; it must be a path in Unicode, and not empty"
                )));
            }
            let data = std::path::absolute(data).map_err(|error| failed(data, error))?;
            let mut builder = builder();
            builder
                .recursive(true)
                .create(&data)
                .map_err(|error| failed(&data, error))?;
            return Ok(Folders {
                log: data.join("chroma.log"),
                data,
                temporary: None,
            });
        }
        let parent = std::env::temp_dir();
        let temporary = TemporaryFolder::new(&parent).map_err(|error| {
            let message = format!(
                "cannot create a folder for temporary data in {}",
                parent.display()
            );
            Error::local_io(message, error)
        })?;
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
            log::error!(target: logs::LOCAL, "{}", OneLine(format_args!("{error:#}")));
        }
    }
}

/// Creates the cache folder. Other users may use its programs, and cannot change them.
pub(super) fn create_cache(folder: &Path) -> IoResult<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.recursive(true).create(folder)
}

/// Refuses a cache folder whose programs another user could replace. The owner must be `user` or root.
#[cfg(unix)]
pub(super) fn check_owner(folder: &Path, user: u32) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = fs::metadata(folder) else {
        return Ok(()); // It does not exist yet.
    };
    let why = if ![user, 0].contains(&found.uid()) {
        format!(
            "belongs to another user ({}, and this program runs as {user})",
            found.uid()
        )
    } else if found.mode() & 0o002 != 0 {
        "can be written by every user".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::local(format!(
        "the cache folder {} {why}, so another user could replace the server in it; change its owner or mode, or \
         choose another one with {CACHE_SETTINGS}",
        folder.display()
    )))
}

#[cfg(not(unix))]
pub(super) fn check_owner(_: &Path, _: u32) -> Result<()> {
    Ok(())
}

/// Opens the log file of a server to append to it. Follows no link, since another user may have put it there.
pub(super) fn open_log(path: &Path) -> IoResult<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Without O_NONBLOCK, opening a named pipe waits for a reader.
        options
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    let is_plain = |file: &File| {
        file.metadata()
            .is_ok_and(|file| file.is_file() && has_one_name(&file))
    };
    match options.open(path) {
        Ok(file) if is_plain(&file) => Ok(file),
        Err(error) if !path.is_symlink() => Err(error),
        _ => Err(IoError::other("it is a link or a special file; remove it")),
    }
}

#[cfg(unix)]
fn has_one_name(file: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) == 1
}

#[cfg(not(unix))]
fn has_one_name(_: &fs::Metadata) -> bool {
    true
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

    #[test]
    #[cfg(unix)]
    fn secure_12_a_folder_of_another_user_or_for_all_users_is_refused() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let folders = Folders::new(None).unwrap();
        let folder = &folders.data;
        let mut owner = folder.metadata().unwrap().uid();
        if owner == 0 {
            owner = 12345;
            chown(folder, Some(owner), None).unwrap();
        }
        check_owner(folder, owner).unwrap();
        let error = check_owner(folder, owner + 1).unwrap_err().to_string();
        assert!(
            error.contains(&format!("belongs to another user ({owner}")),
            "{error}"
        );
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        let error = check_owner(folder, owner).unwrap_err().to_string();
        assert!(error.contains("can be written by every user"), "{error}");
    }
}
