//! Links between the documents, and to files.

use std::path::Path;

use crate::support::markdown;
use crate::{assert_none, documents, name, read, root};

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut relative = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for (line, target) in markdown::links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            relative += 1;
            if let Err(why) = follow(&document, &text, &target) {
                broken.push(format!("{}:{line}: {target}: {why}", name(&document)));
            }
        }
    }
    assert!(relative > 50, "{relative} links");
    assert_none("links that lead nowhere", broken);
}

fn follow(from: &Path, text: &str, target: &str) -> Result<(), String> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = from.parent().unwrap().join(file);
    if !file.is_empty() && !path.exists() {
        return Err("there is no such file".to_owned());
    }
    if anchor.is_empty() {
        return Ok(());
    }
    let other = match file {
        "" => text.to_owned(),
        _ if path.extension().is_some_and(|end| end == "md") => {
            std::fs::read_to_string(&path).map_err(|error| error.to_string())?
        }
        _ => return Err("only documents have headings".to_owned()),
    };
    match markdown::anchors(&other).contains(anchor) {
        true => Ok(()),
        false => Err("there is no such heading".to_owned()),
    }
}

#[test]
fn every_document_is_found_from_the_readme() {
    let readme = read("README.md");
    let links: Vec<String> = (markdown::links(&readme).into_iter())
        .map(|(_, target)| target.split('#').next().unwrap_or_default().to_owned())
        .collect();
    let docs = documents().into_iter().filter(|path| {
        path.parent() == Some(&root().join("docs")) || path.ends_with("CONTRIBUTING.md")
    });
    let missing = docs
        .map(|path| name(&path))
        .filter(|of| !links.contains(of));
    assert_none("README.md has no link to", missing);
}

#[test]
fn anchors_are_made_as_github_makes_them() {
    let text = "# It's `a.b()`, no?\n## Two  words\n## two words\n## two words\n```\n# none\n```\n";
    let mut anchors: Vec<String> = markdown::anchors(text).into_iter().collect();
    anchors.sort();
    let expected = ["its-ab-no", "two--words", "two-words", "two-words-1"];
    assert_eq!(anchors, expected);
}
