//! [`FileLock`]: a lock that ends when its process ends, even if that is killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use super::private;

/// How long to try to lock a file. Another thread may just be starting a child process, which then holds
/// copies of all files and sockets for a moment.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The longest content of a lock file: the digits of a process id, and some blanks.
const MAX_CONTENT: u64 = 24;

/// A lock on a file that exists for this purpose. It contains the id of the process that holds it, and is
/// removed when dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    locked: Locked,
}

/// Why a file cannot be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// The lock is held, by the process with this id if that is known.
    Held(Option<u32>),
    /// The file has other content.
    NotALock,
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> LockError {
        LockError::Io(error)
    }
}

impl FileLock {
    /// Creates the file if it does not exist, and locks it.
    pub(crate) fn acquire(path: &Path) -> Result<FileLock, LockError> {
        let started = Instant::now();
        loop {
            if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
                return Err(LockError::NotALock);
            }
            let locked = open_alone(private().read(true).create(true).truncate(false), path)?;
            let Some(locked) = locked else {
                if started.elapsed() >= PATIENCE {
                    return Err(LockError::Held(read_id(path)));
                }
                thread::sleep(POLL_INTERVAL);
                continue;
            };
            // The holder removes the file. Then this one is no longer at the path, and locks nothing. Some
            // network file systems give a file a new number each time.
            if is_at(&locked.file, path)? || started.elapsed() >= PATIENCE {
                return FileLock::of(path, locked);
            }
        }
    }

    fn of(path: &Path, locked: Locked) -> Result<FileLock, LockError> {
        let mut content = Vec::new();
        (&locked.file)
            .take(MAX_CONTENT + 1)
            .read_to_end(&mut content)?;
        let is_id = content.trim_ascii_end().iter().all(u8::is_ascii_digit);
        if !is_id || content.len() as u64 > MAX_CONTENT {
            return Err(LockError::NotALock);
        }
        let path = path.to_owned();
        let lock = FileLock { path, locked };
        let mut file = &lock.locked.file;
        file.set_len(0)?;
        io::Seek::rewind(&mut file)?;
        file.write_all(format!("{}\n", process::id()).as_bytes())?;
        Ok(lock)
    }

    /// Whether the system could lock the file. If not, other processes do not see the lock.
    pub(crate) fn is_effective(&self) -> bool {
        self.locked.is_effective
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Removed while it is locked. Otherwise another process could lock the file, and then lose it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads the process id in a lock file.
fn read_id(path: &Path) -> Option<u32> {
    let mut content = String::new();
    let file = File::open(path).ok()?;
    file.take(MAX_CONTENT).read_to_string(&mut content).ok()?;
    content.trim_end().parse().ok()
}

/// Whether a path still leads to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// An open file that no other process can open by [`open_alone`].
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) file: File,
    /// Whether the system could lock the file. If not, other processes can open it.
    pub(super) is_effective: bool,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    _socket: Option<std::os::unix::net::UnixDatagram>,
}

/// Opens a file for this process alone. Returns `None` if it is open already. The system unlocks it when the
/// process ends.
///
/// On Linux, the lock is a socket whose name is made of the file's device and number. The kernel allows such
/// a name once, and forgets it when the process ends. `File::lock` needs Rust 1.89, and `flock` another
/// crate. Processes in different network namespaces, such as containers, do not see each other's locks.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn open_alone(options: &mut OpenOptions, path: &Path) -> io::Result<Option<Locked>> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    let found = file.metadata()?;
    let name = format!("chroma-blocking file {:x} {:x}", found.dev(), found.ino());
    let socket = match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?) {
        Ok(socket) => Some(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
        // A sandbox may forbid sockets.
        Err(_) => None,
    };
    Ok(Some(Locked {
        file,
        is_effective: socket.is_some(),
        _socket: socket,
    }))
}

/// The flags of systems that lock a file when they open it, and fail with `WouldBlock` if it is locked.
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
const EXCLUSIVE: Option<libc::c_int> = Some(libc::O_EXLOCK);
#[cfg(all(
    unix,
    not(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
        target_os = "linux",
        target_os = "android"
    ))
))]
const EXCLUSIVE: Option<libc::c_int> = None;

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub(crate) fn open_alone(options: &mut OpenOptions, path: &Path) -> io::Result<Option<Locked>> {
    use std::os::unix::fs::OpenOptionsExt;

    let opened = lock_if_possible(path, |is_locked| {
        let lock = if is_locked { EXCLUSIVE.unwrap_or(0) } else { 0 };
        let options = options.custom_flags(lock | libc::O_NOFOLLOW | libc::O_NONBLOCK);
        options.open(path)
    })?;
    Ok(opened.map(|(file, is_locked)| Locked {
        file,
        is_effective: is_locked && EXCLUSIVE.is_some(),
    }))
}

/// Opens a file with a lock, or without one if its file system has no locks. Returns whether it is locked,
/// and `None` if it is open already.
#[cfg(all(unix, any(test, not(any(target_os = "linux", target_os = "android")))))]
fn lock_if_possible(
    path: &Path,
    mut open: impl FnMut(bool) -> io::Result<File>,
) -> io::Result<Option<(File, bool)>> {
    let is_new = fs::symlink_metadata(path).is_err();
    match open(true) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if has_no_locks(&error) => {
            // The system creates the file before it fails to lock it. The options may ask for a new file.
            if is_new {
                let _ = fs::remove_file(path);
            }
            Ok(Some((open(false)?, false)))
        }
        file => Ok(Some((file?, true))),
    }
}

