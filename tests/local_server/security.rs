//! Attacks by other users, other folders and the environment on a local server.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::helpers::{Folder, executable, is_alive, names, pinned, signal, skipped, wait_until};
use crate::program::Program;

#[test]
fn secure_12_a_python_in_a_relative_entry_of_the_path_does_not_run() {
    let folder = Folder::new();
    folder.make("bin");
    folder.script("bin/python3", "#!/bin/sh\ntouch \"$0.ran\"\n");
    let mut program = Program::run("pinned", &folder, |command| {
        command
            .env("PATH", "bin")
            .current_dir(folder.path(""))
            .env_remove("PYTHON");
    });
    let error = program.wait_for("error");
    assert!(error.contains("python3 is not on the PATH"), "{error}");
    assert_eq!(names(&folder.path("bin")), ["python3"]);
}

#[test]
fn secure_12_a_cache_folder_that_every_user_can_write_is_refused() {
    let folder = Folder::new();
    let cache = folder.make("cache");
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    let error = pinned().cache_dir(&cache).start().unwrap_err().to_string();
    assert!(error.contains("can be written by every user"), "{error}");
    assert_eq!(names(&cache), [""; 0]);
}

#[test]
fn secure_12_a_log_that_is_a_link_or_a_pipe_is_refused() {
    let folder = Folder::new();
    let data = folder.make("data");
    let (log, other) = (data.join("chroma.log"), folder.path("other"));
    fs::write(&other, "other").unwrap();
    let pipe = || assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let kinds: [&dyn Fn(); 3] = [
        &|| symlink(&other, &log).unwrap(),
        &|| fs::hard_link(&other, &log).unwrap(),
        &pipe,
    ];
    for make in kinds {
        make();
        let error = format!("{:#}", pinned().data(&data).start().unwrap_err());
        assert!(
            error.contains("it is a link or a special file; remove it"),
            "{error}"
        );
        fs::remove_file(&log).unwrap();
    }
    assert_eq!(fs::read_to_string(&other).unwrap(), "other");
}

#[test]
fn secure_12_a_server_gets_no_key_from_the_environment() {
    let folder = Folder::new();
    let curious = folder.script("curious", "#!/bin/sh\n/usr/bin/env >\"$0.env\"\nexit 3\n");
    // Supervised by Python, then by a shell.
    for path in [
        std::env::var_os("PATH").unwrap(),
        folder.make("no-python").into(),
    ] {
        let mut program = Program::run("found", &folder, |command| {
            command
                .env("CHROMA_BIN", &curious)
                .env("GOOGLE_API_KEY", "canary");
            command
                .env("HTTPS_PROXY", "http://a:canary@b")
                .env("PATH", &path);
        });
        program.wait_for("error");
        let environment = fs::read_to_string(folder.path("curious.env")).unwrap();
        assert!(environment.contains("PATH=") && environment.contains("RUST_LOG="));
        assert!(!environment.contains("canary"), "{environment}");
    }
}

#[test]
fn secure_12_what_a_wrapper_script_left_ends_with_the_server_and_not_with_the_program() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let wrapper = format!(
        "#!/bin/sh\nsleep 1000 &\necho $! >\"$0.pid\"\nexec '{}' \"$@\"\n",
        executable(&folder).display()
    );
    let wrapper = folder.script("wrapper", &wrapper);
    let mut program = Program::run("found", &folder, |command| {
        command.env("CHROMA_BIN", &wrapper);
    });
    let server = program.wait_for("pid");
    program.wait_for("up");
    let left = fs::read_to_string(folder.path("wrapper.pid")).unwrap();
    let left = left.trim().parse().unwrap();
    assert!(is_alive(left));
    assert!(signal("9", &server));
    wait_until("the other process ends", || !is_alive(left));
    program.finish();
}

#[test]
fn secure_12_a_data_folder_is_made_for_its_user_only() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let data = folder.path("new/data");
    pinned().data(&data).start().unwrap().stop().unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.join("chroma.log")), 0o600);
    assert_eq!(mode(data), 0o700);
}
