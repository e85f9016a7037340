//! Environment variables that are ignored, with a log line.

use std::process::Command;

use chroma_blocking::Client;

use crate::support::logs;

/// Tests share the environment of the process, so this test starts a child process.
#[test]
fn field_14_a_port_that_kubernetes_sets_is_ignored_with_a_debug_line() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "environment::child_process_in_kubernetes",
            "--ignored",
        ])
        .env("CHROMA_HOST", "db")
        .env("CHROMA_PORT", "tcp://10.0.0.11:18731")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(words.contains("1 passed"), "{words}");
}

#[test]
#[ignore = "started by field_14_a_port_that_kubernetes_sets_is_ignored_with_a_debug_line"]
fn child_process_in_kubernetes() {
    let logs = logs();
    assert_eq!(Client::from_env().unwrap().url(), "http://db:8000");
    let lines = logs.lines();
    let is_ours = |line: &&String| line.contains("CHROMA_PORT");
    let about_port: Vec<&String> = lines.iter().filter(is_ours).collect();
    assert_eq!(
        about_port,
        [
            "chroma_blocking::client DEBUG CHROMA_PORT is ignored: Kubernetes has set it for a service with the \
          name chroma, to tcp://10.0.0.11:18731 value=tcp://10.0.0.11:18731"
        ]
    );
}
