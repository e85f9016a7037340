//! The environment variables of the server. It gets no others, since they may hold keys and passwords.

use std::env;
use std::ffi::{OsStr, OsString};

/// Variables that a server, the Python of an installed copy, or a wrapper script of `chroma` may need.
const NAMES: [&str; 28] = [
    "APPDATA",
    "COMSPEC",
    "CONDA_PREFIX",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "HOME",
    "HOMEDRIVE",
    "HOMEPATH",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "LOCALAPPDATA",
    "LOGNAME",
    "OMP_NUM_THREADS",
    "PATH",
    "PATHEXT",
    "RAYON_NUM_THREADS",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TOKIO_WORKER_THREADS",
    "TZ",
    "USER",
    "USERPROFILE",
    "VIRTUAL_ENV",
    "WINDIR",
];

/// The same, by the start of the name. `NIX_CONFIG` and `NIX_PATH` often hold tokens.
const PREFIXES: [&str; 3] = ["LC_", "NIX_LD", "PYENV_"];

/// The log level of the server: warnings, errors, and the line with the address that it listens on. By
/// default it writes 3 KB for each request.
const RUST_LOG: &str = "warn,chroma_frontend::server[{addr}]=info";

/// Returns the variables of the server.
pub(super) fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    let inherited = env::vars_os().filter(|(name, _)| is_inherited(name));
    inherited.chain([("RUST_LOG".into(), RUST_LOG.into())])
}

fn is_inherited(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    // Windows ignores case.
    let upper = name.to_ascii_uppercase();
    let name = if cfg!(windows) { &upper } else { name };
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_12_a_server_inherits_no_variable_that_may_hold_a_secret() {
        let is_inherited = |name: &str| is_inherited(OsStr::new(name));
        for name in ["PATH", "HOME", "LC_ALL", "PYENV_ROOT", "NIX_LD", "TMPDIR"] {
            assert!(is_inherited(name), "{name}");
        }
        for name in [
            "GOOGLE_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "HTTPS_PROXY",
            "CHROMA_API_KEY",
            "CONFIG_PATH",
            "NIX_CONFIG",
            "NIX_PATH",
            "PYTHONPATH",
            "RUST_LOG",
        ] {
            assert!(!is_inherited(name), "{name}");
        }
    }
}
