//! Links between the documents, and to files.

use std::path::Path;

use crate::support::markdown::{anchors, links};
use crate::{assert_none, documents, read};

#[test]
fn every_link_has_a_target() {
    let mut broken = Vec::new();
    let mut relative = 0;
    for document in documents() {
        for (line, target) in links(&document.text) {
            // rustdoc checks links to items.
            if target.contains("://") || target.contains("::") {
                continue;
            }
            relative += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => document.path.as_str().into(),
                _ => Path::new(&document.path).parent().unwrap().join(file),
            };
            let is_there = match anchor {
                "" => Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists(),
                _ => anchors(&read(path.to_str().unwrap())).contains(anchor),
            };
            if !is_there {
                broken.push(format!("{}:{line}: {target}", document.path));
            }
        }
    }
    assert!(relative > 50, "{relative} links");
    assert_none("links without a target", broken);
}

#[test]
fn the_readme_links_to_every_document() {
    let links = links(&read("README.md"));
    let links: Vec<_> = links
        .iter()
        .filter_map(|(_, target)| target.split('#').next())
        .collect();
    let missing = documents().into_iter().map(|document| document.path);
    let missing = missing.filter(|path| path.starts_with("docs/") || path == "CONTRIBUTING.md");
    assert_none(
        "not linked in README.md",
        missing.filter(|path| !links.contains(&path.as_str())),
    );
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# It's `a.b()`, no?\n## Two  words\n## two words\n## two words\n```\n# none\n```\n";
    let mut anchors: Vec<String> = anchors(text).into_iter().collect();
    anchors.sort();
    assert_eq!(
        anchors,
        ["its-ab-no", "two--words", "two-words", "two-words-1"]
    );
}
