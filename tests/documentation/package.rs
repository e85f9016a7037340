//! The package: its features, its examples, and that everything public is described.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{markdown, source};
use crate::{assert_none, name, read, root};

/// What cargo knows of this package.
pub fn package() -> &'static Value {
    static PACKAGE: OnceLock<Value> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let arguments = ["--no-deps", "--offline", "--format-version", "1"];
        let mut cargo = Command::new(env!("CARGO"));
        cargo.arg("metadata").args(arguments).current_dir(root());
        let output = cargo.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        metadata["packages"][0].clone()
    })
}

/// Its features, without the set of those that are on by default.
fn features() -> BTreeSet<String> {
    let all = package()["features"].as_object().unwrap().keys().cloned();
    all.filter(|name| name != "default").collect()
}

/// Its targets of this kind, and the features that each needs.
pub fn targets(kind: &str) -> Vec<(String, Vec<String>)> {
    let strings = |value: &Value| {
        let values = value.as_array().map_or(&[][..], Vec::as_slice);
        let strings = values.iter().filter_map(Value::as_str);
        strings.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for target in package()["targets"].as_array().unwrap() {
        if strings(&target["kind"]).iter().any(|of| of == kind) {
            let name = target["name"].as_str().unwrap().to_owned();
            found.push((name, strings(&target["required-features"])));
        }
    }
    found
}

#[test]
fn everything_public_is_described() {
    let library = read("src/lib.rs");
    assert!(library.contains("\n#![deny(missing_docs)]\n"));
    let all = package()["metadata"]["docs"]["rs"]["all-features"].clone();
    assert_eq!(all, true, "docs.rs shows what every feature brings");

    let mut wrong = Vec::new();
    for path in source::files(&root().join("src"), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = name(&path);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in (1..).zip(&lines) {
            if line.contains("missing_docs") && file != "src/lib.rs" {
                wrong.push(format!("{file}:{number}: {line}"));
            }
            // It takes an item out of the documentation; the module for fuzzing is none of the API.
            if line.contains("doc(hidden)") && lines.get(number) != Some(&"pub mod fuzzing;") {
                wrong.push(format!("{file}:{number}: {line}"));
            }
        }
        // The compiler takes a comment without words for a description.
        for (number, pair) in (1..).zip(lines.windows(2)) {
            let [above, line] = pair else { continue };
            let is_item = line.starts_with("pub ") && !line.starts_with("pub use");
            if is_item && *above == "///" && !has_words(&lines[..number]) {
                wrong.push(format!("{file}:{number}: {line}"));
            }
        }
    }
    assert_none("not described", wrong);
}

/// Whether there are words in the comment, or a file in their place, at the end of these lines.
fn has_words(lines: &[&str]) -> bool {
    let above = lines.iter().rev();
    let mut comment = above.take_while(|line| line.starts_with("///") || line.starts_with("#["));
    comment.any(|line| line.trim_start_matches('/').len() > 3)
}

#[test]
fn features_are_those_that_are_described() {
    let features = features();
    let library = read("src/lib.rs");
    let (_, list) = library.split_once("//! # Features\n").unwrap();
    let items = list.lines().map_while(|line| line.strip_prefix("//!"));
    let described: BTreeSet<String> = items
        .filter_map(|item| item.trim().strip_prefix("- "))
        .flat_map(|item| markdown::leading_spans(item).into_iter().take(1))
        .map(str::to_owned)
        .collect();
    assert_eq!(described, features, "src/lib.rs");

    let readme = read("README.md");
    let named = |feature: &&String| !readme.contains(&format!("`{feature}`"));
    assert_none("not in README.md", features.iter().filter(named));
    // "(feature `csv`)", "the default feature `tls`"
    let spoken_of = readme.split("feature `").skip(1);
    let unknown = spoken_of
        .filter_map(|rest| rest.split('`').next())
        .filter(|name| !features.contains(*name));
    assert_none("README.md has features that are none", unknown);
}

#[test]
fn examples_are_those_of_the_list() {
    let readme = read("README.md");
    let (_, list) = readme.split_once("\n## Examples\n").unwrap();
    let list = list.split("\n## ").next().unwrap();
    let mut listed = BTreeSet::new();
    for item in list.split("\n- ").skip(1) {
        let words: Vec<&str> = item.split([' ', '`', '\n']).collect();
        let run = words.windows(2).find(|pair| pair[0] == "--example");
        let folder = item.split("(examples/").nth(1);
        let folder = folder.and_then(|rest| rest.split([')', '/']).next());
        let example = run.map(|pair| pair[1]).or(folder);
        listed.insert(example.expect(item).to_owned());
    }
    let mut there: BTreeSet<String> = targets("example").into_iter().map(|(of, _)| of).collect();
    // The program of the guides, which tests/guides runs.
    assert!(there.remove("guide"));
    // Packages of their own.
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.join("Cargo.toml").is_file() {
            there.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(listed, there, "the list in README.md, and examples/");
}
