//! [`LocalServerBuilder`]: the settings, and the way from them to a running server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::find::{Program, Surroundings};
use super::folder::{Folders, TemporaryFolder};
use super::install::{InstallPlan, RELEASES, Release, is_installed};
use super::supervise::{Launch, Trouble};
use super::{LocalServer, ready};
use crate::error::{Error, Result};
use crate::logs;

/// How often another free port is tried.
const PORTS: u32 = 5;
/// How long a chosen port may still belong to a server that is just ending.
const PORT_PATIENCE: Duration = Duration::from_secs(2);

type OnInstall = Box<dyn FnOnce(&InstallPlan) + Send>;

/// Settings of a [`LocalServer`].
#[must_use = "does nothing until `start` is called"]
pub struct LocalServerBuilder {
    install: bool,
    on_install: Option<OnInstall>,
    version: Option<String>,
    cache: Option<PathBuf>,
    data: Option<PathBuf>,
    port: Option<u16>,
    start_timeout: Duration,
}

impl Default for LocalServerBuilder {
    fn default() -> LocalServerBuilder {
        LocalServerBuilder {
            install: false,
            on_install: None,
            version: None,
            cache: None,
            data: None,
            port: None,
            start_timeout: Duration::from_secs(60),
        }
    }
}

impl LocalServerBuilder {
    /// Whether a server may be installed (from PyPI, into the cache folder) where none is found. Default: no.
    pub fn install(mut self, allowed: bool) -> Self {
        self.install = allowed;
        self
    }

    /// Called once, just before a download begins; not called if there is nothing to download, or another process is
    /// downloading already.
    pub fn on_install(mut self, tell: impl FnOnce(&InstallPlan) + Send + 'static) -> Self {
        self.on_install = Some(Box::new(tell));
        self
    }