#[cfg(all(unix, any(test, not(any(target_os = "linux", target_os = "android")))))]
fn has_no_locks(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    number == Some(libc::ENOTSUP) || number == Some(libc::EOPNOTSUPP)
}

#[cfg(windows)]
pub(crate) fn open_alone(options: &mut OpenOptions, path: &Path) -> io::Result<Option<Locked>> {
    /// Others may rename and remove the file, but not open it for reading or writing.
    const FILE_SHARE_DELETE: u32 = 4;
    let file = open_shared(options, FILE_SHARE_DELETE, path)?;
    Ok(file.map(|file| Locked {
        file,
        is_effective: true,
    }))
}

/// Opens a file. Until it is closed, others can open it only as `share_mode` allows. Returns `None` if it is
/// open already.
#[cfg(windows)]
pub(crate) fn open_shared(
    options: &mut OpenOptions,
    share_mode: u32,
    path: &Path,
) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;

    const SHARING_VIOLATION: i32 = 32;
    match options.share_mode(share_mode).open(path) {
        Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
        file => file.map(Some),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::durable::tests::Folder;

    /// The program that holds a lock until it is killed. It starts a child process, which outlives it.
    #[test]
    #[ignore = "run by the other tests"]
    fn holder() {
        let Some(path) = env::var_os("LOCK_TEST_PATH") else {
            return;
        };
        let _lock = FileLock::acquire(Path::new(&path)).unwrap();
        let child = Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .spawn();
        println!("@{}", child.unwrap().id());
        thread::sleep(Duration::from_secs(600));
    }

    /// Starts [`holder`]. Returns it when it holds the lock, and the id of its child.
    fn start(path: &Path) -> (Child, String) {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([
            "durable::lock::tests::holder",
            "--exact",
            "--ignored",
            "--nocapture",
        ]);
        command.env("LOCK_TEST_PATH", path).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        let id = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once('@')?.1.to_owned()));
        (holder, id.unwrap())
    }

    #[test]
    fn field_15_a_lock_ends_with_its_process_and_not_with_the_children_of_that() {
        let folder = Folder::new();
        let path = folder.0.join("job.ckpt.lock");
        let (mut holder, child) = start(&path);
        let refused = FileLock::acquire(&path);
        holder.kill().unwrap(); // SIGKILL
        holder.wait().unwrap();
        let is_left = path.exists();
        let lock = FileLock::acquire(&path);
        let ended = Command::new("kill").arg(child).status().unwrap();
        match refused {
            Err(LockError::Held(id)) => assert_eq!(id, Some(holder.id())),
            other => panic!("{other:?}"),
        }
        assert!(is_left, "the process could not remove it");
        assert!(ended.success(), "the child was still running");
        drop(lock.unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn field_15_of_many_threads_one_at_a_time_holds_a_lock() {
        let folder = Folder::new();
        let path = folder.0.join("lock");
        let held = std::sync::Mutex::new(());
        let rounds = std::sync::atomic::AtomicUsize::new(0);
        let hold = || {
            while rounds.load(std::sync::atomic::Ordering::SeqCst) < 200 {
                match FileLock::acquire(&path) {
                    Ok(lock) => {
                        let alone = held.try_lock().expect("two locks at once");
                        let second = open_alone(private().read(true), &path);
                        assert!(matches!(second, Ok(None)), "{second:?}");
                        rounds.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        drop(alone);
                        drop(lock);
                    }
                    Err(LockError::Held(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(hold);
            }
        });
        assert!(!path.exists());
    }

    /// Some network file systems have no locks. BSDs create the file before they find that out.
    #[test]
    fn field_15_a_file_system_without_locks_is_no_error() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        for error in [libc::ENOTSUP, libc::EOPNOTSUPP] {
            let open = |is_locked| {
                let file = private().create_new(true).open(&path)?;
                let failed = Err(io::Error::from_raw_os_error(error));
                if is_locked { failed } else { Ok(file) }
            };
            let opened = lock_if_possible(&path, open).unwrap();
            assert!(matches!(opened, Some((_, false))), "{opened:?}");
            fs::remove_file(&path).unwrap();
        }
        // A file that was there stays, with its content.
        fs::write(&path, "text").unwrap();
        let opened = lock_if_possible(&path, |is_locked| {
            let failed = Err(io::Error::from_raw_os_error(libc::ENOTSUP));
            if is_locked { failed } else { File::open(&path) }
        });
        assert!(matches!(opened, Ok(Some((_, false)))), "{opened:?}");
        assert_eq!(fs::read(&path).unwrap(), b"text");
        let held = lock_if_possible(&path, |_| Err(io::ErrorKind::WouldBlock.into()));
        assert!(matches!(held, Ok(None)), "{held:?}");
        let denied = lock_if_possible(&path, |_| Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(denied.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let locked = lock_if_possible(&path, |_| File::open(&path));
        assert!(matches!(locked, Ok(Some((_, true)))), "{locked:?}");
    }

    #[test]
    fn secure_03_a_planted_lock_file_is_neither_followed_nor_changed() {
        let folder = Folder::new();
        let victim = folder.0.join("victim");
        fs::write(&victim, "text").unwrap();
        let path = folder.0.join("lock");
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        for path in [&path, &victim, &folder.0] {
            let refused = FileLock::acquire(path);
            assert!(matches!(refused, Err(LockError::NotALock)), "{refused:?}");
        }
        assert_eq!(fs::read(&victim).unwrap(), b"text");
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }
}
