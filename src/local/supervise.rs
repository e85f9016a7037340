//! Starts a server under a supervisor, waits until it responds, and ends it.
//!
//! The supervisor is a small script between this program and the server. Its standard input is a pipe from
//! this program. However the program ends, the kernel closes the pipe; then the supervisor ends the server
//! and cleans up.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::find::Program;
use super::{folder, inherited, ready};
use crate::error::{Error, Result};
use crate::logs;
use crate::printable::OneLine;

const SUPERVISE_PY: &str = include_str!("supervise.py");
const SUPERVISE_SH: &str = include_str!("supervise.sh");
const SERVE_PY: &str = include_str!("serve.py");

/// The interval between two checks of a starting server.
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// After this time, a response on the port of a running server counts even without a line in the log.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the supervisor to end the server and itself. It gives the server 1.2 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A server to start.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) program: &'a Program,
    /// The Python for the supervisor. If `None`, the supervisor is a shell script.
    pub(super) python: Option<&'a Path>,
    pub(super) data: &'a Path,
    pub(super) log: &'a Path,
    /// The folder to remove after the server has ended.
    pub(super) remove: Option<&'a Path>,
    pub(super) port: u16,
}

/// The reason why a server did not start.
#[derive(Debug)]
pub(super) enum StartError {
    /// Another program uses the port.
    PortTaken,
    /// Another program uses the data folder. Describes the process, and is empty if it is unknown.
    DataBusy(String),
    /// The server ended.
    Ended { how: String, log: String },
    /// The server runs but does not respond.
    TimedOut { log: String },
    /// The supervisor could not be started.
    Other(Error),
}

/// An event reported by the supervisor.
#[derive(Debug, PartialEq)]
enum Event {
    Running(u32),
    Ended(i32),
    Busy(String),
}

/// A running supervisor and its server. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Supervised {
    child: Child,
    stdin: Option<ChildStdin>,
    pid: u32,
    stopped: bool,
}

impl Launch<'_> {
    /// Starts the server and waits until it responds.
    pub(super) fn run(&self, deadline: Instant) -> std::result::Result<Supervised, StartError> {
        let (mut server, events) = self.spawn().map_err(StartError::Other)?;
        self.wait(&mut server, &events, deadline)?;
        Ok(server)
    }

    fn spawn(&self) -> Result<(Supervised, Receiver<Event>)> {
        let mut command = self.command()?;
        let shell = command.get_program().to_string_lossy().into_owned();
        command.env_clear().envs(inherited::variables());
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
                // -I and -S: ignore the user's Python settings.
                command.args(["-I", "-S", "-B", "-c", SUPERVISE_PY]);
                command.arg(self.remove.unwrap_or(Path::new("")));
                command.arg(self.data).arg(kind);
            }
            None if cfg!(unix) => {
                command = Command::new("/bin/sh");
                command.args(["-c", SUPERVISE_SH, "supervise"]);
                command.arg(self.remove.unwrap_or(Path::new("")));
                command.arg(self.data).arg(self.log);
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
            let file = folder::open_log(self.log)?;
            // The Python supervisor truncates the log, once no other server can write to it.
            if !cfg!(unix) {
                // A file that is open to append cannot be truncated on Windows.
                let mut options = OpenOptions::new();
                options.write(true).truncate(true).open(self.log)?;
            } else if self.python.is_none() {
                file.set_len(0)?;
            }
            Ok(file)
        };
        open().map_err(|error: std::io::Error| {
            let message = format!("cannot write the log file {}", self.log.display());
            Error::local_io(message, error)
        })
    }

    /// Returns once this very server responds. Its log or the system shows that it listens on the port; or it
    /// has run for long enough that it would have ended if another server had the port.
    fn wait(
        &self,
        server: &mut Supervised,
        events: &Receiver<Event>,
        deadline: Instant,
    ) -> std::result::Result<(), StartError> {
        let started = Instant::now();
        loop {
            match events.recv_timeout(POLL_INTERVAL) {
                Ok(Event::Running(pid)) => server.pid = pid,
                Ok(Event::Busy(process)) => return Err(StartError::DataBusy(process)),
                Ok(Event::Ended(code)) => return Err(self.ended(describe(code))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let how = match server.child.wait() {
                        Ok(status) => {
                            format!("its supervisor process ended unexpectedly ({status})")
                        }
                        Err(error) => error.to_string(),
                    };
                    return Err(self.ended(how));
                }
            }
            if server.pid != 0 && ready::responds(self.port) {
                let is_ours = ready::says_listening(&ready::read_log(self.log), self.port)
                    || ready::is_listening(server.pid, self.port)
                    || started.elapsed() > LOG_TIMEOUT;
                if is_ours && events.try_recv() == Err(TryRecvError::Empty) {
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                let log = ready::read_log(self.log);
                return Err(StartError::TimedOut { log });
            }
        }
    }

    /// Returns the error of a server that has ended, which may have found its port in use.
    fn ended(&self, how: String) -> StartError {
        let log = ready::read_log(self.log);
        let lower = log.to_lowercase();
        let log_says_so = ["address already in use", "addrinuse"]
            .iter()
            .any(|words| lower.contains(words))
            || log.contains(&format!(":{} is not available", self.port));
        if ready::is_taken(self.port) || log_says_so {
            return StartError::PortTaken;
        }
        StartError::Ended { how, log }
    }
}

