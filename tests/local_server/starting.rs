//! Servers start, answer and stop.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::{Error, LocalServer, RetryPolicy};

use crate::helpers::{COLLECTIONS, Folder, VERSION, is_alive, is_open, pinned, request, skipped};

#[test]
fn field_31_a_server_starts_answers_and_stops_when_dropped_and_its_client_says_so() {
    if skipped() {
        return;
    }
    let start = Instant::now();
    let server = pinned().start().unwrap();
    println!("started after {:?}", start.elapsed());
    assert_eq!(server.url(), format!("http://127.0.0.1:{}", server.port()));
    assert_eq!(request(server.port(), "GET", "heartbeat", "").0, 200);
    assert!(server.client().is_ok());
    let (port, pid) = (server.port(), server.pid());
    let folder = server.data_dir().parent().unwrap().to_owned();
    assert!(folder.starts_with(env::temp_dir()) && server.log_file().is_file());
    assert!(format!("{server:?}").starts_with("LocalServer { url: \"http://127.0.0.1:"));
    let stop = Instant::now();
    let client = server.client().unwrap();
    drop(server);
    println!("stopped after {:?}", stop.elapsed());
    assert!(!is_alive(pid));
    assert!(!is_open(port));
    assert!(!folder.exists());
    // The error of its client names no variable that is not set.
    let error = client.with_retry(RetryPolicy::none()).heartbeat();
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("its LocalServer was stopped or dropped"),
        "{error}"
    );
}

#[test]
fn four_servers_at_once_have_different_ports() {
    if skipped() {
        return;
    }
    let servers: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| pinned().start().unwrap()))
            .collect();
        starting
            .into_iter()
            .map(|server| server.join().unwrap())
            .collect()
    });
    let ports: HashSet<_> = servers.iter().map(LocalServer::port).collect();
    let pids: HashSet<_> = servers.iter().map(LocalServer::pid).collect();
    assert_eq!((ports.len(), pids.len()), (4, 4));
    for server in servers {
        assert_eq!(request(server.port(), "GET", "heartbeat", "").0, 200);
        server.stop().unwrap();
    }
}

#[test]
fn a_given_data_folder_is_kept_and_used_by_one_server() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let data = folder.path("deep/down");
    let server = pinned().data(&data).start().unwrap();
    assert_eq!(server.log_file(), data.join("chroma.log"));
    let (status, body) = request(server.port(), "POST", COLLECTIONS, r#"{"name":"kept"}"#);
    assert_eq!(status, 200, "{body}");
    if cfg!(unix) {
        let error = pinned().data(&data).start().unwrap_err().to_string();
        assert!(
            error.contains("another program uses the data folder"),
            "{error}"
        );
        let log = fs::read_to_string(server.log_file()).unwrap();
        assert!(
            log.contains("istening on"),
            "the second one wrote over the log:\n{log}"
        );
    }
    server.stop().unwrap();
    let server = pinned().data(&data).start().unwrap();
    let (_, body) = request(server.port(), "GET", COLLECTIONS, "");
    assert!(body.contains("\"kept\""), "{body}");
    server.stop().unwrap();
    assert!(data.join("chroma.sqlite3").is_file());
}

#[test]
fn the_error_for_a_port_in_use_names_it() {
    if skipped() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = pinned().port(port).start().unwrap_err();
    assert!(matches!(error, Error::LocalServer { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&format!("port {port} of 127.0.0.1 is in use")),
        "{text}"
    );
    drop(listener);
    assert_eq!(pinned().port(port).start().unwrap().port(), port);
}

#[test]
fn a_server_that_never_answers_is_a_timeout() {
    if skipped() {
        return;
    }
    let error = pinned()
        .start_timeout(Duration::ZERO)
        .start()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did not respond") && error.contains("command: "),
        "{error}"
    );
}

#[test]
fn an_unknown_version_is_refused() {
    let error = pinned().version("0.1.0").start().unwrap_err().to_string();
    assert!(
        error.contains("\"0.1.0\"") && error.contains(VERSION),
        "{error}"
    );
}

#[test]
fn field_21_a_data_folder_with_signs_of_urls_and_shells_in_its_name_is_that_folder() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let data = folder.path("a b'c\"d?mode=ro#f%20g;é&$HOME");
    pinned().data(&data).start().unwrap().stop().unwrap();
    assert!(data.join("chroma.sqlite3").is_file());
}

#[test]
#[cfg(unix)]
fn field_21_data_folders_without_a_usable_name_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    for name in [OsStr::new(""), OsStr::from_bytes(b"/tmp/x\xff")] {
        let error = pinned().data(name).start().unwrap_err().to_string();
        assert!(
            error.contains("it must be a path in Unicode, and not empty"),
            "{error}"
        );
    }
}
