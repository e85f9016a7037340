//! The examples, as a user runs them.

use std::path::PathBuf;
use std::process::{Command, Output};

/// An example, to be run in a folder without `.env`, with no setting but what is given to the command, and these arguments.
pub fn example(name: &str, folder: &Folder, arguments: &[&str]) -> Command {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "run",
            "--quiet",
            "--manifest-path",
            manifest,
            "--example",
            name,
            "--",
        ])
        .args(arguments)
        .current_dir(&folder.0);
    for variable in [
        "CHROMA_HOST",
        "CHROMA_ENDPOINT",
        "CHROMA_API_KEY",
        "CHROMA_TENANT",
        "CHROMA_DATABASE",
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        "MAX_RETRIES",
        "RETRY_DELAY_MS",
        "RUST_LOG",
    ] {
        command.env_remove(variable);
    }
    command
}

/// The same, run to its end.
pub fn run(name: &str, folder: &Folder, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = example(name, folder, arguments);
    command.envs(settings.iter().copied()).output().unwrap()
}

/// An empty folder of one test, removed when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("example-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
