//! `serve` and `demo`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use chroma_blocking::{Client, RetryPolicy};
use serde_json::Value;

use crate::json::assert_documented;
use crate::program::{Ran, command, run};
use crate::support::folder::Folder;
use crate::support::wait_until;

/// A running `serve`.
struct Serving {
    child: Child,
    told: Value,
}

fn serve(folder: &Folder) -> Serving {
    serve_after(":", folder)
}

/// Starts `serve` after a command of the shell, in the same process.
fn serve_after(shell: &str, folder: &Folder) -> Serving {
    let data = folder.path("data").display().to_string();
    let arguments = [
        "serve",
        "--port",
        "0",
        "--json",
        "--version",
        "1.5.9",
        "--data",
        &data,
    ];
    let program = command("", &arguments);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{shell}; exec \"$@\""), "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    Serving {
        child,
        told: serde_json::from_str(&line).unwrap(),
    }
}

impl Serving {
    fn client(&self) -> Client {
        let url = self.told["url"].as_str().unwrap();
        Client::builder()
            .host(url)
            .retry(RetryPolicy::none())
            .build()
            .unwrap()
    }

    /// Sends a signal to the program, and returns its exit code and its messages.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        send(signal, u64::from(self.child.id()));
        self.wait()
    }

    fn wait(&mut self) -> (Option<i32>, String) {
        let mut message = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut message)
            .unwrap();
        (self.child.wait().unwrap().code(), message)
    }
}

fn send(signal: &str, pid: u64) {
    let kill = format!("kill -{signal} {pid}");
    let status = Command::new("/bin/sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success());
}

fn is_running(pid: u64) -> bool {
    let kill = format!("kill -0 {pid} 2>/dev/null");
    Command::new("/bin/sh")
        .args(["-c", &kill])
        .status()
        .unwrap()
        .success()
}

#[cfg(unix)]
#[test]
fn signals_end_the_server_and_keep_its_data() {
    let folder = Folder::new();
    for (signal, collections) in [("TERM", 0), ("INT", 1)] {
        let serving = serve(&folder);
        assert_documented("serve`", &serving.told);
        let pid = serving.told["pid"].as_u64().unwrap();
        let client = serving.client();
        assert_eq!(client.count_collections().unwrap(), collections);
        client
            .collection(format!("made-{collections}"))
            .create()
            .unwrap();
        assert!(is_running(pid));
        let (code, message) = serving.end(signal);
        assert_eq!(code, Some(0), "{message}");
        // The program waits for its server.
        assert!(!is_running(pid));
        assert!(client.heartbeat().is_err());
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_ends_by_itself_is_an_error() {
    let folder = Folder::new();
    let mut serving = serve(&folder);
    let pid = serving.told["pid"].as_u64().unwrap();
    send("KILL", pid);
    let (code, message) = serving.wait();
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("has ended") && message.contains("chroma.log"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn the_server_does_not_outlive_a_killed_program() {
    let folder = Folder::new();
    let serving = serve(&folder);
    let pid = serving.told["pid"].as_u64().unwrap();
    let (code, _) = serving.end("KILL");
    assert_eq!(code, None);
    wait_until("the server ends", || !is_running(pid));
}

#[cfg(target_os = "linux")]
#[test]
fn under_nohup_the_end_of_a_terminal_ends_nothing() {
    let folder = Folder::new();
    let serving = serve_after("trap '' HUP", &folder);
    let pid = serving.told["pid"].as_u64().unwrap();
    send("HUP", u64::from(serving.child.id()));
    // Had the program caught SIGHUP, it would end with a code, since this is the second signal.
    let (code, message) = serving.end("TERM");
    assert_eq!(code, None, "{message}");
    wait_until("the server ends", || !is_running(pid));
}

#[test]
fn a_taken_port_is_an_error() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = folder.path("data").display().to_string();
    let message = run("", &["serve", "--port", &port, "--data", &data]).fails(1);
    assert!(message.contains(&port), "{message}");
}

#[test]
fn the_demo_answers_a_question() {
    let shown = run("", &["demo"]).ok();
    let first = shown.lines().nth(1).unwrap();
    assert!(first.contains("Rust has no garbage collector"), "{shown}");
    assert_eq!(
        shown.matches("goroutines").count(),
        1,
        "the filter leaves one out: {shown}"
    );
    let mut demo = command("", &["demo", "--json"]);
    // An empty key is none.
    let ran = Ran::of(demo.env("GEMINI_API_KEY", "").output().unwrap());
    assert!(ran.err.contains("embedded with "), "{}", ran.err);
    let lines = ran.json();
    assert_eq!(lines.len(), 5);
    let code = include_str!("../../src/cli/demo.rs").lines();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(code.filter(is_code).count() <= 60);
}
