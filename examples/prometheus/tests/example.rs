//! Runs the example as a user does, and reads it as Prometheus does.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod scraped;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn serves_metrics_and_prints_them_at_the_end() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_prometheus-example"))
        // Ends by itself if the test fails.
        .args(["0", "--for", "120"])
        .env_remove("CHROMA_HOST")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut url = String::new();
    output.read_line(&mut url).unwrap();
    let url = url.trim_end();

    // After a query, all metrics exist, except for the breaker, which the example does not use.
    let started = Instant::now();
    let mut names = scraped::names();
    names.remove("chroma_client_circuit_open");
    let (page, samples) = loop {
        let mut answer = ureq::get(url).call().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        let page = answer.body_mut().read_to_string().unwrap();
        let samples = scraped::samples(&page);
        let all = names
            .iter()
            .all(|name| page.contains(&format!("# TYPE {name} ")));
        if all {
            break (page, samples);
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{page}");
        thread::sleep(Duration::from_millis(20));
    };
    scraped::assert_described(&page, &names);
    let calls =
        |operation| samples[&format!("chroma_client_calls_total{{operation=\"{operation}\"}}")];
    assert!(calls("upsert") >= 1.0, "{page}");
    assert_eq!(calls("create_collection"), 1.0);
    let failed = r#"chroma_client_errors_total{operation="get_collection",error="not_found"}"#;
    assert!(samples[failed] >= 1.0);

    let other = ureq::get(url.replace("metrics", "other")).call();
    assert!(
        matches!(other, Err(ureq::Error::StatusCode(404))),
        "{other:?}"
    );

    // As Ctrl-C does.
    let pid = child.id().to_string();
    let mut interrupt = Command::new("kill");
    assert!(interrupt.args(["-INT", &pid]).status().unwrap().success());
    let mut table = String::new();
    output.read_to_string(&mut table).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        table.contains("delete_collection") && table.contains("chroma_blocking_hashing"),
        "{table}"
    );
}
