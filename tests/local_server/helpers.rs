//! Helpers for these tests.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;

pub use crate::support::folder::Folder;
pub use crate::support::wait_until;
use chroma_blocking::{LocalServer, local::LocalServerBuilder};

pub const VERSION: &str = "1.5.9";

/// Returns a builder for the pinned server in the user's cache folder.
pub fn pinned() -> LocalServerBuilder {
    LocalServer::builder().version(VERSION).install(true)
}

/// Returns whether `CHROMA_HOST` names a server, so that tests start none.
pub fn skipped() -> bool {
    env::var_os("CHROMA_HOST").is_some_and(|host| !host.is_empty())
}

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

pub fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Returns whether the process runs. A zombie does not.
#[cfg(target_os = "linux")]
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .starts_with(" Z")
    })
}

#[cfg(all(unix, not(target_os = "linux")))]
pub fn is_alive(pid: u32) -> bool {
    signal("0", &pid.to_string())
}

#[cfg(not(unix))]
pub fn is_alive(_: u32) -> bool {
    false // the check of the port is enough
}

#[cfg(unix)]
pub fn signal(name: &str, target: &str) -> bool {
    let script = format!("kill -{name} {target} 2>/dev/null");
    Command::new("/bin/sh")
        .args(["-c", &script])
        .status()
        .unwrap()
        .success()
}

/// Sends one request without the client library. Returns the status and the body.
pub fn request(port: u16, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{method} /api/v2/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

pub const COLLECTIONS: &str = "tenants/default_tenant/databases/default_database/collections";

/// Creates a chroma executable from the installed package.
#[cfg(unix)]
pub fn executable(folder: &Folder) -> PathBuf {
    let library = pinned().install_only().unwrap();
    let python = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    let run = "import sys, chromadb_rust_bindings as b; b.cli(['chroma', *sys.argv[1:]])";
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{}' exec '{}' -B -c \"{run}\" \"$@\"\n",
        library.display(),
        python.trim()
    );
    folder.script("chroma", &script)
}
