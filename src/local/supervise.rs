//! Starts a server under a supervisor, waits until it answers, ends it.
//!
//! The supervisor is a small script between this program and the server. Its standard input is a pipe from here:
//! however this program ends, the kernel closes the pipe, and the supervisor ends the server and cleans up.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::find::Program;
use super::ready;
use crate::error::{Error, Result};
use crate::logs;

const SUPERVISE_PY: &str = include_str!("supervise.py");
const SUPERVISE_SH: &str = include_str!("supervise.sh");
const SERVE_PY: &str = include_str!("serve.py");

/// Between two looks at a starting server.
const PAUSE: Duration = Duration::from_millis(25);
/// After this time, an answer on the port of a server that is alive counts without a line in the log.
const SILENT: Duration = Duration::from_secs(5);
/// For the supervisor to end the server and itself; it gives the server 1.2 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What to start, and with what.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) program: &'a Program,
    /// To run the supervisor; without one it is a shell script.
    pub(super) python: Option<&'a Path>,
    pub(super) data: &'a Path,
    pub(super) log: &'a Path,
    /// A folder to remove when the server has ended.
    pub(super) remove: Option<&'a Path>,
    pub(super) port: u16,
}

/// Why a server did not come up.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Somebody else has the port.
    PortTaken,
    /// Another server uses the data folder.
    DataBusy,
    /// It ended by itself: how, and its last words.
    Died { how: String, log: String },
    /// It is alive and does not answer.
    Silent { log: String },
    /// It could not even be tried.
    Unable(Error),
}

/// What the supervisor tells.
#[derive(Debug, PartialEq)]
enum Event {
    Running(u32),
    Ended(i32),
    Busy,
}

/// A supervisor and its server. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Supervised {
    child: Child,
    stdin: Option<ChildStdin>,
    pid: u32,
    stopped: bool,
}

impl Launch<'_> {
    /// Starts the server and waits until it answers.
    pub(super) fn run(&self, deadline: Instant) -> std::result::Result<Supervised, Trouble> {
        let (mut server, events) = self.spawn().map_err(Trouble::Unable)?;
        self.wait(&mut server, &events, deadline)?;
        Ok(server)
    }

    fn spawn(&self) -> Result<(Supervised, Receiver<Event>)> {
        let mut command = self.command()?;
        let shell = command.get_program().to_string_lossy().into_owned();
        clean_environment(&mut command);
        detach(&mut command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(self.open_log()?);
        let mut child = command.spawn().map_err(|error| {
            let message = format!("cannot start {} by {shell}", self.program.name());
            Error::local_io(message, error)
        })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let server = Supervised {
            child,
            stdin,
            pid: 0,
            stopped: false,
        };
        Ok((server, stdout.map_or_else(|| mpsc::channel().1, listen)))
    }

    fn command(&self) -> Result<Command> {
        let mut command;
        match self.python {
            Some(python) => {
                let kind = match self.program {
                    Program::Executable { .. } => "executable",
                    Program::Wheel { .. } => "wheel",
                };
                command = Command::new(python);
                // -I and -S: nothing of the user's Python settings can get in the way.
                command.args(["-I", "-S", "-B", "-c", SUPERVISE_PY]);
                command.arg(self.remove.unwrap_or(Path::new("")));
                command.arg(self.data).arg(kind);
            }
            None if cfg!(unix) => {
                command = Command::new("/bin/sh");
                command.args(["-c", SUPERVISE_SH, "supervise"]);
                command.arg(self.remove.unwrap_or(Path::new("")));
            }
            None => {
                return Err(Error::local(
                    "starting a server on this system needs Python 3.9 or newer; install it, or set PYTHON",
                ));
            }
        }
        match self.program {
            Program::Executable { path, .. } => command.arg(path),
            Program::Wheel { library, python } => command
                .arg(python)
                .args(["-I", "-S", "-B", "-c", SERVE_PY])
                .arg(library)
                .arg(self.remove.unwrap_or(Path::new(""))),
        };
        command.arg("run").arg("--path").arg(self.data);
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        Ok(command)
    }

    fn open_log(&self) -> Result<File> {
        let open = || {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(self.log)?;
            // Elsewhere the supervisor empties it, once it knows that no other server writes to it.
            if !cfg!(unix) || self.python.is_none() {
                OpenOptions::new()
                    .write(true)
                    .truncate(true)
                    .open(self.log)?;
            }
            Ok(file)
        };
        open().map_err(|error: std::io::Error| {
            let message = format!("cannot write the log file {}", self.log.display());
            Error::local_io(message, error)
        })
    }

    /// Returns once the server answers, and it is surely ours that answers: it says in its log that it has the port
    /// (or it is alive long after a server that lost the port would have ended).
    fn wait(
        &self,
        server: &mut Supervised,
        events: &Receiver<Event>,
        deadline: Instant,
    ) -> std::result::Result<(), Trouble> {
        let started = Instant::now();
        loop {
            match events.recv_timeout(PAUSE) {
                Ok(Event::Running(pid)) => server.pid = pid,
                Ok(Event::Busy) => return Err(Trouble::DataBusy),
                Ok(Event::Ended(code)) => return Err(self.died(describe(code))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let how = match server.child.wait() {
                        Ok(status) => format!("its supervisor ended too early ({status})"),
                        Err(error) => error.to_string(),
                    };
                    return Err(self.died(how));
                }
            }
            if server.pid != 0 && ready::answers(self.port) {
                let ours = ready::says_listening(&ready::read_log(self.log), self.port)
                    || started.elapsed() > SILENT;
                if ours && events.try_recv() == Err(TryRecvError::Empty) {
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                let log = ready::read_log(self.log);
                return Err(Trouble::Silent { log });
            }
        }
    }

    fn died(&self, how: String) -> Trouble {
        let log = ready::read_log(self.log);
        let lower = log.to_lowercase();
        let said = ["address already in use", "addrinuse"]
            .iter()
            .any(|words| lower.contains(words))
            || log.contains(&format!(":{} is not available", self.port));
        if ready::is_taken(self.port) || said {
            return Trouble::PortTaken;
        }
        Trouble::Died { how, log }
    }
}

/// Reads the supervisor's words as long as it has any, so that it never writes to a closed pipe.
fn listen(stdout: ChildStdout) -> Receiver<Event> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
            let _ = parse(&line).map(|event| sender.send(event));
        }
    });
    receiver
}

