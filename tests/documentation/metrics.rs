//! The names of metrics in the documents, beside those that the feature `metrics` reports.

use std::collections::BTreeSet;

use crate::support::markdown;
use crate::{assert_none, documents, name, read};

const PREFIX: &str = "chroma_client_";

/// All words of a text that are names of metrics.
fn metrics(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(PREFIX) && word.len() > PREFIX.len())
}

fn reported() -> BTreeSet<String> {
    let source = read("src/metrics/facade.rs");
    metrics(&source).map(str::to_owned).collect()
}

#[test]
fn the_table_has_each_metric_that_is_reported_and_no_other() {
    let text = read("docs/operating.md");
    let rows = markdown::parts(&text).1.into_iter();
    let rows = rows.filter(|(_, line)| line.starts_with(&format!("| `{PREFIX}")));
    let named: Vec<String> = rows
        .flat_map(|(_, row)| metrics(row.split('|').nth(1).unwrap()))
        .map(str::to_owned)
        .collect();
    let distinct: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(named.len(), distinct.len(), "{named:?}");
    assert_eq!(distinct, reported());
}

#[test]
fn no_document_names_a_metric_that_is_not_reported() {
    let reported = reported();
    let mut wrong = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for metric in metrics(&text) {
            // Of a histogram, an exporter makes these.
            let ends = ["_bucket", "_count", "_sum"].into_iter();
            let bare = ends.filter_map(|end| metric.strip_suffix(end)).next();
            if !reported.contains(metric) && !bare.is_some_and(|bare| reported.contains(bare)) {
                wrong.push(format!("{}: {metric}", name(&path)));
            }
        }
    }
    assert_none("metrics that nobody reports", wrong);
}