/// Reads events until the supervisor ends, so that the supervisor never writes to a closed pipe.
fn listen(stdout: ChildStdout) -> Receiver<Event> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(process) = line.strip_prefix("shared ") {
                log::warn!(target: logs::LOCAL,
                    "process {} has opened the data folder of a local server as well; \
                     if it is another server, stop it: two servers on one folder damage the data",
                    OneLine(process)
                );
            } else if let Some(event) = parse(&line) {
                let _ = sender.send(event);
            }
        }
    });
    receiver
}

fn parse(line: &str) -> Option<Event> {
    match line.split_once(' ') {
        Some(("pid", pid)) => pid.parse().ok().map(Event::Running),
        Some(("exit", code)) => code.parse().ok().map(Event::Ended),
        Some(("busy", process)) => Some(Event::Busy(process.to_owned())),
        _ => None,
    }
}

/// Describes an exit code. Python reports a signal as a negative number, a shell as 128 plus the signal.
fn describe(code: i32) -> String {
    match code {
        ..0 => format!("it was ended by signal {}", -code),
        129..=192 if cfg!(unix) => format!("it was ended by signal {} (code {code})", code - 128),
        _ => format!("it exited with code {code}"),
    }
}

/// Puts a helper process into a separate process group. Ctrl-C in the terminal then ends only this program;
/// the helper notices by its closed pipe, and has time to clean up.
///
/// On Unix, the helper runs in `/`: this program's folder may have been deleted, and could not be unmounted as
/// long as a helper runs in it.
pub(super) fn detach(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0).current_dir("/");
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(command, 0x0000_0200); // CREATE_NEW_PROCESS_GROUP
    #[cfg(not(any(unix, windows)))]
    let _ = command;
}

impl Supervised {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the server and waits for it, at most 5 s.
    pub(super) fn stop(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        if let Some(mut stdin) = self.stdin.take() {
            // Closing is not enough: on some systems another child process may hold a copy of the pipe.
            let _ = stdin.write_all(b"\n");
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut killed = false;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                killed = true; // the server ends without its supervisor
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        if killed {
            return Err(Error::local(format!(
                "the server (process {}) did not end within {} s, and its supervisor was killed; check whether \
                 the server still runs",
                self.pid,
                STOP_TIMEOUT.as_secs()
            )));
        }
        Ok(())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // `drop` cannot return the error.
        if let Err(error) = self.stop() {
            log::error!(target: logs::LOCAL, "{}", OneLine(format_args!("{error:#}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_the_supervisor_are_parsed() {
        assert_eq!(parse("pid 17"), Some(Event::Running(17)));
        assert_eq!(parse("exit -9"), Some(Event::Ended(-9)));
        assert_eq!(parse("busy "), Some(Event::Busy(String::new())));
        let process = "7 (chroma)".to_owned();
        assert_eq!(parse("busy 7 (chroma)"), Some(Event::Busy(process)));
        assert_eq!(parse("shared 7 (chroma)"), None);
        assert_eq!(parse("pid x"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn exit_codes_are_described() {
        assert_eq!(describe(3), "it exited with code 3");
        assert_eq!(describe(-9), "it was ended by signal 9");
    }

    /// Starts a script as the server while another server responds on its port.
    #[cfg(unix)]
    fn start_with_port_in_use(script: &str, timeout: Duration) -> StartError {
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
        launch.run(Instant::now() + timeout).unwrap_err()
    }

    #[test]
    #[cfg(unix)]
    fn the_heartbeat_of_another_server_does_not_count() {
        // The script reports the port as in use and exits with code 0, like Chroma.
        let script = "sleep 0.3; echo Address 127.0.0.1:1 is not available";
        let error = start_with_port_in_use(script, Duration::from_secs(60));
        assert!(matches!(error, StartError::PortTaken), "{error:?}");
        // The script has not tried the port yet.
        let error = start_with_port_in_use("exec sleep 60", Duration::from_millis(600));
        assert!(matches!(error, StartError::TimedOut { .. }), "{error:?}");
    }
}
