//! Installs a pinned wheel into the cache folder.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::find::CACHE_SETTINGS;
use super::supervise::detach;
use crate::error::{Error, Result};
use crate::logs;
use crate::printable::OneLine;

/// The script holds an operating system lock: one process installs while the others wait.
const INSTALL: &str = include_str!("install.py");

/// A release of the PyPI package `chromadb`. Its wheels contain the whole server.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) version: &'static str,
    megabytes: u32,
    /// The hashes of all wheels on PyPI: macOS (`x86_64`, `arm64`), Linux with glibc (`aarch64`,
    /// `x86_64`), Windows (`x86_64`).
    sha256: [&'static str; 5],
}

/// The releases that can be installed; the first is the default.
pub(super) const RELEASES: &[Release] = &[
    Release {
        version: "1.5.9",
        megabytes: 23,
        sha256: [
            "60701011b5e6409647fa40d12c7c5a66b2b0bfcf33a52db2ad53a30a2abc4957",
            "814b9c95617377f6501e5757d63dfddb554a283a7739c87b9fa573850174e6f3",
            "9192d111bd662241625867962333d99369a00769a50f8b2f58cb388731274d7e",
            "cc09b3df76e5a5cb386aed2715a2eea152e3949f9e1ba93c7119505377749929",
            "4fd0b560e56761b7f3cb4d5c6205fd5f20814484b4a3e4e9af9038c2b428fc6c",
        ],
    },
    Release {
        version: "1.3.7",
        megabytes: 22,
        sha256: [
            "74839c349a740b8e349fabc569f8f4becae9806fa8ff9ca186797bef1f54ee4c",
            "fe9c96f73450274d9f722572afc9d455b4f6f4cd960fa49e4bf489075ef30e6f",
            "972cb168033db76a4bb1031bc38b6cc4e6d05ef716c1ffce8ae95a1a3b515dd2",
            "3e05190236e309b54165866dd11676c2702a35b73beaa29502741f22f333c51a",
            "4618ba7bb5ef5dbf0d4fd9ce708b912d8cd1ab24d3c81e0e092841f325b2c94d",
        ],
    },
    Release {
        version: "1.0.21",
        megabytes: 20,
        sha256: [
            "de6df7ba7a08cc8e76caa1509fd7b4317fc34f5842b4077e35985bf9625c9bab",
            "b1a328a76ba1b1b199473db108ec7a22e048888d8d695f39aa503210082e80af",
            "7817cddbd52296c3c71031e330c2dbcd5c5b4f4430895c19ccea1dfa814f9787",
            "c6b1420248865b5d3b6d0aac50e2d014c0b849959b6952ddd140cac13bb84c9f",
            "3e44fcea9b5ce4e653cd32b0673fe5ecb99f9f737c0cf97414b1d096794a19f9",
        ],
    },
    Release {
        version: "1.0.0",
        megabytes: 18,
        sha256: [
            "752926de6e440dd853a4966490cfa29ef6b07b6c7a0867caf1c507f2c1db217d",
            "bf2e856632ca37133ec591a4d5004e8deaaf890c3b326ba51c0e4b17ac9ec2f3",
            "c1581b56e4679a512c75b9076ded1dad1466b04efeac2938c7ce77db7cd23f1d",
            "1831588ecd975b59e67548d3aff7f18746b1527c5efb8e8641caf0e7845a4627",
            "11112eaac165f4771951dd74e7d9d6e1b25591461c2251bfe454332ee12721f4",
        ],
    },
];

