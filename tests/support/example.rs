//! Runs the examples as a user does.

use std::process::{Command, Output};

#[cfg(feature = "local-server")]
use chroma_blocking::LocalServer;

use super::folder::Folder;

/// Returns a command that runs an example with these arguments, in a folder without `.env`, and without
/// settings.
pub fn example(name: &str, folder: &Folder, arguments: &[&str]) -> Command {
    cargo_run(&["--example", name], folder, arguments)
}

/// Like [`example`], with options of `cargo run`.
pub fn cargo_run(options: &[&str], folder: &Folder, arguments: &[&str]) -> Command {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--manifest-path", manifest])
        .args(options)
        .arg("--")
        .args(arguments)
        .current_dir(&folder.0);
    for variable in [
        "CHROMA_HOST",
        "CHROMA_PORT",
        "CHROMA_ENDPOINT",
        "CHROMA_API_KEY",
        "CHROMA_TENANT",
        "CHROMA_DATABASE",
        "CHROMA_ONNX_MODEL",
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        "MAX_RETRIES",
        "RETRY_DELAY_MS",
        "RUST_LOG",
    ] {
        command.env_remove(variable);
    }
    // `cargo test` sets the variables of this package. With them, cargo would build the crate ring again, and
    // once more at the next `cargo test`.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&variable);
        }
    }
    command
}

/// Runs an example to its end.
pub fn run(name: &str, folder: &Folder, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = example(name, folder, arguments);
    command.envs(settings.iter().copied()).output().unwrap()
}

/// Returns the address of a server, and the server itself if this function started it. It starts none if
/// `CHROMA_HOST` names one.
#[cfg(feature = "local-server")]
pub fn chroma() -> (String, Option<LocalServer>) {
    let given = std::env::var("CHROMA_HOST").ok();
    if let Some(url) = given.filter(|host| !host.is_empty()) {
        return (url, None);
    }
    let builder = LocalServer::builder().version("1.5.9").install(true);
    let server = builder.start().unwrap();
    (server.url().to_owned(), Some(server))
}
