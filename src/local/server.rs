//! [`LocalServer`]: a running server.

use std::fmt;
use std::path::{Path, PathBuf};

use super::folder::TemporaryFolder;
use super::supervise::Supervised;
use crate::Client;
use crate::error::Result;

/// A Chroma server that this program has started. Requires the feature `local-server`, which is on by
/// default.
///
/// ```no_run
/// use chroma_blocking::LocalServer;
///
/// let server = LocalServer::builder()
///     .install(true)
///     .on_install(|plan| eprintln!("{plan}"))
///     .start()?;
/// let client = server.client()?;
/// // … and the server ends with `server`.
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Which server is started
/// The first that exists:
/// 1. The executable in the environment variable `CHROMA_BIN`.
/// 2. `chroma` on the `PATH`. If it does not start, a warning is logged and the next is tried.
/// 3. A copy of the [default version](crate::local::LocalServerBuilder::version) that was installed into the
///    cache folder earlier.
/// 4. A copy that `pip` installs into the cache folder now, only if
///    [allowed](crate::local::LocalServerBuilder::install): one wheel from PyPI without its dependencies,
///    verified by its SHA-256.
///
/// With [`LocalServerBuilder::version`](crate::local::LocalServerBuilder::version), the first two are
/// skipped. Installed copies run in Python 3.9 or newer: the executable in the environment variable `PYTHON`,
/// or `python3` or `python` on the `PATH`. The server inherits only the environment variables that it needs,
/// such as `PATH`, `HOME` and `LC_ALL`, and no keys.
///
/// # When the server ends
/// Calling [`stop`](LocalServer::stop) or dropping the value ends the server, waits until it has ended, and
/// removes its temporary folder. The same happens when the program ends, however it ends: by a panic, `exit`,
/// Ctrl-C or `kill -9`.
///
/// A supervisor process, a small Python script, reads a pipe from the program. When the pipe closes, it asks
/// the server to end, and kills it after 1.2 seconds. The server ends within 2 seconds. Program, supervisor
/// and server are in separate process groups. Ctrl-C in the terminal therefore reaches the program only, and
/// a program that handles Ctrl-C keeps its server.
///
/// If the supervisor itself is killed with `kill -9`, an installed copy still ends; a `chroma` executable
/// does so on Linux only. Without Python, a shell script supervises a `chroma` executable. On Windows, Python
/// is required.
///
/// `LocalServer` is `Send` and `Sync`. Share it by reference or in an `Arc`.
pub struct LocalServer {
    // Fields are dropped in this order: the server must end before its folder is removed.
    pub(super) supervised: Supervised,
    pub(super) temporary: Option<TemporaryFolder>,
    pub(super) url: String,
    pub(super) port: u16,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
}

impl LocalServer {
    /// Returns a client of this server.
    ///
    /// # Errors
    /// None in practice: the address is valid.
    pub fn client(&self) -> Result<Client> {
        Client::builder().local_server(&self.url).build()
    }

    /// Returns the address, `http://127.0.0.1:PORT`. The server is reachable from this machine only.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the id of the server's process.
    pub fn pid(&self) -> u32 {
        self.supervised.pid()
    }

    /// Returns the path of the server's log: its start, warnings and errors. Each start truncates it. When it
    /// reaches 8 MiB, only its last lines are kept (on Unix). It is `chroma.log` in the data folder set by the
    /// caller, or next to a temporary data folder and removed with it.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Returns the path of the data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Ends the server and waits until it has ended. Dropping does the same, but only logs an error.
    ///
    /// # Errors
    /// [`Error::LocalServer`](crate::Error::LocalServer) if the server does not end within 5 seconds, or if
    /// its temporary folder cannot be removed.
    pub fn stop(mut self) -> Result<()> {
        self.supervised.stop()?;
        match &self.temporary {
            Some(folder) => folder.remove(),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for LocalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalServer")
            .field("url", &self.url)
            .field("pid", &self.pid())
            .field("data_dir", &self.data)
            .finish_non_exhaustive()
    }
}
