//! No process and no file is left behind, however the program ends.

#[cfg(target_os = "linux")]
use std::fs;
use std::process::Command;

use crate::helpers::{Folder, executable, is_alive, is_open, names, signal, skipped, wait_until};
use crate::program::Program;

/// Starts a server in another program, does `harm` to it, and waits until the server and its files are gone.
fn no_orphan(
    what: &str,
    scenario: &str,
    set: impl FnOnce(&Folder, &mut Command),
    harm: impl FnOnce(&mut Program, u32),
) {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let mut program = Program::run(scenario, &folder, |command| set(&folder, command));
    let pid: u32 = program.wait_for("pid").parse().unwrap();
    let port: u16 = program.wait_for("port").parse().unwrap();
    program.wait_for("up");
    assert!(is_alive(pid) && is_open(port));
    assert_eq!(names(&folder.path("tmp")).len(), 1);
    harm(&mut program, pid);
    let gone = || !is_alive(pid) && !is_open(port) && names(&folder.path("tmp")).is_empty();
    let took = wait_until("no server and no folder", gone);
    println!("{what}: all gone after {took:?}");
}

#[test]
fn kill_9_of_the_program_leaves_no_process_or_folder() {
    no_orphan(
        "kill -9 of the program",
        "pinned",
        |_, _| {},
        |program, _| program.kill(),
    );
}

#[test]
fn ctrl_c_leaves_no_process_or_folder() {
    no_orphan(
        "Ctrl-C",
        "pinned",
        |_, _| {},
        |program, _| {
            // A terminal sends the signal to the whole process group.
            assert!(signal("INT", &format!("-{}", program.child.id())));
            program.child.wait().unwrap();
        },
    );
}

/// Returns the process id of the supervisor: the parent of the server.
#[cfg(target_os = "linux")]
fn supervisor(server: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{server}/stat")).unwrap();
    stat.rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn kill_9_of_program_and_supervisor_leaves_no_process_or_folder() {
    no_orphan(
        "kill -9 of both",
        "pinned",
        |_, _| {},
        |program, server| {
            assert!(signal(
                "9",
                &format!("{} {}", supervisor(server), program.child.id())
            ));
        },
    );
}

#[test]
#[cfg(target_os = "linux")]
fn an_executable_ends_with_its_supervisor_on_linux() {
    let set = |folder: &Folder, command: &mut Command| {
        command.env("CHROMA_BIN", executable(folder));
    };
    no_orphan(
        "kill -9 of both, executable",
        "found",
        set,
        |program, server| {
            // The supervisor dies first, so that it cannot clean up. The program removes the folder.
            assert!(signal("9", &supervisor(server)));
            wait_until("no server", || !is_alive(server));
            program.finish();
        },
    );
}

#[test]
fn without_python_a_shell_supervises() {
    let set = |folder: &Folder, command: &mut Command| {
        command.env("CHROMA_BIN", executable(folder));
        command
            .env("PATH", folder.make("no-python"))
            .env_remove("PYTHON");
    };
    no_orphan(
        "kill -9 of the program, shell",
        "found",
        set,
        |program, _| program.kill(),
    );
    no_orphan("an orderly end, shell", "found", set, |program, _| {
        program.finish();
    });
    no_orphan(
        "the server first, shell",
        "found",
        set,
        |program, server| {
            assert!(signal("9", &server.to_string()));
            wait_until("no server", || !is_alive(server));
            program.finish();
        },
    );
}
