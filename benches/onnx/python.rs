//! [`Python`]: a process with Chroma's Python client.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where a program with Chroma's function is.
pub struct Installed {
    /// The command of the shell that starts Python.
    command: String,
    /// The folder of the model.
    pub model: PathBuf,
}

impl Installed {
    /// Installs Chroma's Python client and the model, unless they are installed.
    ///
    /// # Errors
    /// If something is missing.
    pub fn find() -> Result<Installed, Box<dyn Error>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/python-client.sh");
        let output = Command::new(script).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(
                "Chroma's Python client or the model cannot be installed; see above".into(),
            );
        }
        let text = String::from_utf8(output.stdout)?;
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or("python-client.sh printed too little");
        Ok(Installed {
            command: line()?.to_owned(),
            model: line()?.into(),
        })
    }

    /// Returns a command that runs a script.
    pub fn python(&self, script: &str) -> Command {
        let line = format!("exec {} \"$@\"", self.command);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line, "sh", script]);
        command
    }
}

/// A script that answers each line of JSON with another one.
pub struct Python {
    program: Child,
    commands: Option<ChildStdin>,
    results: BufReader<ChildStdout>,
}

impl Python {
    /// Starts a script of the folder `benches`.
    pub fn start(installed: &Installed, script: &str) -> Result<Python, Box<dyn Error>> {
        let file = format!("{}/benches/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut program = installed
            .python(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Python {
            commands: program.stdin.take(),
            results: BufReader::new(program.stdout.take().ok_or("no output")?),
            program,
        })
    }

    /// Sends a request, and returns the script's answer.
    pub fn call<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T, Box<dyn Error>> {
        let commands = self.commands.as_mut().ok_or("no input")?;
        writeln!(commands, "{request}")?;
        let mut line = String::new();
        self.results.read_line(&mut line)?;
        if line.is_empty() {
            return Err("Python has ended; see above".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The program ends with its input.
        drop(self.commands.take());
        let _ = self.program.wait();
    }
}