fn parse(line: &str) -> Option<Event> {
    match line.split_once(' ') {
        Some(("pid", pid)) => pid.parse().ok().map(Event::Running),
        Some(("exit", code)) => code.parse().ok().map(Event::Ended),
        _ => (line == "busy").then_some(Event::Busy),
    }
}

/// Python tells a signal as a negative number, a shell as 128 and the signal.
fn describe(code: i32) -> String {
    match code {
        ..0 => format!("it was ended by signal {}", -code),
        129..=192 if cfg!(unix) => format!("it was ended by signal {} (code {code})", code - 128),
        _ => format!("it exited with code {code}"),
    }
}

/// Removes what the user may have set for other purposes, and the server would obey.
fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = text.starts_with("CHROMA_") || text.starts_with("PYTHON");
        // CONFIG_PATH is read by Chroma; RUST_LOG, meant for this program, would hide the line waited for.
        if ours || text == "CONFIG_PATH" || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
}

/// Puts a helper into a process group of its own: a Ctrl-C in the terminal ends the program, and the helper hears of
/// that by its pipe and has time to clean up.
pub(super) fn detach(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(command, 0x0000_0200); // CREATE_NEW_PROCESS_GROUP
    #[cfg(not(any(unix, windows)))]
    let _ = command;
}

impl Supervised {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the server and waits for it, 5 s at most.
    pub(super) fn stop(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        if let Some(mut stdin) = self.stdin.take() {
            // Not only closed: on some systems another child may hold a copy of the pipe.
            let _ = stdin.write_all(b"\n");
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut killed = false;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                killed = true; // the server ends by itself when its supervisor is gone
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        if killed {
            return Err(Error::local(format!(
                "the server (process {}) did not end within {} s, and its supervisor was killed; see whether it \
                 still runs",
                self.pid,
                STOP_TIMEOUT.as_secs()
            )));
        }
        Ok(())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Nobody else hears of it.
        if let Err(error) = self.stop() {
            log::error!(target: logs::LOCAL, "{error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisors_words_are_understood() {
        assert_eq!(parse("pid 17"), Some(Event::Running(17)));
        assert_eq!(parse("exit -9"), Some(Event::Ended(-9)));
        assert_eq!(parse("busy"), Some(Event::Busy));
        assert_eq!(parse("pid x"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(describe(3), "it exited with code 3");
        assert_eq!(describe(-9), "it was ended by signal 9");
    }

    /// Another server answers on the port, while ours starts, does something, and ends or not.
    #[cfg(unix)]
    fn beside_another_chroma(script: &str) -> Trouble {
        use std::io::Read;
        use std::os::unix::fs::PermissionsExt;
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in other.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"nanosecond heartbeat\":1}");
            }
        });
        let folders = super::super::folder::Folders::new(None).unwrap();
        let path = folders.data.join("chroma");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let program = Program::Executable {
            path,
            origin: "a test",
        };
        let launch = Launch {
            program: &program,
            python: None,
            data: &folders.data,
            log: &folders.log,
            remove: None,
            port,
        };
        launch
            .run(Instant::now() + Duration::from_millis(600))
            .unwrap_err()
    }

    #[test]
    #[cfg(unix)]
    fn the_heartbeat_of_another_server_does_not_count() {
        // It finds the port taken, as Chroma says it (with exit code 0).
        let trouble = beside_another_chroma("sleep 0.3; echo Address 127.0.0.1:1 is not available");
        assert!(matches!(trouble, Trouble::PortTaken), "{trouble:?}");
        // It has not come so far yet.
        let trouble = beside_another_chroma("exec sleep 60");
        assert!(matches!(trouble, Trouble::Silent { .. }), "{trouble:?}");
    }
}
