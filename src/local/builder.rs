//! [`LocalServerBuilder`]: the settings of a local server, and starting it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::find::{Environment, Program, Python};
use super::folder::{Folders, TemporaryFolder, check_owner, create_cache};
use super::install::{InstallPlan, RELEASES, Release, is_installed};
use super::ready;
use super::server::LocalServer;
use super::supervise::{Launch, StartError};
use crate::error::{Error, Result};
use crate::logs;
use crate::printable::OneLine;

/// The number of ports to try if the port is not set.
const PORT_ATTEMPTS: u32 = 5;
/// How long to wait for the port that the caller set, which may still belong to a server that is ending.
const PORT_TIMEOUT: Duration = Duration::from_secs(2);

type OnInstall = Box<dyn FnOnce(&InstallPlan) + Send>;

/// The settings of a [`LocalServer`]. [`start`](LocalServerBuilder::start) starts it.
#[must_use = "does nothing until start() is called"]
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
    /// Sets whether a server may be installed from PyPI into the cache folder if none is found. Default:
    /// `false`.
    pub fn install(mut self, allowed: bool) -> Self {
        self.install = allowed;
        self
    }

    /// Sets a function that is called once before a download begins. It is not called if nothing has to be
    /// downloaded, or if another process is already downloading. Default: none.
    pub fn on_install(mut self, report: impl FnOnce(&InstallPlan) + Send + 'static) -> Self {
        self.on_install = Some(Box::new(report));
        self
    }

    /// Sets the version. The server is then an installed copy: `CHROMA_BIN` and the `PATH` are ignored. Use
    /// it for tests that must not depend on the machine. Available are 1.5.9, 1.3.7, 1.0.21 and 1.0.0.
    /// Default: any version that is found, or 1.5.9 if it is an installed copy.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the folder of installed copies. Default: the folder in the environment variable
    /// `CHROMA_BLOCKING_CACHE`, or `chroma-blocking` in the user's cache folder.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Sets the data folder. It is created if it does not exist, for the current user only, and never
    /// removed. Default: a temporary folder, which is removed when the server ends.
    ///
    /// Two servers on one folder damage its data. So a local server locks the file `chroma.lock`, and does
    /// not start in a folder that another local server uses, whatever its program and the path that it was
    /// given. On Linux, it does not start either if any other process has opened the database, such as
    /// `chroma run`. If such a process is started in the folder later, a warning is logged, on Linux only.
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Sets the port of 127.0.0.1; 0 means any. Default: a free port. If another program takes it before the
    /// server does, the next free port is tried.
    pub fn port(mut self, port: u16) -> Self {
        self.port = (port != 0).then_some(port);
        self
    }

    /// Sets how long to wait until the server responds, not counting its installation. Default: 60 s.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Finds or installs a server, starts it, and waits until it responds.
    ///
    /// # Errors
    /// [`Error::LocalServer`] if no server is found, or if it cannot be installed or started. The message
    /// says what to do.
    pub fn start(self) -> Result<LocalServer> {
        self.start_in(&Environment::read())
    }

    /// Installs a server unless it is already installed, and returns its folder. Starts nothing.
    ///
    /// It may download the server even without [`install(true)`](LocalServerBuilder::install).
    ///
    /// # Errors
    /// [`Error::LocalServer`] if the server cannot be installed. The message says what to do.
    pub fn install_only(mut self) -> Result<PathBuf> {
        self.install = true;
        let environment = Environment::read();
        let folder = self.release()?.folder(&self.cache(&environment)?);
        if is_installed(&folder) {
            return Ok(folder);
        }
        self.installed_copy(&environment, &environment.python()?)
    }

    fn start_in(mut self, environment: &Environment) -> Result<LocalServer> {
        if self.version.is_none() {
            let executable = |path, origin| Program::Executable { path, origin };
            if let Some(path) = environment.chroma_bin()? {
                let python = environment.python().ok().map(|python| python.path);
                return self.launch(&executable(path, "CHROMA_BIN"), python.as_deref());
            }
            if let Some(path) = environment.chroma_on_path() {
                let python = environment.python().ok().map(|python| python.path);
                let tried = self.launch(&executable(path, "the PATH"), python.as_deref());
                if tried.is_ok() || !(self.install || self.has_copy(environment)) {
                    return tried;
                }
                log::warn!(target: logs::LOCAL, "using an installed copy, because the chroma on the PATH did not start: {}",
                    OneLine(tried.err().map_or(String::new(), |e| format!("{e:#}")))
                );
            }
            if !self.install && !self.has_copy(environment) {
                return Err(not_found(&self.cache(environment)?));
            }
        }
        let python = environment.python()?;
        let library = self.installed_copy(environment, &python)?;
        let program = Program::Wheel {
            library,
            python: python.path.clone(),
        };
        self.launch(&program, Some(&python.path))
    }

    fn release(&self) -> Result<&'static Release> {
        match &self.version {
            Some(version) => Release::find(version),
            None => Ok(&RELEASES[0]),
        }
    }

    fn cache(&self, environment: &Environment) -> Result<PathBuf> {
        match &self.cache {
            Some(cache) => std::path::absolute(cache).map_err(|error| {
                Error::local(format!(
                    "the cache folder {:?} has no absolute path: {error}",
                    cache.display()
                ))
            }),
            None => environment.cache(),
        }
    }

    fn has_copy(&self, environment: &Environment) -> bool {
        match (self.release(), self.cache(environment)) {
            (Ok(release), Ok(cache)) => is_installed(&release.folder(&cache)),
            _ => false,
        }
    }

    fn installed_copy(&mut self, environment: &Environment, python: &Python) -> Result<PathBuf> {
        let (release, cache) = (self.release()?, self.cache(environment)?);
        let folder = release.folder(&cache);
        check_owner(&cache, python.user)?;
        if is_installed(&folder) {
            check_owner(&folder, python.user)?;
            return Ok(folder);
        }
        if !self.install {
            return Err(Error::local(format!(
                "chromadb {} is not installed in {}; allow installing it with .install(true)",
                release.version,
                cache.display()
            )));
        }
        // If this fails, so does the installation, which says why.
        let _ = create_cache(&cache);
        check_owner(&cache, python.user)?;
        let report = self.on_install.take();
        release.install(&cache, &python.path, |plan| {
            if let Some(report) = report {
                report(plan);
            }
        })?;
        // Another user may have created the folders since the check.
        check_owner(&cache, python.user)?;
        check_owner(&folder, python.user)?;
        Ok(folder)
    }

    fn launch(&self, program: &Program, python: Option<&Path>) -> Result<LocalServer> {
        /// Long enough for "no timeout", and short enough to be added to an `Instant`.
        const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
        let deadline = Instant::now() + self.start_timeout.min(FOREVER);
        let mut attempt = 1;
        loop {
            let port = match self.port {
                Some(port) => wait_for_port(port)?,
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
                    log::debug!(target: logs::LOCAL, "started {}: {server:?}", OneLine(program.name()));
                    return Ok(server);
                }
                Err(StartError::PortTaken) if self.port.is_none() && attempt < PORT_ATTEMPTS => {
                    log::debug!(target: logs::LOCAL, "another program took port {port}; trying another port");
                    attempt += 1;
                }
                Err(error) => return Err(self.explain(error, &launch)),
            }
        }
    }

    /// Returns the error of a server that did not start.
    fn explain(&self, error: StartError, launch: &Launch<'_>) -> Error {
        let (name, port) = (launch.program.name(), launch.port);
        let with_details = |what: String, log: &str| {
            let command = launch.program.command_line(launch.data, port);
            let head = [
                what,
                format!("command: {command}"),
                "last lines of its output:".to_owned(),
            ];
            Error::local_lines(head.into_iter().chain(ready::tail(log, 15)))
        };
        match error {
            StartError::Other(error) => error,
            StartError::PortTaken => Error::local(port_taken(port)),
            StartError::DataBusy(process) => Error::local(format!(
                "another program uses the data folder {}{}; end it, or choose another folder",
                launch.data.display(),
                match process.as_str() {
                    "" => String::new(),
                    process => format!(": process {process}"),
                }
            )),
            StartError::Ended { how, log } => {
                with_details(format!("{name} ended before it responded: {how}"), &log)
            }
            StartError::TimedOut { log } => {
                let seconds = self.start_timeout.as_secs_f32();
                let what = format!(
                    "{name} did not respond on port {port} within {seconds} s (start_timeout)"
                );
                with_details(what, &log)
            }
        }
    }
}

