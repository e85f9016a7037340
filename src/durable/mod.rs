//! Files of this crate: replaced and appended to so that a crash loses nothing, and used by one job at a time.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub(crate) mod in_use;
pub(crate) mod lines;
pub(crate) mod lock;
pub(crate) mod replacement;
#[cfg(test)]
pub(crate) mod tests;

/// The most links that are followed from a path, as on Linux.
const MAX_LINKS: usize = 40;

/// The kind of file that a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A regular file or none yet. The path is canonical, without links.
    File(PathBuf),
    /// A device, a pipe, or an open file of a process such as `/dev/stdout`. It is written to, never
    /// replaced.
    Stream(PathBuf),
}

impl Target {
    /// Follows the links of a path. The file may not exist, but its folder must.
    pub(crate) fn find(path: &Path) -> io::Result<Target> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => return Ok(Target::Stream(path.to_owned())),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(ErrorKind::IsADirectory.into());
        }
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let name = path.file_name().ok_or(ErrorKind::NotFound)?;
            let folder = fs::canonicalize(folder_of(&path))?;
            let file = folder.join(name);
            if ["/proc", "/dev/fd"]
                .iter()
                .any(|open| folder.starts_with(open))
            {
                return Ok(Target::Stream(file));
            }
            match fs::read_link(&file) {
                Ok(link) => path = folder.join(link),
                Err(_) => return Ok(Target::File(file)),
            }
        }
        Err(io::Error::other("too many symbolic links"))
    }

    /// Returns the path of a file.
    ///
    /// # Errors
    /// If the path leads to a device or a pipe.
    pub(crate) fn file(path: &Path) -> io::Result<PathBuf> {
        match Target::find(path)? {
            Target::File(file) => Ok(file),
            Target::Stream(_) => {
                let why = "it is a device or a pipe, and a file is needed";
                Err(io::Error::new(ErrorKind::InvalidInput, why))
            }
        }
    }
}

/// Returns options that make new files readable for the current user only, because they contain records or
/// vectors.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true);
    options
}

/// Syncs the folder of `path`, so that a rename or a new file in it is durable.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let synced = fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    match synced {
        // Some file systems cannot sync a folder, and some folders may be written to but not opened.
        Err(error) if is_not_possible(&error) => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether the operation is not supported or not allowed here. Any other error is a failure.
#[cfg(unix)]
fn is_not_possible(error: &io::Error) -> bool {
    use ErrorKind::{InvalidInput, PermissionDenied, Unsupported};

    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}
