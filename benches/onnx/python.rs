//! [`Python`]: a process with the function that Chroma's Python client uses by default.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::json;

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

pub struct Python {
    program: Child,
    commands: Option<ChildStdin>,
    results: BufReader<ChildStdout>,
}

/// Vectors, and what they cost.
pub struct Embedded {
    pub vectors: Vec<Vec<f32>>,
    /// User and system time of all threads of the process.
    pub cpu: Duration,
    pub time: Duration,
}

impl Python {
    pub fn start(installed: &Installed) -> Result<Python, Box<dyn Error>> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/onnx/python.py");
        let mut program = installed
            .python(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Python {
            commands: program.stdin.take(),
            results: BufReader::new(program.stdout.take().ok_or("no output")?),
            program,
        })
    }

    /// Embeds texts in one call.
    pub fn embed(&mut self, texts: &[String]) -> Result<Embedded, Box<dyn Error>> {
        #[derive(serde::Deserialize)]
        struct Found {
            vectors: Vec<Vec<f32>>,
            cpu: f64,
            wall: f64,
        }
        let commands = self.commands.as_mut().ok_or("no input")?;
        writeln!(commands, "{}", json!(texts))?;
        let mut line = String::new();
        self.results.read_line(&mut line)?;
        if line.is_empty() {
            return Err("Python has ended; see above".into());
        }
        let found: Found = serde_json::from_str(&line)?;
        Ok(Embedded {
            vectors: found.vectors,
            cpu: Duration::from_secs_f64(found.cpu),
            time: Duration::from_secs_f64(found.wall),
        })
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The program ends with its input.
        drop(self.commands.take());
        let _ = self.program.wait();
    }
}
