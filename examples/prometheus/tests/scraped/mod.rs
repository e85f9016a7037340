//! What Prometheus reads of a page.

use std::collections::{BTreeMap, BTreeSet};

/// Every metric that the library defines, by its own source.
pub fn names() -> BTreeSet<&'static str> {
    let words = include_str!("../../../../src/metrics/facade.rs").split('"');
    words
        .filter(|word| word.starts_with("chroma_client_"))
        .collect()
}

/// A page, parsed: name and labels of each sample, as they stand there, and its value.
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

/// That each metric has a description and a type.
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
