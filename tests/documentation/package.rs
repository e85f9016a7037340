//! The features and examples of this package are those that the documents list.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::markdown::leading_spans;
use crate::{assert_none, read};

/// The description of this package by `cargo metadata`.
pub fn package() -> &'static Value {
    static PACKAGE: OnceLock<Value> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let arguments = [
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ];
        let mut cargo = Command::new(env!("CARGO"));
        let cargo = cargo
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = cargo.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        metadata["packages"][0].clone()
    })
}

/// The names of the targets of a kind: `example`, `test` or `bench`.
pub fn targets(kind: &str) -> BTreeSet<&'static str> {
    let targets = package()["targets"].as_array().unwrap().iter();
    let of_kind = targets.filter(|target| target["kind"][0] == kind);
    of_kind
        .map(|target| target["name"].as_str().unwrap())
        .collect()
}

#[test]
fn docs_rs_shows_every_feature_and_the_compiler_denies_undocumented_items() {
    assert!(read("src/lib.rs").contains("\n#![deny(missing_docs)]\n"));
    assert_eq!(package()["metadata"]["docs"]["rs"]["all-features"], true);
}

#[test]
fn the_lists_of_features_are_complete() {
    let features = package()["features"].as_object().unwrap().keys();
    let features: BTreeSet<&str> = features
        .map(String::as_str)
        .filter(|name| *name != "default")
        .collect();
    let library = read("src/lib.rs");
    let list = library.split("//! # Features\n").nth(1).unwrap();
    let items = list.lines().map_while(|line| line.strip_prefix("//!"));
    let items = items.filter_map(|line| line.trim().strip_prefix("- "));
    let described: BTreeSet<&str> = items.map(|item| leading_spans(item)[0]).collect();
    assert_eq!(described, features, "src/lib.rs");

    let readme = read("README.md");
    let missing = features
        .iter()
        .filter(|name| !readme.contains(&format!("`{name}`")));
    assert_none("not in README.md", missing);
}

#[test]
fn the_readme_lists_every_example() {
    let readme = read("README.md");
    let list = readme.split("\n## Examples\n").nth(1).unwrap();
    let list = list.split("\n## ").next().unwrap();
    let mut examples = targets("example");
    // The program of the guides, which tests/guides runs.
    examples.remove("guide");
    let mut commands: Vec<String> = Vec::new();
    commands.extend(examples.iter().map(|name| format!("--example {name}`")));
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().join("Cargo.toml").exists() {
            let name = entry.file_name();
            commands.push(format!(
                "--manifest-path examples/{}/Cargo.toml",
                name.to_str().unwrap()
            ));
        }
    }
    assert_eq!(
        list.matches("\n| `cargo run ").count(),
        commands.len(),
        "{commands:?}"
    );
    commands.retain(|command| !list.contains(command));
    assert_none("not in README.md", commands);
}
