//! Another process that a test can kill, or that has another environment. It runs this test executable with
//! the single test [`program`] and the variable `SCENARIO`.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use chroma_blocking::LocalServer;

use crate::helpers::{Folder, pinned};

/// Prints warnings of the library.
struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, of: &log::Metadata<'_>) -> bool {
        of.target().starts_with("chroma_blocking")
    }
    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            println!("@log {}", record.args());
        }
    }
    fn flush(&self) {}
}

/// The program that [`Program`] runs.
#[test]
#[ignore = "run by the other tests"]
fn program() {
    let Ok(scenario) = env::var("SCENARIO") else {
        return;
    };
    let builder = match scenario.as_str() {
        "pinned" => pinned(),
        "found" => LocalServer::builder(),
        "install" => pinned().on_install(|plan| println!("@installing {plan}")),
        other => panic!("no scenario {other}"),
    };
    log::set_logger(&Warnings).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    if let Some(folder) = env::var_os("GONE") {
        env::set_current_dir(&folder).unwrap();
        std::fs::remove_dir(folder).unwrap();
    }
    let builder = match env::var_os("DATA") {
        Some(data) => builder.data(data),
        None => builder,
    };
    let server = match builder.start_timeout(Duration::from_secs(20)).start() {
        Ok(server) => server,
        Err(error) => {
            println!("@error {}", format!("{error:#}").replace('\n', "|"));
            return;
        }
    };
    println!("@pid {}", server.pid());
    println!("@port {}", server.port());
    println!("@up {}", server.url());
    // Waits until it is killed, or its standard input ends.
    let _ = std::io::stdin().read(&mut [0; 1]);
    drop(server);
    println!("@down");
}

/// The other process, killed when dropped. Its temporary folder is `folder/tmp`. Its cache folder is
/// `folder/cache` or the shared one.
pub struct Program {
    pub child: Child,
    pub lines: BufReader<ChildStdout>,
}

impl Program {
    pub fn run(scenario: &str, folder: &Folder, set: impl FnOnce(&mut Command)) -> Program {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "program::program",
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("SCENARIO", scenario)
            .env("TMPDIR", folder.make("tmp"))
            .env("TMP", folder.path("tmp")) // the variable of Windows
            .env_remove("CHROMA_BIN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        set(&mut command);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Program { child, lines }
    }

    /// Returns the rest of the line after `@word`. Panics if the process ends without this line.
    pub fn wait_for(&mut self, word: &str) -> String {
        self.find(word)
            .unwrap_or_else(|seen| panic!("no {word:?} in:\n{seen}"))
    }

    pub fn find(&mut self, word: &str) -> Result<String, String> {
        let mut seen = String::new();
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            // libtest writes text before ours on the same line
            if let Some((_, said)) = line.split_once(&format!("@{word}")) {
                return Ok(said.trim().to_owned());
            }
            seen += &line;
            line.clear();
        }
        Err(seen)
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap(); // SIGKILL on Unix
        self.child.wait().unwrap();
    }

    /// Closes the standard input, so that the program ends.
    pub fn finish(&mut self) {
        drop(self.child.stdin.take());
        self.wait_for("down");
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
