//! [`LocalServer`]: a real Chroma server on this machine, as a child process.

mod builder;
mod error;
mod find;
mod folder;
mod install;
mod ready;
mod supervise;

use std::fmt;
use std::path::{Path, PathBuf};

pub use self::builder::LocalServerBuilder;
use self::folder::TemporaryFolder;
pub use self::install::InstallPlan;
use self::supervise::Supervised;
use crate::Client;
use crate::error::Result;

/// A real Chroma server on this machine, for this program only.
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
/// # Which server
/// The first of these that there is:
/// 1. the executable that the environment variable `CHROMA_BIN` names;
/// 2. `chroma` on the `PATH` (if it does not start, the next one is tried, and a warning is logged);
/// 3. a copy of the [default version](LocalServerBuilder::version) installed earlier in the cache folder;
/// 4. only if [allowed](LocalServerBuilder::install), that version is installed there by `pip`: one wheel from PyPI,
///    checked by its SHA-256, without its dependencies.
///
/// [`LocalServerBuilder::version`] skips the first two. Installed copies run with Python 3.9 or newer: `python3` or
/// `python` on the `PATH`, or what the environment variable `PYTHON` names. Variables like `PYTHONPATH`, `CHROMA_…`
/// and `RUST_LOG` are kept from the server.
///
/// # How it ends
/// [`stop`](LocalServer::stop) and dropping end the server, wait for it, and remove its temporary folder. So does the
/// end of this program, however it ends: a panic, `exit`, Ctrl-C, `kill -9`. A small supervisor process (Python)
/// reads a pipe from this program and ends the server within 2 seconds after the pipe has closed; the server is asked
/// first and killed after 1.2 seconds. Program, supervisor and server are in process groups of their own, so a Ctrl-C
/// in the terminal ends the program first; a program that handles Ctrl-C keeps its server.
///
/// Should the supervisor be killed with `kill -9`, an installed copy ends by itself; a `chroma` executable does so on
/// Linux only. Where there is no Python, a shell script supervises a `chroma` executable; on Windows Python is needed.
///
/// The type is `Send` and `Sync`: share it by reference or in an `Arc`.
pub struct LocalServer {
    // Dropped in this order: the server has ended when its folder goes.
    supervised: Supervised,
    temporary: Option<TemporaryFolder>,
    url: String,
    port: u16,
    data: PathBuf,
    log: PathBuf,
}

impl LocalServer {
    /// Starts a server with a temporary data folder on a free port. It installs nothing: see
    /// [`LocalServerBuilder::install`].
    pub fn start() -> Result<LocalServer> {
        LocalServer::builder().start()
    }

    /// A server with other settings.
    pub fn builder() -> LocalServerBuilder {
        LocalServerBuilder::default()
    }

    /// A client of this server.
    pub fn client(&self) -> Result<Client> {
        Client::new(&self.url)
    }

    /// Its address: `http://127.0.0.1:PORT`. Nothing outside this machine can reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of the server's process.
    pub fn pid(&self) -> u32 {
        self.supervised.pid()
    }

    /// What the server writes: a few lines for each request. It begins anew at each start. It is `chroma.log` in the
    /// caller's data folder, or beside a temporary one and removed with it.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Ends the server and waits until it has ended. Dropping does the same, but cannot tell an error.
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
