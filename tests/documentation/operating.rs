//! The tables of `docs/operating.md`: defaults of settings, and names of metrics.

use std::collections::BTreeSet;

use chroma_blocking::client::CircuitBreaker;
use chroma_blocking::{Client, RetryPolicy};

use crate::read;

/// The settings in the table, with their defaults.
const DEFAULTS: [(&str, &str); 14] = [
    ("ClientBuilder::connection_timeout", "30 s"),
    ("ClientBuilder::request_timeout", "60 s"),
    ("RetryPolicy::deadline", "no bound"),
    ("RetryPolicy::max_retries", "3"),
    ("RetryPolicy::base_delay", "1 s"),
    ("RetryPolicy::max_delay", "60 s"),
    ("RetryPolicy::jitter", "Jitter::Half"),
    ("ClientBuilder::retry_budget", "100"),
    ("ClientBuilder::circuit_breaker", "off"),
    ("CircuitBreaker::failures", "5"),
    ("CircuitBreaker::open_for", "30 s"),
    ("GeminiBuilder::request_timeout", "60 s"),
    ("Ingest::retry", "ten retries"),
    ("LocalServerBuilder::start_timeout", "60 seconds"),
];

/// The cells of the rows that start with a name in backticks.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        row.split('|')
            .skip(1)
            .map(|cell| cell.trim().trim_matches('`'))
            .collect()
    })
}

#[test]
fn the_table_of_settings_has_the_real_defaults() {
    let text = read("docs/operating.md");
    let settings: Vec<_> = rows(&text)
        .filter(|cells| cells[0].contains("::") && cells[0].starts_with(char::is_uppercase))
        .map(|cells| (cells[0], cells[1]))
        .collect();
    assert_eq!(settings, DEFAULTS);

    let policy = "RetryPolicy { max_retries: 3, base_delay: 1s, max_delay: 60s, jitter: Half, deadline: None }";
    assert_eq!(format!("{:?}", RetryPolicy::default()), policy);
    let timeouts = "Timeouts { connect: 30s, request: 60s }";
    let builder = format!("{:?}", Client::builder());
    assert!(
        builder.contains(policy) && builder.contains(timeouts),
        "{builder}"
    );
    let breaker = "CircuitBreaker { failures: 5, open_for: 30s }";
    assert_eq!(format!("{:?}", CircuitBreaker::new()), breaker);
}

/// All words of a text that are names of metrics.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("chroma_client_"))
        .collect()
}

#[test]
fn the_table_of_metrics_names_each_reported_metric() {
    let (text, source) = (read("docs/operating.md"), read("src/metrics/facade.rs"));
    let reported = metrics(&source);
    let listed: BTreeSet<&str> = rows(&text).flat_map(|cells| metrics(cells[0])).collect();
    assert_eq!(listed, reported);
    let unknown = metrics(&text).into_iter().filter(|name| {
        // Exporters split a histogram into series with these suffixes.
        let suffixes = ["", "_bucket", "_count", "_sum"];
        !suffixes.iter().any(|end| {
            name.strip_suffix(end)
                .is_some_and(|name| reported.contains(name))
        })
    });
    crate::assert_none("alerts on metrics that are not reported", unknown);
}
