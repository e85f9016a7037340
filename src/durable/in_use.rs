//! [`InUse`]: the files that this process uses, so that none has two purposes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Target;

/// The purpose of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Input,
    Checkpoint,
    DeadLetters,
    Export,
    #[cfg(feature = "disk-cache")]
    Cache,
}

/// Prints how the file is used.
impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Purpose::Input => "as the input that a reader has open",
            Purpose::Checkpoint => "for the checkpoint of a job",
            Purpose::DeadLetters => "for the dead letters of a job",
            Purpose::Export => "as the target of an export",
            #[cfg(feature = "disk-cache")]
            Purpose::Cache => "as a cache of vectors",
        })
    }
}

/// A file in use, until dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    number: u64,
}

struct Files {
    next: u64,
    used: Vec<(u64, PathBuf, Purpose)>,
}

static FILES: Mutex<Files> = Mutex::new(Files {
    next: 0,
    used: Vec::new(),
});

fn files() -> MutexGuard<'static, Files> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InUse {
    /// Records the purpose of a file. Several parts of the program may use a file for the same purpose, and
    /// any file may be read.
    ///
    /// Returns `None` for a device, a pipe, or a path that leads nowhere.
    ///
    /// # Errors
    /// The other purpose, if the file is to be written and has another purpose.
    pub(crate) fn claim(path: &Path, purpose: Purpose) -> Result<Option<InUse>, Purpose> {
        let Ok(Target::File(path)) = Target::find(path) else {
            return Ok(None);
        };
        let mut files = files();
        let is_written = purpose != Purpose::Input;
        let mut others = files
            .used
            .iter()
            .filter(|(_, _, other)| is_written && *other != purpose);
        if let Some((_, _, other)) = others.find(|(_, used, _)| is_same(used, &path)) {
            return Err(*other);
        }
        let number = files.next;
        files.next += 1;
        files.used.push((number, path, purpose));
        Ok(Some(InUse { number }))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let number = self.number;
        files().used.retain(|(used, _, _)| *used != number);
    }
}

impl Purpose {
    /// Returns why a setting that names a file with this purpose is refused.
    pub(crate) fn refusal(self) -> String {
        format!("the same file is used {self}; name another file")
    }
}

/// Whether two canonical paths are the same file, including hard links.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((id(one), id(other)), (Some(one), Some(other)) if one == other)
}

#[cfg(unix)]
fn id(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn id(path: &Path) -> Option<PathBuf> {
    // Letters of either case can be the same name.
    fs::canonicalize(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Folder;

    #[test]
    fn field_29_a_file_has_one_purpose_at_a_time() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        let letters = InUse::claim(&path, Purpose::DeadLetters).unwrap();
        let shared = InUse::claim(&path, Purpose::DeadLetters).unwrap();
        let other = || InUse::claim(&folder.0.join(".").join("file"), Purpose::Checkpoint);
        assert_eq!(other().unwrap_err(), Purpose::DeadLetters);
        // A program may read the letters of a running job.
        let input = InUse::claim(&path, Purpose::Input).unwrap();
        drop((letters, shared));
        assert_eq!(other().unwrap_err(), Purpose::Input);
        drop(input);
        let _now = other().unwrap().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn field_29_links_of_both_kinds_are_the_same_file() {
        let folder = Folder::new();
        let at = |name: &str| folder.0.join(name);
        fs::write(at("file"), "").unwrap();
        fs::hard_link(at("file"), at("hard")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("soft")).unwrap();
        let _used = InUse::claim(&at("file"), Purpose::Checkpoint).unwrap();
        for name in ["file", "hard", "soft"] {
            let refused = InUse::claim(&at(name), Purpose::Export);
            assert_eq!(refused.unwrap_err(), Purpose::Checkpoint, "{name}");
        }
        let device = InUse::claim(Path::new("/dev/null"), Purpose::Export);
        assert!(device.unwrap().is_none());
    }
}