impl LocalServer {
    /// Starts a server with a temporary data folder on a free port. It does not install one; see
    /// [`LocalServerBuilder::install`].
    ///
    /// # Errors
    /// Those of [`LocalServerBuilder::start`].
    pub fn start() -> Result<LocalServer> {
        LocalServer::builder().start()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> LocalServerBuilder {
        LocalServerBuilder::default()
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

/// Waits until the port that the caller set is free.
fn wait_for_port(port: u16) -> Result<u16> {
    let deadline = Instant::now() + PORT_TIMEOUT;
    while ready::is_taken(port) {
        if Instant::now() > deadline {
            return Err(Error::local(port_taken(port)));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(port)
}

fn port_taken(port: u16) -> String {
    format!(
        "port {port} of 127.0.0.1 is in use by another program; choose another port, or set none to get a free one"
    )
}

fn not_found(cache: &Path) -> Error {
    Error::local(format!(
        "not found: CHROMA_BIN is not set, there is no chroma on the PATH, and none is installed in {}. Do one of \
         these: allow installing it with LocalServer::builder().install(true) (Python 3.9 or newer with pip, 23 MB \
         from PyPI); set CHROMA_BIN to a chroma executable, or put one on the PATH; or run a server yourself \
         (`docker compose up -d`, or `docker run -p 127.0.0.1:8000:8000 chromadb/chroma:1.5.9`) and connect to it with \
         Client::new(\"localhost:8000\")",
        cache.display()
    ))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    use super::*;
    use crate::durable::tests::Folder;

    /// Another user may create the folder of the copy after the first check of the cache folder.
    #[test]
    fn secure_12_a_copy_that_another_user_can_change_is_refused_after_its_installation() {
        let folder = Folder::new();
        let python = folder.0.join("python");
        // Written by another process: a script that this one has open could not be run.
        let write = r#"cat >"$0" <<'END'
#!/bin/sh
mkdir -p "$6/chromadb_rust_bindings"
touch "$6/chromadb_rust_bindings/__init__.py" "$6/chromadb_rust_bindings/chromadb_rust_bindings.abi3.so"
[ -e "$0.safe" ] || chmod 777 "$6"
END
chmod 755 "$0""#;
        let written = Command::new("sh")
            .arg("-c")
            .arg(write)
            .arg(&python)
            .status();
        assert!(written.unwrap().success());
        let python = Python {
            user: folder.0.metadata().unwrap().uid(),
            path: python,
        };
        let install = |cache: &str| {
            let cache = folder.0.join(cache);
            let mut builder = LocalServerBuilder::default()
                .install(true)
                .cache_dir(&cache);
            let installed = builder.installed_copy(&Environment::read(), &python);
            assert_eq!(cache.metadata().unwrap().mode() & 0o022, 0);
            installed
        };
        let error = install("a/b").unwrap_err().to_string();
        assert!(error.contains("can be written by every user"), "{error}");
        std::fs::write(folder.0.join("python.safe"), "").unwrap();
        assert!(install("c/d").unwrap().starts_with(folder.0.join("c/d")));
    }
}
