//! The size of the log.

use std::fs;

use crate::helpers::{COLLECTIONS, Folder, executable, pinned, request, skipped, wait_until};
use crate::program::Program;

#[test]
fn field_20_requests_do_not_grow_the_log_but_errors_are_in_it() {
    if skipped() {
        return;
    }
    let server = pinned().start().unwrap();
    let log = || fs::read_to_string(server.log_file()).unwrap();
    let (_, body) = request(server.port(), "POST", COLLECTIONS, r#"{"name":"abc"}"#);
    let id = body.split('"').nth(3).unwrap().to_owned();
    let path = |what: &str| format!("{COLLECTIONS}/{id}/{what}");
    let record = r#"{"ids":["1"],"embeddings":[[1,2]],"documents":["x"]}"#;
    assert_eq!(
        request(server.port(), "POST", &path("upsert"), record).0,
        200
    );
    let before = log();
    assert!(before.contains("istening on"), "{before}");
    for _ in 0..50 {
        let query = r#"{"query_embeddings":[[1,2]]}"#;
        assert_eq!(request(server.port(), "POST", &path("query"), query).0, 200);
    }
    assert_eq!(log(), before);
    let search = r#"{"searches":[]}"#;
    assert!(request(server.port(), "POST", &path("search"), search).0 >= 500);
    wait_until("an error in the log", || log().contains("ERROR"));
}

#[test]
fn field_20_a_log_that_reaches_its_limit_keeps_its_last_lines() {
    if skipped() {
        return;
    }
    let folder = Folder::new();
    let talkative = format!(
        "#!/bin/sh\nhead -c 9000000 /dev/zero | tr '\\0' x\necho\necho last words\nexec '{}' \"$@\"\n",
        executable(&folder).display()
    );
    let talkative = folder.script("talkative", &talkative);
    let data = folder.make("data");
    let log = data.join("chroma.log");
    // Supervised by Python, then by a shell, which keeps nothing.
    for has_python in [true, false] {
        let mut program = Program::run("found", &folder, |command| {
            command.env("CHROMA_BIN", &talkative).env("DATA", &data);
            if !has_python {
                let tools = folder.make("tools");
                for tool in ["head", "tr"] {
                    let _ =
                        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), tools.join(tool));
                }
                command.env("PATH", tools).env_remove("PYTHON");
            }
        });
        program.wait_for("up");
        wait_until("the end of the log", || {
            let text = fs::read_to_string(&log).unwrap();
            text.len() < 128 << 10 && text.contains("last words") == has_python
        });
        program.finish();
    }
}