impl Release {
    /// Returns the pinned release of a version.
    pub(super) fn find(version: &str) -> Result<&'static Release> {
        RELEASES
            .iter()
            .find(|release| release.version == version)
            .ok_or_else(|| {
                let known: Vec<_> = RELEASES.iter().map(|release| release.version).collect();
                Error::local(format!(
                    "version {version:?} cannot be installed; choose one of {}, or set CHROMA_BIN and no version",
                    known.join(", ")
                ))
            })
    }

    /// Returns the folder of the installed copy. Machines of different platforms may share a home folder, so
    /// the name contains the platform.
    pub(super) fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!(
            "chromadb-{}-{}-{}",
            self.version,
            std::env::consts::OS,
            std::env::consts::ARCH
        ))
    }

    /// Installs the release. If another process is installing it, waits for that process.
    pub(super) fn install(
        &self,
        cache: &Path,
        python: &Path,
        on_install: impl FnOnce(&InstallPlan),
    ) -> Result<PathBuf> {
        let folder = self.folder(cache);
        let failure = |what: &str| {
            format!(
                "installing chromadb {} into {} failed: {what}",
                self.version,
                folder.display()
            )
        };
        let failed = |what: &str| Error::local(failure(what));
        let mut command = Command::new(python);
        command
            .args(["-I", "-S", "-B", "-c", INSTALL])
            .arg(&folder)
            .arg(self.version)
            .args(self.sha256)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        detach(&mut command);
        let mut helper = command
            .spawn()
            .map_err(|error| failed(&format!("{} does not run: {error}", python.display())))?;
        let stdin = helper.stdin.take(); // the helper stops when this pipe closes
        let mut on_install = Some(on_install);
        let mut output = String::new();
        if let Some(stdout) = helper.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match line.as_str() {
                    "waiting" => {
                        log::info!(target: logs::LOCAL, "waiting for another process that installs into {}",
                            OneLine(folder.display())
                        );
                    }
                    "installing" => {
                        let plan = InstallPlan {
                            version: self.version,
                            megabytes: self.megabytes,
                            folder: folder.clone(),
                        };
                        log::info!(target: logs::LOCAL, "{plan}");
                        if let Some(on_install) = on_install.take() {
                            on_install(&plan);
                        }
                    }
                    _ => output = output + &line + "\n",
                }
            }
        }
        if let Some(mut stderr) = helper.stderr.take() {
            let _ = stderr.read_to_string(&mut output);
        }
        let status = helper.wait().map_err(|error| failed(&error.to_string()))?;
        drop(stdin);
        if status.success() && is_installed(&folder) {
            return Ok(folder);
        }
        let lines = [failure(&status.to_string())]
            .into_iter()
            .chain(super::ready::tail(&output, 15))
            .chain([advice(&output, python)]);
        Err(Error::local_lines(lines))
    }
}

/// Whether the folder contains a complete copy. A rename creates it atomically, but a program that frees
/// disk space may have deleted a part.
pub(super) fn is_installed(folder: &Path) -> bool {
    let module = folder.join("chromadb_rust_bindings");
    let is_there = |name: &str| module.join(name).is_file();
    is_there("__init__.py")
        && (is_there("chromadb_rust_bindings.abi3.so") || is_there("chromadb_rust_bindings.pyd"))
}

fn advice(output: &str, python: &Path) -> String {
    if output.contains("cannot write there") {
        return format!("Choose another folder with {CACHE_SETTINGS}.");
    }
    if output.contains("No module named pip") {
        return format!(
            "This Python has no pip: run `{} -m ensurepip`, or install your system's package python3-pip.",
            python.display()
        );
    }
    if output.contains("do not match the hashes") || output.contains("DO NOT MATCH THE HASHES") {
        return "The download is not the file that this crate was tested with: do not use it; check which index or \
                mirror pip uses."
            .to_owned();
    }
    "Is this machine offline? pip needs PyPI or a mirror (PIP_INDEX_URL, PIP_PROXY). There are wheels for Linux with \
     glibc and macOS (x86_64, ARM64) and Windows (x86_64). Without pip: set CHROMA_BIN to a chroma executable (and no \
     version), or connect to a server that runs elsewhere, with Client::new."
        .to_owned()
}

/// A description of the installation that is about to start; passed to the function set by
/// [`on_install`](super::LocalServerBuilder::on_install).
///
/// Its `Display` is one sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallPlan {
    version: &'static str,
    megabytes: u32,
    folder: PathBuf,
}

impl InstallPlan {
    /// Returns the version of Chroma.
    pub fn version(&self) -> &str {
        self.version
    }

    /// Returns the approximate size of the download in megabytes.
    pub fn megabytes(&self) -> u32 {
        self.megabytes
    }

    /// Returns the folder that the server is installed into.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl fmt::Display for InstallPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Installing a Chroma server (only once): the wheel chromadb {}, about {} MB from PyPI, into {}",
            self.version,
            self.megabytes,
            OneLine(self.folder.display())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_is_valid_and_unique() {
        let mut all: Vec<_> = RELEASES.iter().flat_map(|release| release.sha256).collect();
        for hash in &all {
            assert_eq!(hash.len(), 64);
            assert!(
                hash.bytes()
                    .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
            );
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn the_error_for_an_unknown_version_lists_the_known_ones() {
        let error = Release::find("0.4.24").unwrap_err().to_string();
        assert!(
            error.contains("\"0.4.24\"") && error.contains("1.5.9"),
            "{error}"
        );
    }

    #[test]
    fn the_plan_is_one_sentence() {
        let plan = InstallPlan {
            version: "1.5.9",
            megabytes: 23,
            folder: PathBuf::from("/home/me/.cache/chroma-blocking/x"),
        };
        assert_eq!(
            plan.to_string(),
            "Installing a Chroma server (only once): the wheel chromadb 1.5.9, about 23 MB from PyPI, into \
             /home/me/.cache/chroma-blocking/x"
        );
    }

    #[test]
    fn the_advice_depends_on_the_output_of_pip() {
        let python = Path::new("python3");
        assert!(advice("/usr/bin/python3: No module named pip", python).contains("ensurepip"));
        assert!(advice("ERROR: No matching distribution", python).contains("offline"));
    }
}
