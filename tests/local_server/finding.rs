//! The search for a server to start, and the error if there is none.

#[cfg(unix)]
use std::env;
use std::process::Command;

use crate::helpers::{Folder, names};
#[cfg(unix)]
use crate::helpers::{executable, pinned, skipped};
use crate::program::Program;

/// Returns the error of a program that starts any server that it finds.
fn error_of(folder: &Folder, set: impl FnOnce(&mut Command)) -> String {
    let mut program = Program::run("found", folder, |command| {
        command.env("PATH", folder.make("path"));
        command.env("CHROMA_BLOCKING_CACHE", folder.make("cache"));
        set(command);
    });
    let error = program.wait_for("error");
    assert_eq!(names(&folder.path("tmp")), [""; 0], "litter");
    error
}

#[test]
fn the_error_for_a_missing_chroma_bin_names_it() {
    let folder = Folder::new();
    let missing = folder.path("missing");
    let error = error_of(&folder, |command| {
        command.env("CHROMA_BIN", &missing);
    });
    assert!(
        error.contains("CHROMA_BIN") && error.contains("missing"),
        "{error}"
    );
    assert!(error.contains("does not exist"), "{error}");
}

#[test]
fn field_31_the_error_lists_the_ways_to_get_a_server_that_work() {
    let folder = Folder::new();
    let error = error_of(&folder, |_| {});
    for way in [
        "CHROMA_BIN",
        "PATH",
        ".install(true)",
        "docker compose",
        "Client::new(",
    ] {
        assert!(error.contains(way), "no {way} in {error}");
    }
    assert!(names(&folder.path("cache")).is_empty());
}

#[test]
#[cfg(unix)]
fn the_error_of_a_failed_server_has_its_last_output() {
    let folder = Folder::new();
    let dying = folder.script("dying", "#!/bin/sh\necho \"no luck with $1\"\nexit 3\n");
    // Supervised by a shell, then by Python.
    for path in [
        folder.make("path"),
        env::var_os("PATH").unwrap_or_default().into(),
    ] {
        let error = error_of(&folder, |command| {
            command.env("CHROMA_BIN", &dying).env("PATH", &path);
        });
        for part in [
            "dying (from CHROMA_BIN)",
            "exited with code 3",
            "no luck with run",
            "--port",
        ] {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_broken_chroma_on_the_path_is_skipped() {
    if skipped() {
        return;
    }
    pinned().install_only().unwrap();
    let folder = Folder::new();
    folder.make("bin");
    folder.script(
        "bin/chroma",
        "#!/bin/sh\necho 'something else' >&2\nexit 1\n",
    );
    let mut path = vec![folder.path("bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).unwrap();
    let mut program = Program::run("found", &folder, |command| {
        command.env("PATH", &path);
    });
    program.wait_for("up");
    program.finish();
    // If there is no other server, the error names it.
    let error = error_of(&folder, |command| {
        command.env("PATH", &path);
    });
    assert!(error.contains("bin/chroma (from the PATH)"), "{error}");
    assert!(error.contains("something else"), "{error}");
}

#[test]
#[cfg(unix)]
fn a_port_taken_in_the_meantime_is_replaced() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let chroma = executable(&folder);
    let first = folder.path("first");
    let unlucky = format!(
        "#!/bin/sh\nif [ ! -e '{0}' ]; then\necho \"$7\" >'{0}'\necho \"Address 127.0.0.1:$7 is not available\"\n\
         exit 0\nfi\nexec '{1}' \"$@\"\n",
        first.display(),
        chroma.display()
    );
    let unlucky = folder.script("unlucky", &unlucky);
    let mut program = Program::run("found", &folder, |command| {
        command.env("CHROMA_BIN", unlucky);
    });
    program.wait_for("up");
    assert!(first.is_file());
    assert_eq!(
        names(&folder.path("tmp")).len(),
        1,
        "the first try left its folder"
    );
    program.finish();
}

#[test]
#[cfg(unix)]
fn field_21_a_program_whose_folder_was_deleted_starts_a_server() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let gone = folder.make("gone");
    // A shim, as pyenv has it, which needs a folder that exists.
    folder.make("bin");
    folder.script(
        "bin/python3",
        "#!/bin/sh\ncd . && pwd -P >/dev/null && exec \"$PYTHON_BEHIND\" \"$@\"\n",
    );
    let path = env::var_os("PATH").unwrap();
    let folders = || env::split_paths(&path);
    let python = folders()
        .map(|folder| folder.join("python3"))
        .find(|path| path.is_file());
    let with_shim = [folder.path("bin")].into_iter().chain(folders());
    let with_shim = env::join_paths(with_shim).unwrap();
    let mut program = Program::run("pinned", &folder, |command| {
        command.env("PATH", with_shim).env_remove("PYTHON");
        command
            .env("PYTHON_BEHIND", python.unwrap())
            .env("GONE", &gone);
    });
    program.wait_for("up");
    program.finish();
}