    /// Exactly this version, as an installed copy: `CHROMA_BIN` and the `PATH` are not looked at. For tests that must
    /// not depend on the machine. There are 1.5.9 (the default), 1.3.7, 1.0.21
    /// and 1.0.0.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Where installed copies are. Default: the environment variable `CHROMA_BLOCKING_CACHE`, or `chroma-blocking` in
    /// the user's cache folder.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Keep the data in this folder, which is created if missing and never removed. Two servers cannot use one folder
    /// at the same time. Default: a temporary folder, removed when the server ends.
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Listen on this port of 127.0.0.1. Default: a free one; another is tried if somebody takes it meanwhile.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port).filter(|port| *port != 0);
        self
    }

    /// How long the server may take until it answers; installing is not counted. Default: 60 seconds.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Finds (or installs) a server, starts it, and waits until it answers.
    pub fn start(self) -> Result<LocalServer> {
        self.start_in(&Surroundings::from_env())
    }

    /// Installs the server if it is not installed yet, and returns its folder; starts nothing.
    ///
    /// This is the permission to download; [`install`](LocalServerBuilder::install) need not be called.
    pub fn install_only(mut self) -> Result<PathBuf> {
        self.install = true;
        let around = Surroundings::from_env();
        let folder = self.release()?.folder(&self.cache(&around)?);
        if is_installed(&folder) {
            return Ok(folder);
        }
        self.installed_copy(&around, &around.python()?)
    }

    fn start_in(mut self, around: &Surroundings) -> Result<LocalServer> {
        if self.version.is_none() {
            let executable = |path, origin| Program::Executable { path, origin };
            if let Some(path) = around.chroma_bin()? {
                let python = around.python().ok();
                return self.launch(&executable(path, "CHROMA_BIN"), python.as_deref());
            }
            if let Some(path) = around.chroma_on_path() {
                let python = around.python().ok();
                let tried = self.launch(&executable(path, "the PATH"), python.as_deref());
                if tried.is_ok() || !(self.install || self.has_copy(around)) {
                    return tried;
                }
                log::warn!(target: logs::LOCAL, "trying an installed copy next: {}",
                    tried.err().map_or(String::new(), |e| format!("{e:#}"))
                );
            }
            if !self.install && !self.has_copy(around) {
                return Err(nothing_found(&self.cache(around)?));
            }
        }
        let python = around.python()?;
        let library = self.installed_copy(around, &python)?;
        let program = Program::Wheel {
            library,
            python: python.clone(),
        };
        self.launch(&program, Some(&python))
    }

    fn release(&self) -> Result<&'static Release> {
        match &self.version {
            Some(version) => Release::find(version),
            None => Ok(&RELEASES[0]),
        }
    }

    fn cache(&self, around: &Surroundings) -> Result<PathBuf> {
        let cache = self.cache.as_ref().or(around.cache.as_ref());
        cache
            .and_then(|cache| std::path::absolute(cache).ok())
            .ok_or_else(|| {
                Error::local(
                    "there is no cache folder for installed servers, because the user has no home folder (HOME is not \
                     set); set CHROMA_BLOCKING_CACHE",
                )
            })
    }

    fn has_copy(&self, around: &Surroundings) -> bool {
        match (self.release(), self.cache(around)) {
            (Ok(release), Ok(cache)) => is_installed(&release.folder(&cache)),
            _ => false,
        }
    }

    fn installed_copy(&mut self, around: &Surroundings, python: &Path) -> Result<PathBuf> {
        let (release, cache) = (self.release()?, self.cache(around)?);
        let folder = release.folder(&cache);
        if is_installed(&folder) {
            return Ok(folder);
        }
        if !self.install {
            return Err(Error::local(format!(
                "chromadb {} is not installed in {}; allow installing it with .install(true)",
                release.version,
                cache.display()
            )));
        }
        let tell = self.on_install.take();
        release.install(&cache, python, |plan| {
            if let Some(tell) = tell {
                tell(plan);
            }
        })
    }

    fn launch(&self, program: &Program, python: Option<&Path>) -> Result<LocalServer> {
        /// As good as no end, and still a time that a clock can tell.
        const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
        let deadline = Instant::now() + self.start_timeout.min(FOREVER);
        let mut attempt = 1;
        loop {
            let port = match self.port {
                Some(port) => chosen(port)?,
                None => ready::free_port()
                    .map_err(|error| Error::local_io("there is no free port", error))?,
            };
            let folders = Folders::new(self.data.as_deref())?;
            let launch = Launch {
                program,
                python,
                data: &folders.data,
                log: &folders.log,
                remove: folders.temporary.as_ref().map(TemporaryFolder::path),
                port,
            };
            match launch.run(deadline) {
                Ok(supervised) => {
                    let server = LocalServer {
                        supervised,
                        temporary: folders.temporary,
                        url: format!("http://127.0.0.1:{port}"),
                        port,
                        data: folders.data,
                        log: folders.log,
                    };
                    log::debug!(target: logs::LOCAL, "started {}: {server:?}", program.name());
                    return Ok(server);
                }
                Err(Trouble::PortTaken) if self.port.is_none() && attempt < PORTS => {
                    log::debug!(target: logs::LOCAL, "somebody took port {port} meanwhile; trying another");
                    attempt += 1;
                }
                Err(trouble) => {
                    let command = program.command_line(&folders.data, port);
                    return Err(self.explain(trouble, program, &command, &folders.data, port));
                }
            }
        }
    }

    fn explain(
        &self,
        trouble: Trouble,
        program: &Program,
        command: &str,
        data: &Path,
        port: u16,
    ) -> Error {
        let name = program.name();
        let details = |log: &str| {
            format!(
                "\ncommand: {command}\nlast lines of its output:\n{}",
                ready::tail(log, 15)
            )
        };
        Error::local(match trouble {
            Trouble::Unable(error) => return error,
            Trouble::PortTaken => taken(port),
            Trouble::DataBusy => format!(
                "another server uses the data folder {}; stop that one, or choose another folder",
                data.display()
            ),
            Trouble::Died { how, log } => {
                format!("{name} ended before it answered: {how}{}", details(&log))
            }
            Trouble::Silent { log } => format!(
                "{name} did not answer on port {port} within {} s (start_timeout){}",
                self.start_timeout.as_secs_f32(),
                details(&log)
            ),
        })
    }
}

impl fmt::Debug for LocalServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalServerBuilder")
            .field("install", &self.install)
            .field("version", &self.version)
            .field("data", &self.data)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// The port that the caller chose, once it is free.
fn chosen(port: u16) -> Result<u16> {
    let deadline = Instant::now() + PORT_PATIENCE;
    while ready::is_taken(port) {
        if Instant::now() > deadline {
            return Err(Error::local(taken(port)));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(port)
}

fn taken(port: u16) -> String {
    format!(
        "port {port} of 127.0.0.1 is taken by another program; choose another port, or none to get a free one"
    )
}

fn nothing_found(cache: &Path) -> Error {
    Error::local(format!(
        "found none: CHROMA_BIN is not set, there is no chroma on the PATH, and none is installed in {}. Do one of \
         these: allow installing it with LocalServer::builder().install(true) (Python 3.9 or newer with pip, 23 MB \
         from PyPI); set CHROMA_BIN to a chroma executable, or put one on the PATH; or run a server yourself \
         (`docker compose up -d`, or `docker run -p 127.0.0.1:8000:8000 chromadb/chroma:1.5.9`) and connect to it with \
         CHROMA_HOST=localhost:8000",
        cache.display()
    ))
}
