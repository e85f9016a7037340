//! Runs the program, and starts the servers that all tests share.

use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use chroma_blocking::{Client, Collection, Hashing, LocalServer, Record};
use serde_json::Value;

use crate::support::server::unique_name;

/// A run of the program that has ended.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Asserts that the program succeeded, and returns what it printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// Asserts that the program ended with this code, and returns its message.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.err
    }

    /// Asserts that the program succeeded, and returns the lines that it printed as JSON.
    #[track_caller]
    pub fn json(self) -> Vec<Value> {
        let lines = self.ok();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        lines.lines().map(parse).collect()
    }
}

/// Returns the command of the program, without settings of this process. Its retries are short.
pub fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chroma_client"));
    clear(&mut command, url).args(arguments);
    command
}

/// Runs the program to its end, without a terminal.
pub fn run(url: &str, arguments: &[&str]) -> Ran {
    Ran::of(command(url, arguments).output().unwrap())
}

/// Returns a command that runs the program on a new terminal, which Python makes. Its width is in `COLUMNS`.
/// All that the program prints is on standard output, with `\r\n` at the ends of lines.
#[cfg(unix)]
pub fn command_on_terminal(url: &str, arguments: &[&str]) -> Command {
    const TERMINAL: &str = "import os, pty, sys\n\
                            size = 'stty rows 24 cols ${COLUMNS:-80}; exec \"$@\"'\n\
                            program = ['sh', '-c', size, 'sh', *sys.argv[1:]]\n\
                            sys.exit(os.waitstatus_to_exitcode(pty.spawn(program)))";
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    clear(&mut command, url).args(["-c", TERMINAL, env!("CARGO_BIN_EXE_chroma_client")]);
    command
        .args(arguments)
        .env("TERM", "xterm")
        .stdin(Stdio::piped());
    command
}

/// Sets the server, and removes all other settings.
fn clear<'a>(command: &'a mut Command, url: &str) -> &'a mut Command {
    let names = [
        "CHROMA_", "GOOGLE_", "GEMINI_", "OPENAI_", "NO_COLOR", "COLUMNS", "RUST_LOG",
    ];
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        // The first two find the server of `serve` and `demo`.
        let is_kept = name == "CHROMA_BLOCKING_CACHE" || name == "CHROMA_BIN";
        if names.iter().any(|start| name.starts_with(start)) && !is_kept {
            command.env_remove(&variable);
        }
    }
    command.env("CHROMA_HOST", url);
    command.env("MAX_RETRIES", "1").env("RETRY_DELAY_MS", "1")
}

/// The shared server of a version.
pub fn server(version: &'static str) -> &'static str {
    static NEWEST: OnceLock<LocalServer> = OnceLock::new();
    static OLDEST: OnceLock<LocalServer> = OnceLock::new();
    let cell = if version == "1.0.0" { &OLDEST } else { &NEWEST };
    let start = || {
        let builder = LocalServer::builder().version(version).install(true);
        builder.start().unwrap()
    };
    cell.get_or_init(start).url()
}

/// The addresses of the two shared servers: 1.5.9 and 1.0.0.
pub fn servers() -> [&'static str; 2] {
    [server("1.5.9"), server("1.0.0")]
}

/// Makes a collection with a unique name and three records.
pub fn three_records(url: &str) -> Collection {
    let client = Client::new(url).unwrap();
    let collection = client
        .collection(unique_name())
        .embedding_function(hashing());
    let collection = collection.create().unwrap();
    let texts = [
        ("rust", 2015, "Rust has no garbage collector"),
        ("go", 2009, "Go has goroutines"),
        ("chroma", 2023, "Chroma stores embeddings"),
    ];
    let record = |(id, year, text)| Record::new(id).document(text).metadata("year", year);
    collection.add(texts.map(record)).unwrap();
    collection
}

/// A function with short vectors.
pub fn hashing() -> Hashing {
    Hashing::with_dimension(32).unwrap()
}
