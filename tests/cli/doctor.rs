//! `doctor`.

use serde_json::{Value, json};

use crate::json::assert_documented;
use crate::program::{run, server, servers};
use crate::support::LIMITS;
use crate::support::stand_in::{Answer, StandIn};

fn status<'a>(lines: &'a [Value], check: &str) -> &'a Value {
    let line = lines.iter().find(|line| line["check"] == check);
    &line.unwrap_or_else(|| panic!("{check}: {lines:?}"))["status"]
}

#[test]
fn doctor_checks_a_real_server() {
    for url in servers() {
        // Other tests make collections whose functions do not open, in another database.
        let client = chroma_blocking::Client::new(url).unwrap();
        let database = crate::support::server::unique_name();
        client.create_database(&database).unwrap();
        let client = client.with_database(&database);
        let notes = client
            .collection("notes")
            .embedding_function(crate::program::hashing());
        notes.create().unwrap();
        let lines = run(url, &["doctor", "--json", "--database", &database]).json();
        for line in &lines {
            assert_documented("doctor`", line);
        }
        for check in [
            "proxy",
            "connection",
            "clock",
            "version",
            "limits",
            "key",
            "database",
            "function",
        ] {
            assert_eq!(status(&lines, check), "ok", "{lines:?}");
        }
        let base64 = lines.iter().any(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("in base64: true")
        });
        assert_eq!(base64, url == server("1.5.9"));
        let shown = run(url, &["doctor", "--database", &database]).ok();
        assert_eq!(shown.lines().count(), lines.len());
        assert!(
            shown
                .lines()
                .all(|line| line.starts_with("ok ") || line.starts_with("warning")),
            "{shown}"
        );
    }
}

#[test]
fn a_wrong_key_a_wrong_clock_and_a_missing_database_are_found() {
    let stand_in = StandIn::start(|request| match request.path.as_str() {
        "/api/v2/heartbeat" => Answer::ok(r#"{"nanosecond heartbeat":1000000000000000000}"#),
        "/api/v2/pre-flight-checks" => Answer::ok(LIMITS),
        "/api/v2/version" => Answer::ok(r#""1.0.0""#),
        _ => Answer::new(401, r#"{"error":"AuthError","message":"who are you?"}"#),
    });
    let ran = run(&stand_in.url(), &["doctor", "--json"]);
    let parse = |line| serde_json::from_str(line).unwrap();
    let lines: Vec<Value> = ran.out.lines().map(parse).collect();
    assert_eq!(ran.code, Some(1));
    assert_eq!(status(&lines, "clock"), &json!("warning"));
    assert_eq!(status(&lines, "key"), &json!("failure"));
    assert_eq!(status(&lines, "database"), &json!("failure"));
    let ran = run(
        server("1.5.9"),
        &["doctor", "--database", "no-such-database"],
    );
    assert!(ran.out.contains("no-such-database"), "{}", ran.out);
    assert_eq!(ran.code, Some(1));
}
