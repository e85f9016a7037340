//! Two installations at the same time, and installations that are killed.

#[cfg(unix)]
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use crate::helpers::wait_until;
use crate::helpers::{Folder, names, skipped};
use crate::program::Program;
#[cfg(unix)]
use crate::support::stand_in::{Answer, StandIn};

#[test]
fn two_installs_at_once_download_once() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let cache = folder.path("not/yet/there");
    let mut programs = [0, 1].map(|_| {
        Program::run("install", &folder, |command| {
            command.env("CHROMA_BLOCKING_CACHE", &cache);
        })
    });
    let downloads = programs
        .iter_mut()
        .map(|program| {
            let mut downloads = 0;
            let mut line = String::new();
            while !line.contains("@up") {
                line.clear();
                assert!(program.lines.read_line(&mut line).unwrap() > 0, "it ended");
                assert!(!line.contains("@error"), "{line}");
                downloads += usize::from(line.contains("@installing"));
            }
            downloads
        })
        .sum::<usize>();
    assert_eq!(downloads, 1);
    programs.iter_mut().for_each(Program::finish);
    // The installation and the lock file.
    assert_eq!(names(&cache).len(), 2, "{:?}", names(&cache));
}

#[test]
#[cfg(unix)]
fn an_incomplete_install_is_never_used() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let cache = folder.make("cache");
    let run = || {
        Program::run("install", &folder, |command| {
            command.env("CHROMA_BLOCKING_CACHE", &cache);
        })
    };
    // After a kill during the installation, only the lock file is left.
    let mut program = run();
    let plan = program.wait_for("installing");
    let target = PathBuf::from(plan.split(" into ").last().unwrap());
    program.kill();
    let is_lock = |name: &String| Path::new(name).extension().is_some_and(|end| end == "lock");
    wait_until("no incomplete install", || {
        names(&cache).iter().all(is_lock)
    });
    // After a power failure, a temporary folder and an incomplete target may be left.
    let name = target.file_name().unwrap().to_str().unwrap();
    let stale = cache.join(format!("{name}.tmp-dead"));
    for half in [&stale.join("lib"), &target] {
        fs::create_dir_all(half.join("chromadb_rust_bindings")).unwrap();
    }
    let mut program = run();
    program.wait_for("installing");
    program.wait_for("up");
    program.finish();
    assert!(!stale.exists());
    assert!(target.join("chromadb_rust_bindings/__init__.py").is_file());
    assert_eq!(names(&cache).len(), 2, "{:?}", names(&cache));
}

#[test]
#[cfg(unix)]
fn field_20_a_copy_that_lost_a_file_is_installed_again() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let cache = folder.path("cache");
    let builder = || crate::helpers::pinned().cache_dir(&cache);
    let target = builder().install_only().unwrap();
    fs::remove_file(target.join("chromadb_rust_bindings/chromadb_rust_bindings.abi3.so")).unwrap();
    builder().start().unwrap().stop().unwrap();
}

/// pip reads the list of packages from a stand-in, which offers another wheel.
#[test]
#[cfg(unix)]
fn secure_00_a_wheel_with_another_hash_is_not_installed() {
    const WHEEL: &str = "chromadb-1.5.9-py3-none-any.whl";
    let index = StandIn::start(|request| match request.path.as_str() {
        path if path.ends_with(WHEEL) => Answer::new(200, "another wheel"),
        path => Answer::new(200, format!("<a href=\"{path}{WHEEL}\">{WHEEL}</a>"))
            .header("content-type", "text/html"),
    });
    let folder = Folder::new();
    let cache = folder.make("cache");
    let mut program = Program::run("install", &folder, |command| {
        command
            .env("CHROMA_BLOCKING_CACHE", &cache)
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("PIP_INDEX_URL", format!("{}/simple/", index.url()))
            .env_remove("PIP_EXTRA_INDEX_URL")
            .env("NO_PROXY", "127.0.0.1");
    });
    let error = program.wait_for("error");
    assert!(!index.requests_to(".whl").is_empty(), "{error}");
    assert!(
        error.to_lowercase().contains("do not match the hashes"),
        "{error}"
    );
    let is_lock = |name: &String| Path::new(name).extension().is_some_and(|end| end == "lock");
    assert!(names(&cache).iter().all(is_lock), "{:?}", names(&cache));
}
