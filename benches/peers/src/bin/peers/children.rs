//! The measured processes: one binary for each client, built and run separately.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use peers::{PHASES, Result, Stopwatch};

use crate::options::Options;

/// The binaries, named after the feature that enables the client. Ours is the first.
pub const CLIENTS: [&str; 3] = ["ours", "official", "chromadb"];

/// Builds binaries with only one of the clients.
pub fn build(client: &str, binaries: &[&str]) -> Result<()> {
    if cfg!(debug_assertions) {
        return Err("run this with --release".into());
    }
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--locked", "--no-default-features"])
        .args(["--features", client])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(folder()?.parent().ok_or("no target folder")?);
    for binary in binaries {
        command.args(["--bin", binary]);
    }
    if command.status()?.success() {
        return Ok(());
    }
    if client == "official" {
        return Err("the official crate did not build; it needs protoc \
            (Debian: apt-get install protobuf-compiler)"
            .into());
    }
    Err(format!("{client} did not build").into())
}

/// Returns the folder of this binary and the others.
fn folder() -> Result<PathBuf> {
    let mut path = env::current_exe()?;
    path.pop();
    Ok(path)
}

/// Returns the output of a binary. Its standard error is inherited.
fn output(binary: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(folder()?.join(binary));
    // Measures without a proxy.
    for variable in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(variable);
    }
    let output = command.args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{binary}: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a client once. Returns the times of each of the [`PHASES`], per record or query.
pub struct Run(pub [Stopwatch; PHASES.len()]);

impl Run {
    pub fn of(client: &str, url: &str, options: &Options) -> Result<Run> {
        let (records, queries) = (options.records, options.queries);
        let printed = output(client, &[url, &records.to_string(), &queries.to_string()])?;
        let mut run = Run(Default::default());
        let mut lines = printed.lines();
        for ((phase, watch), units) in PHASES
            .iter()
            .zip(&mut run.0)
            .zip([records, records, queries])
        {
            let line = lines.next().unwrap_or_default();
            let words: Vec<&str> = line.split(' ').collect();
            let [name, cpu, wall] = words.as_slice() else {
                return Err(format!("{client} printed {line:?}").into());
            };
            if name != phase {
                return Err(format!("{client} printed {name}, not {phase}").into());
            }
            let each = |total: &str| -> Result<Duration> {
                Ok(Duration::from_nanos(total.parse()?) / units as u32)
            };
            (watch.cpu, watch.wall) = (each(cpu)?, each(wall)?);
        }
        Ok(run)
    }
}

/// Returns the peak memory of chroma-blocking in addition to the caller's data, in bytes.
pub fn memory(what: &str, url: &str, records: usize) -> Result<u64> {
    let printed = output("memory", &[what, url, &records.to_string()])?;
    Ok(printed.trim().parse()?)
}
