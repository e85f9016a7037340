//! [`Replacement`]: the new content of a file, which takes its place at once.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::{Locked, open_alone};
use super::{folder_of, private, sync_folder};
use crate::random::Random;

const EXTENSION: &str = ".partial";
/// The length of a temporary name without the target's: a dot, 16 digits and the extension.
const ADDED: usize = 1 + 16 + EXTENSION.len();
/// The longest name of a file on most systems.
const MAX_NAME: usize = 255;
/// A temporary file that was written to in this time is not removed, even if nothing seems to use it. A
/// process of another container is not seen, and it may wait for its server for minutes.
const MIN_AGE: Duration = Duration::from_secs(60 * 60);

/// A temporary file next to its target. Removed when dropped, unless it has replaced the target.
///
/// Its name is random and it must not exist, so a link that another user has put there is never followed.
#[derive(Debug)]
pub(crate) struct Replacement {
    target: PathBuf,
    temporary: PathBuf,
    locked: Locked,
    is_done: bool,
}

impl Replacement {
    /// Creates a temporary file. `target` must be the path of a [`Target::File`](super::Target).
    pub(crate) fn create(target: &Path) -> io::Result<Replacement> {
        Replacement::create_by(target, |path| open_alone(private().create_new(true), path))
    }

    /// Like [`create`](Replacement::create), with the function that creates and locks a file.
    fn create_by(
        target: &Path,
        mut create: impl FnMut(&Path) -> io::Result<Option<Locked>>,
    ) -> io::Result<Replacement> {
        let mut random = Random::from_entropy();
        // New files whose lock is held. They stay until there is another one, which could get the number of a
        // removed file, and so its lock.
        let mut held = Vec::new();
        let created = loop {
            let temporary = temporary(target, random.next());
            match create(&temporary) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Ok(None) => held.push(temporary),
                Ok(Some(locked)) => break Ok((temporary, locked)),
                Err(error) => break Err(error),
            }
        };
        for path in held {
            let _ = fs::remove_file(path);
        }
        let (temporary, locked) = created?;
        let replacement = Replacement {
            target: target.to_owned(),
            temporary,
            locked,
            is_done: false,
        };
        replacement.keep_permissions();
        Ok(replacement)
    }

    /// Returns the file to write to.
    pub(crate) fn file(&self) -> &File {
        &self.locked.file
    }

    /// Syncs the file, and renames it to the target.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.file().sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        self.is_done = true;
        sync_folder(&self.target)
    }

    /// Gives the file the owner and the permissions of the file that it replaces, if there is one. If that
    /// is not possible or not safe, the file stays private.
    #[cfg(unix)]
    fn keep_permissions(&self) {
        use std::os::unix::fs::{MetadataExt, fchown};

        let (Ok(old), Ok(new)) = (fs::metadata(&self.target), self.file().metadata()) else {
            return;
        };
        let folder = || Some(fs::metadata(folder_of(&self.target)).ok()?.mode());
        if !keeps_owner(old.uid(), new.uid(), folder) {
            return;
        }
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            let _ = fchown(self.file(), Some(old.uid()), Some(old.gid()));
        }
        if old.mode() != new.mode() {
            let _ = self.file().set_permissions(old.permissions());
        }
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)]
    fn keep_permissions(&self) {}
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_done {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Whether a file of the user `new` may get the owner and the permissions of the file of `old` that it
/// replaces. Another user may have created that file, to read the new one. Only root may replace the files of
/// others, in a folder where only its owner and root can create them.
#[cfg(unix)]
fn keeps_owner(old: u32, new: u32, folder_mode: impl FnOnce() -> Option<u32>) -> bool {
    let is_exclusive = || folder_mode().is_some_and(|mode| mode & 0o022 == 0);
    old == new || (new == 0 && is_exclusive())
}

/// Removes the temporary files of replacements of `target` whose processes were killed.
pub(crate) fn remove_leftovers(target: &Path) {
    let Ok(entries) = fs::read_dir(folder_of(target)) else {
        return;
    };
    let prefix = prefix(target);
    for entry in entries.flatten() {
        if is_temporary(&entry.file_name(), &prefix) && is_left(&entry.path()) {
            // A file that stays costs space and nothing else.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is one that [`temporary`] makes.
fn is_temporary(name: &OsStr, prefix: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let number = name
        .strip_prefix(prefix.as_encoded_bytes())
        .and_then(|rest| rest.strip_suffix(EXTENSION.as_bytes()));
    number.is_some_and(|number| number.len() == 16 && number.iter().all(u8::is_ascii_hexdigit))
}

/// Whether no process writes to a temporary file.
fn is_left(temporary: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(temporary) else {
        return false;
    };
    let is_old = || {
        found
            .modified()
            .ok()?
            .elapsed()
            .ok()
            .map(|age| age >= MIN_AGE)
    };
    found.is_file()
        && is_old() == Some(true)
        && open_alone(private().read(true), temporary)
            .is_ok_and(|locked| locked.is_some_and(|locked| locked.is_effective))
}

fn temporary(target: &Path, number: u64) -> PathBuf {
    let mut name = prefix(target);
    name.push(format!("{number:016x}{EXTENSION}"));
    target.with_file_name(name)
}

/// Returns the target's name and a dot, or only a dot if the name is too long for more.
fn prefix(target: &Path) -> OsString {
    let name = target.file_name().unwrap_or_default();
    let mut prefix = OsString::new();
    if name.len() + ADDED <= MAX_NAME {
        prefix.push(name);
    }
    prefix.push(".");
    prefix
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::time::SystemTime;

    use super::*;
    use crate::durable::tests::Folder;

    fn replace(target: &Path, content: &str) {
        let replacement = Replacement::create(target).unwrap();
        replacement.file().write_all(content.as_bytes()).unwrap();
        replacement.commit().unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn names(folder: &Folder) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder.0)
            .unwrap()
            .flatten()
            .map(name)
            .collect();
        names.sort();
        names
    }

    #[test]
    fn field_16_a_replaced_file_keeps_its_mode_and_owner() {
        let folder = Folder::new();
        let target = folder.0.join("file");
        for kept in [0o644, 0o640, 0o400, 0o666] {
            fs::write(&target, "old").ok();
            // Only root may do this.
            let owner = chown(&target, Some(1234), Some(5678)).map(|()| (1234, 5678));
            fs::set_permissions(&target, fs::Permissions::from_mode(kept)).unwrap();
            replace(&target, "new");
            assert_eq!(mode(&target), kept);
            let found = fs::metadata(&target).unwrap();
            let found = (found.uid(), found.gid());
            assert_eq!(found, owner.unwrap_or(found));
            assert_eq!(fs::read(&target).unwrap(), b"new");
            fs::remove_file(&target).unwrap();
        }
    }

    #[test]
    fn secure_11_new_files_are_for_this_user_only_from_the_start() {
        let folder = Folder::new();
        let target = folder.0.join("file");
        let replacement = Replacement::create(&target).unwrap();
        assert_eq!(replacement.file().metadata().unwrap().mode() & 0o777, 0o600);
        replacement.commit().unwrap();
        assert_eq!(mode(&target), 0o600);
    }

    /// In a folder like `/tmp`, another user can create the file before an export does.
    #[test]
    fn secure_11_a_file_of_another_user_does_not_choose_who_can_read_the_new_one() {
        let folder = Folder::new();
        let target = folder.0.join("file");
        let own = fs::metadata(&folder.0).unwrap().uid();
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o1777)).unwrap();
        // Only root may do this.
        if chown(&target, Some(1234), Some(5678)).is_ok() {
            fs::set_permissions(&target, fs::Permissions::from_mode(0o666)).unwrap();
            let replacement = Replacement::create(&target).unwrap();
            let found = replacement.file().metadata().unwrap();
            assert_eq!((found.uid(), found.mode() & 0o7777), (own, 0o600));
        }
        for (old, new, folder, is_kept) in [
            (1000, 1000, 0o1777, true),
            (1000, 1000, 0o755, true),
            (1001, 1000, 0o1777, false),
            (0, 1000, 0o755, false),
            (1001, 1000, 0o755, false),
            (1000, 0, 0o755, true),
            (1000, 0, 0o775, false),
            (1000, 0, 0o1777, false),
        ] {
            let found = keeps_owner(old, new, || Some(folder));
            assert_eq!(found, is_kept, "{old}, {new}, {folder:o}");
        }
        assert!(!keeps_owner(1000, 0, || None));
    }

    #[test]
    fn secure_03_temporary_names_are_random_and_files_with_them_are_not_followed() {
        let folder = Folder::new();
        let target = folder.0.join("file");
        let all: std::collections::HashSet<_> = (0..50)
            .map(|_| Replacement::create(&target).unwrap().temporary.clone())
            .collect();
        assert_eq!(all.len(), 50);
        assert!(names(&folder).is_empty(), "removed: {:?}", names(&folder));
        // Even at the right name, a link would not be opened.
        let victim = folder.0.join("victim");
        let link = temporary(&target, 7);
        symlink(&victim, &link).unwrap();
        let error = open_alone(private().create_new(true), &link).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(!victim.exists());
    }

    #[test]
    fn field_28_a_name_of_any_length_can_be_replaced() {
        let folder = Folder::new();
        for length in [1, 229, 230, 231, 255] {
            let target = folder.0.join("n".repeat(length));
            replace(&target, "text");
            assert_eq!(fs::read(&target).unwrap(), b"text");
            remove_leftovers(&target);
            fs::remove_file(&target).unwrap();
        }
    }

    /// The lock of a new file is held if it has the number of a file that was removed just now.
    #[test]
    fn field_28_a_new_file_whose_lock_is_held_does_not_stay() {
        let folder = Folder::new();
        let target = folder.0.join("file");
        for is_possible in [true, false] {
            let mut turns = 0;
            let created = Replacement::create_by(&target, |path| {
                turns += 1;
                if turns > 2 && !is_possible {
                    return Err(ErrorKind::StorageFull.into());
                }
                let locked = open_alone(private().create_new(true), path)?;
                Ok(if turns > 2 { locked } else { None })
            });
            assert_eq!(turns, 3);
            assert_eq!(created.is_ok(), is_possible);
            assert_eq!(names(&folder).len(), usize::from(is_possible));
        }
    }

    /// A process of another container may wait for its server, and its lock is not seen.
    #[test]
    fn field_28_a_temporary_file_that_another_container_may_use_stays() {
        let folder = Folder::new();
        let temporary = folder.0.join("file.0123456789abcdef.partial");
        let file = File::create(&temporary).unwrap();
        let minute = Duration::from_secs(60);
        for (age, stays) in [(2, true), (30, true), (120, false)] {
            file.set_modified(SystemTime::now() - age * minute).unwrap();
            remove_leftovers(&folder.0.join("file"));
            assert_eq!(temporary.exists(), stays, "{age} minutes");
        }
    }

    /// A job that is killed again and again must not fill the disk.
    #[test]
    fn field_28_temporary_files_of_killed_processes_are_removed() {
        let folder = Folder::new();
        let target = folder.0.join("file");
        let at = |name: &str| folder.0.join(name);
        let old = SystemTime::now() - 2 * MIN_AGE;
        let create = |path: &Path, modified: SystemTime| {
            let file = File::create(path).unwrap();
            file.set_modified(modified).unwrap();
        };
        let digits = "0123456789abcdef";
        create(&at(&format!("file.{digits}.partial")), old);
        let kept = [
            format!("file.{digits}"),
            format!("file.x.{digits}.partial"),
            format!("file.{}.partial", &digits[1..]),
            format!("file2.{digits}.partial"),
            "file.partial".to_owned(),
        ];
        for name in &kept {
            create(&at(name), old);
        }
        create(&at("file.00000000000000aa.partial"), SystemTime::now());
        symlink("file2.x", at("file.00000000000000bb.partial")).unwrap();
        let replacement = Replacement::create(&target).unwrap();
        replacement.file().set_modified(old).unwrap();

        remove_leftovers(&target);
        let mut expected = kept.to_vec();
        expected.push("file.00000000000000aa.partial".to_owned());
        expected.push("file.00000000000000bb.partial".to_owned());
        expected.push(
            replacement
                .temporary
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
        );
        expected.sort();
        assert_eq!(names(&folder), expected);
        replacement.commit().unwrap();
    }
}
