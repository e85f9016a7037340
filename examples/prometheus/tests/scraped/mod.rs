//! Parses the page that Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};

/// Returns all metrics that the library's source defines.
pub fn names() -> BTreeSet<&'static str> {
    let words = include_str!("../../../../src/metrics/facade.rs").split('"');
    words
        .filter(|word| word.starts_with("chroma_client_"))
        .collect()
}

/// Parses a page. Returns the value of each sample, by name and labels as printed.
pub fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        (sample.to_owned(), value.parse().unwrap())
    });
    samples.collect()
}

/// Checks that each metric has a description and the right type.
pub fn assert_described(page: &str, names: &BTreeSet<&str>) {
    for name in names {
        let help = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        assert!(
            help.is_some_and(|help| !help.is_empty()),
            "no HELP {name} in {page}"
        );
        let kind = match name {
            counter if counter.ends_with("_total") => "counter",
            histogram if histogram.ends_with("_seconds") => "histogram",
            _ => "gauge",
        };
        let line = format!("# TYPE {name} {kind}");
        assert!(
            page.lines().any(|found| found == line),
            "no {line} in {page}"
        );
    }
}
