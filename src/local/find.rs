//! Finds a program to run: a Chroma executable, or an installed wheel and a Python for it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// How to choose another cache folder: the setting takes precedence over the variable.
pub(super) const CACHE_SETTINGS: &str =
    ".cache_dir(...), or with CHROMA_BLOCKING_CACHE if the program sets none";

/// The environment variables that select the program. Tests set other values.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    pub(super) chroma_bin: Option<OsString>,
    pub(super) path: Option<OsString>,
    pub(super) python: Option<OsString>,
    named_cache: Option<PathBuf>,
    user_cache: Option<PathBuf>,
}

impl Environment {
    pub(super) fn read() -> Environment {
        Environment::of(&|name| env::var_os(name))
    }

    fn of(variables: &dyn Fn(&str) -> Option<OsString>) -> Environment {
        // A file with Windows' line ends leaves a carriage return at the end of a value.
        let set = |name: &str| match variables(name)?.into_string() {
            Ok(text) => Some(text.trim())
                .filter(|text| !text.is_empty())
                .map(OsString::from),
            Err(not_unicode) => Some(not_unicode),
        };
        // The XDG specification says to ignore a relative path. One of these would depend on the folder that
        // the program runs in.
        let folder = |name| {
            set(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let user_cache = if cfg!(windows) {
            folder("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            folder("HOME").map(|home| home.join("Library/Caches"))
        } else {
            folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
        };
        Environment {
            chroma_bin: set("CHROMA_BIN"),
            path: variables("PATH"),
            python: set("PYTHON"),
            named_cache: set("CHROMA_BLOCKING_CACHE").map(PathBuf::from),
            user_cache: user_cache.map(|cache| cache.join("chroma-blocking")),
        }
    }

    /// Returns the folder of installed copies.
    pub(super) fn cache(&self) -> Result<PathBuf> {
        match (&self.named_cache, &self.user_cache) {
            (Some(named), _) if named.is_absolute() => Ok(named.clone()),
            (Some(named), _) => Err(Error::local(format!(
                "CHROMA_BLOCKING_CACHE is {:?}, which is not an absolute path; set it to one, without quotes, or \
                 unset it",
                named.display()
            ))),
            (None, Some(user_cache)) => Ok(user_cache.clone()),
            (None, None) => Err(Error::local(
                "there is no cache folder for installed servers, because the user has no home folder (HOME is not \
                 set); set CHROMA_BLOCKING_CACHE",
            )),
        }
    }

    /// Returns the executable in `CHROMA_BIN`, if it is set.
    pub(super) fn chroma_bin(&self) -> Result<Option<PathBuf>> {
        let Some(bin) = &self.chroma_bin else {
            return Ok(None);
        };
        let path = std::path::absolute(bin).unwrap_or_else(|_| PathBuf::from(bin));
        let wrong = if !path.exists() {
            "does not exist"
        } else if !path.is_file() {
            "is not a file"
        } else if !is_executable(&path) {
            "is not executable"
        } else {
            return Ok(Some(path));
        };
        Err(Error::local(format!(
            "CHROMA_BIN is {bin:?}, which {wrong}; set it to the chroma executable, or unset it"
        )))
    }

    /// Returns the first `chroma` on the PATH.
    pub(super) fn chroma_on_path(&self) -> Option<PathBuf> {
        self.on_path(OsStr::new("chroma"))
    }

    /// Returns the first executable of this name on the PATH. Relative entries do not count: what they name
    /// depends on the folder that the program runs in.
    fn on_path(&self, name: &OsStr) -> Option<PathBuf> {
        let with_suffix = [name, OsStr::new(env::consts::EXE_SUFFIX)].join(OsStr::new(""));
        env::split_paths(self.path.as_deref()?)
            .filter(|folder| folder.is_absolute())
            .flat_map(|folder| [folder.join(&with_suffix), folder.join(name)])
            .find(|path| is_executable(path))
    }

    /// Returns a Python that runs and is new enough for the wheel.
    pub(super) fn python(&self) -> Result<Python> {
        const ADVICE: &str = "Python 3.9 or newer is needed to install and run the Chroma server; \
            install it, or set PYTHON to its executable";
        if let Some(python) = &self.python {
            return self.probe(python).map_err(|why| {
                Error::local(format!("PYTHON is {python:?}, which {why}; {ADVICE}"))
            });
        }
        let names: &[&str] = if cfg!(windows) {
            &["python3", "python", "py"]
        } else {
            &["python3", "python"]
        };
        let mut tried = Vec::new();
        for name in names {
            match self.probe(OsStr::new(name)) {
                Ok(python) => return Ok(python),
                Err(why) => tried.push(format!("{name} {why}")),
            }
        }
        Err(Error::local(format!("{}; {ADVICE}", tried.join(", "))))
    }

    /// Probes a Python, which is a path or a name to search for on the PATH.
    fn probe(&self, python: &OsStr) -> std::result::Result<Python, String> {
        let is_name = Path::new(python).components().count() == 1;
        let path = match self.on_path(python).filter(|_| is_name) {
            None if is_name => return Err("is not on the PATH".to_owned()),
            Some(path) => path,
            None => std::path::absolute(python).map_err(|error| error.to_string())?,
        };
        probe(&path)
    }
}

/// A Python that runs.
#[derive(Debug, Clone)]
pub(super) struct Python {
    /// The real path.
    pub(super) path: PathBuf,
    /// The user that this program runs as; 0 on Windows.
    pub(super) user: u32,
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// Runs a Python to get its version and real path: `python3` may be a shim, a stub that opens an app store,
/// or too old.
fn probe(python: &Path) -> std::result::Result<Python, String> {
    const SCRIPT: &str = "import os, sys; \
        print(*sys.version_info[:2], getattr(os, 'geteuid', int)(), sys.executable)";
    let mut command = Command::new(python);
    if cfg!(unix) {
        // A shim, which is a shell script, needs a folder that exists.
        command.current_dir("/");
    }
    let output = command
        .args(["-I", "-S", "-c", SCRIPT])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("does not run ({error})"))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let mut words = answer.trim_end().splitn(4, ' ');
    let mut number = || words.next()?.parse::<u32>().ok();
    match (number(), number(), number(), words.next()) {
        (Some(major), Some(minor), Some(user), Some(path)) if !path.is_empty() => {
            if (major, minor) < (3, 9) {
                return Err(format!("is Python {major}.{minor}"));
            }
            let path = PathBuf::from(path);
            Ok(Python { path, user })
        }
        _ => Err(format!("does not run as Python 3 ({})", output.status)),
    }
}

/// A Chroma server that can be started.
#[derive(Debug, Clone)]
pub(super) enum Program {
    /// A chroma executable, and where it was found.
    Executable { path: PathBuf, origin: &'static str },
    /// An installed wheel.
    Wheel { library: PathBuf, python: PathBuf },
}

impl Program {
    /// Returns the command that starts the same server by hand.
    pub(super) fn command_line(&self, data: &Path, port: u16) -> String {
        match self {
            Program::Executable { path, .. } => format!(
                "{} run --path {} --host 127.0.0.1 --port {port}",
                path.display(),
                data.display()
            ),
            Program::Wheel { library, python } => format!(
                "PYTHONPATH={} {} -c 'import chromadb_rust_bindings as b; b.cli([\"chroma\", \"run\", \
                 \"--path\", {:?}, \"--host\", \"127.0.0.1\", \"--port\", \"{port}\"])'",
                library.display(),
                python.display(),
                data.display().to_string()
            ),
        }
    }

    /// Returns a description of the program for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Program::Executable { path, origin } => format!("{} (from {origin})", path.display()),
            Program::Wheel { library, .. } => format!("the installed copy {}", library.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_bin_must_be_an_executable_file() {
        let with = |bin: &str| Environment {
            chroma_bin: Some(bin.into()),
            ..Environment::default()
        };
        assert_eq!(Environment::default().chroma_bin().unwrap(), None);
        let error = with("/no/such/chroma")
            .chroma_bin()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/no/such/chroma\", which does not exist"),
            "{error}"
        );
        let folder = env!("CARGO_MANIFEST_DIR");
        let error = with(folder).chroma_bin().unwrap_err().to_string();
        assert!(error.contains("is not a file"), "{error}");
        let itself = env::current_exe().unwrap();
        let found = with(itself.to_str().unwrap()).chroma_bin().unwrap();
        assert_eq!(found, Some(itself));
    }

    #[test]
    #[cfg(unix)]
    fn field_14_the_cache_folder_does_not_depend_on_the_working_directory() {
        let cache = |variables: &[(&str, &str)]| {
            let lookup = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).into())
            };
            let cache = Environment::of(&lookup).cache();
            cache.map_err(|error| error.to_string())
        };
        let name = "CHROMA_BLOCKING_CACHE";
        for value in ["/c", "/c\r", " /c\n"] {
            assert_eq!(cache(&[(name, value)]), Ok("/c".into()), "{value:?}");
        }
        for value in ["cache", "~/cache", "\"/c\"", "'/c'"] {
            let error = cache(&[(name, value), ("HOME", "/h")]).unwrap_err();
            assert!(
                error.contains(name) && error.contains("not an absolute path"),
                "{error}"
            );
        }
        for value in ["", " ", "\r\n"] {
            let error = cache(&[(name, value)]).unwrap_err();
            assert!(error.contains("no home folder"), "{error}");
        }
        // Relative folders of the user are ignored.
        assert!(cache(&[("HOME", "home"), ("XDG_CACHE_HOME", "cache")]).is_err());
    }

