//! Two servers on one data folder.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use chroma_blocking::LocalServer;

use crate::helpers::{Folder, executable, is_open, pinned, request, skipped, wait_until};
use crate::program::Program;

/// A server that was started by hand, with `chroma run`. Killed when dropped.
struct ByHand(Child);

impl ByHand {
    fn start(chroma: &Path, data: &Path) -> ByHand {
        let port = crate::support::server::port();
        let log = File::create(data.with_extension("log")).unwrap();
        let mut command = Command::new(chroma);
        command.arg("run").arg("--path").arg(data);
        command.args(["--port", &port.to_string()]).stdout(log);
        let server = ByHand(command.spawn().unwrap());
        wait_until("the server by hand", || {
            is_open(port) && request(port, "GET", "heartbeat", "").0 == 200
        });
        server
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A data folder, and a link to it.
fn data(folder: &Folder) -> (PathBuf, PathBuf) {
    let (data, link) = (folder.path("data"), folder.path("link"));
    fs::create_dir(&data).unwrap();
    symlink(&data, &link).unwrap();
    (data, link)
}

fn error_of(data: &Path) -> String {
    pinned().data(data).start().unwrap_err().to_string()
}

#[test]
fn field_21_a_folder_that_chroma_run_uses_is_refused_with_its_pid() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let (data, link) = data(&folder);
    let chroma = executable(&folder);
    let by_hand = ByHand::start(&chroma, &data);
    let error = error_of(&link);
    assert!(
        error.contains("another program uses the data folder"),
        "{error}"
    );
    assert!(
        error.contains(&format!("process {} (", by_hand.0.id())),
        "{error}"
    );
    // The same if a shell supervises.
    let mut program = Program::run("found", &folder, |command| {
        command.env("CHROMA_BIN", &chroma).env("DATA", &data);
        command
            .env("PATH", folder.make("no-python"))
            .env_remove("PYTHON");
    });
    let error = program.wait_for("error");
    assert!(
        error.contains(&format!("process {}", by_hand.0.id())),
        "{error}"
    );
    // A server that ends in the meantime is waited for.
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| pinned().data(&data).start());
        drop(by_hand);
        starting.join().unwrap().unwrap().stop().unwrap();
    });
}

#[test]
fn field_21_a_folder_that_another_programs_local_server_uses_is_refused_with_its_pid() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let (data, link) = data(&folder);
    let mut program = Program::run("pinned", &folder, |command| {
        command.env("DATA", &data);
    });
    let pid = program.wait_for("pid");
    program.wait_for("up");
    let error = error_of(&link);
    assert!(error.contains(&format!("process {pid}")), "{error}");
    program.finish();
    // A backup reads the database, and writes nothing.
    let database = File::open(data.join("chroma.sqlite3")).unwrap();
    let mut backup = Command::new("sleep")
        .arg("1000")
        .stdin(database)
        .spawn()
        .unwrap();
    pinned().data(&link).start().unwrap().stop().unwrap();
    // The same if a shell supervises, also for a program that has opened the database for writing.
    let chroma = executable(&folder);
    let own = File::options()
        .append(true)
        .open(data.join("chroma.sqlite3"));
    let mut program = Program::run("found", &folder, |command| {
        command.env("CHROMA_BIN", &chroma).env("DATA", &data);
        command
            .env("PATH", folder.make("no-python"))
            .env_remove("PYTHON")
            .stderr(own.unwrap());
    });
    program.wait_for("up");
    program.finish();
    backup.kill().unwrap();
    backup.wait().unwrap();
}

#[test]
fn field_21_a_warning_names_a_server_that_is_started_in_the_folder_later() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let (data, _) = data(&folder);
    let mut program = Program::run("pinned", &folder, |command| {
        command.env("DATA", &data);
    });
    program.wait_for("up");
    let by_hand = ByHand::start(&executable(&folder), &data);
    let warning = program.wait_for("log");
    assert!(
        warning.contains(&format!("process {} (", by_hand.0.id())),
        "{warning}"
    );
    program.finish();
}

#[test]
fn field_21_the_error_for_a_folder_that_cannot_be_written_names_it() {
    // Not even root can create files there.
    let error = LocalServer::builder().data("/sys/kernel");
    let error = format!(
        "{:#}",
        error.version("1.5.9").install(true).start().unwrap_err()
    );
    assert!(
        error.contains("cannot write the log file /sys/kernel/chroma.log"),
        "{error}"
    );
}