    #[test]
    fn a_path_without_chroma_has_no_executable() {
        let environment = Environment {
            path: Some(env!("CARGO_MANIFEST_DIR").into()),
            ..Environment::default()
        };
        assert_eq!(environment.chroma_on_path(), None);
    }

    #[test]
    #[cfg(unix)]
    fn secure_02_a_path_that_is_not_unicode_is_used_and_shown_escaped() {
        use std::os::unix::ffi::OsStringExt;

        let path = OsString::from_vec(b"/no/such\x1b[2J\xff".to_vec());
        let environment = Environment::of(&|_| Some(path.clone()));
        assert_eq!(environment.cache().unwrap(), PathBuf::from(&path));
        let bin = environment.chroma_bin().unwrap_err().to_string();
        assert!(bin.contains("which does not exist"), "{bin}");
        let python = environment.python().err().unwrap().to_string();
        for error in [bin, python] {
            assert!(error.contains("/no/such\\u{1b}[2J\\xFF"), "{error}");
        }
    }

    #[test]
    fn a_python_that_does_not_run_is_named() {
        let environment = Environment {
            python: Some("/no/such/python".into()),
            ..Environment::default()
        };
        let error = environment.python().unwrap_err().to_string();
        assert!(
            error.contains("PYTHON is \"/no/such/python\", which does not run"),
            "{error}"
        );
        assert!(error.contains("3.9"), "{error}");
    }
}
