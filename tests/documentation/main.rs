//! The documents agree with the code: programs, links, commands, features, defaults, metrics, and the guides.

#![allow(clippy::unwrap_used, clippy::panic)]

mod calls;
#[cfg(feature = "functions")]
mod functions;
mod guides;
#[cfg(all(feature = "cli", unix))]
mod moving;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use chroma_blocking::client::CircuitBreaker;
use chroma_blocking::{Client, RetryPolicy};
use support::assert_none;

const LIBRARY: &str = include_str!("../../src/lib.rs");
const MANIFEST: &str = include_str!("../../Cargo.toml");
const OPERATING: &str = include_str!("../../docs/operating.md");
const README: &str = include_str!("../../README.md");

/// The folders with documents.
const FOLDERS: [&str; 6] = [
    "",
    "docs",
    "benches",
    "benches/peers",
    "examples/build_script",
    "fuzz",
];

/// The files of a folder with this extension.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(".").join(folder)).unwrap();
    let paths = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
    let of_kind = |path: &PathBuf| path.extension().is_some_and(|end| end == extension);
    paths.filter(of_kind).collect()
}

fn documents() -> Vec<(PathBuf, String)> {
    let paths = FOLDERS.into_iter().flat_map(|folder| files(folder, "md"));
    paths
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The features of this package.
fn features() -> impl Iterator<Item = &'static str> {
    let section = MANIFEST.split("[features]\n").nth(1).unwrap();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| Some(line.split_once(" = ")?.0));
    names.filter(|name| *name != "default" && !name.starts_with('#'))
}

#[test]
fn programs_in_documents_are_doctests_of_the_library() {
    let is_left_out = |(path, text): &(PathBuf, String)| {
        let is_included = LIBRARY.contains(&format!("include_str!(\"../{}\")", path.display()));
        text.contains("```rust") && !is_included
    };
    let left_out = documents().into_iter().filter(is_left_out);
    assert_none(
        "not in src/lib.rs",
        left_out.map(|(path, _)| path.display().to_string()),
    );
    // The guides quote a program of another client each, which benches/peers compiles.
    for (path, text) in documents() {
        let quotes = path.ends_with("from-official-crate.md") || path.ends_with("from-chromadb.md");
        assert_eq!(
            text.matches("```rust,ignore").count(),
            usize::from(quotes),
            "{path:?}"
        );
    }
}

/// The anchors that GitHub makes from the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let titles = text
        .lines()
        .filter_map(|line| Some(line.split_once("# ")?.1));
    let words = titles.map(|title| title.to_lowercase().replace(' ', "-"));
    words
        .map(|words| words.replace(|c: char| !c.is_alphanumeric() && !"-_".contains(c), ""))
        .collect()
}

#[test]
fn every_link_has_a_target() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for (path, text) in documents() {
        let targets = text.split("](").skip(1);
        for target in targets.filter_map(|rest| Some(rest.split_once(')')?.0)) {
            // rustdoc checks links to items.
            if target.contains("://") || target.contains("::") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.with_file_name(file),
            };
            let has_anchor =
                || anchors(&fs::read_to_string(&file).unwrap()).contains(&anchor.into());
            if !file.exists() || !anchor.is_empty() && !has_anchor() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(count > 50, "{count} links");
    assert_none("links without a target", broken);
}

#[test]
fn the_readme_names_every_document_example_and_feature() {
    let documents = files("docs", "md").into_iter();
    let examples = files("examples", "rs").into_iter();
    let expected = documents
        .map(|path| format!("]({})", path.display()))
        .chain(
            examples
                .map(|path| format!("--example {}", path.file_stem().unwrap().to_str().unwrap())),
        )
        .chain(features().map(|name| format!("`{name}`")));
    assert_none(
        "not in README.md",
        expected.filter(|words| !README.contains(words)),
    );
    assert_none(
        "not in src/lib.rs",
        features().filter(|name| !LIBRARY.contains(&format!("//! - `{name}`"))),
    );
}

/// Options of commands in documents, and where a name that follows them has to be.
const OPTIONS: [(&str, &str); 4] = [
    ("--example ", "examples"),
    ("--test ", "tests"),
    ("--bench ", "benches"),
    ("scripts/", "scripts"),
];

#[test]
fn commands_name_files_and_features_that_exist() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        // Other commands are for other packages.
        let lines = text.lines().filter(|line| {
            !line.contains("--manifest-path")
                && !line.contains("cargo add")
                && !line.contains("NAME")
        });
        for line in
            lines.filter(|_| FOLDERS[..3].contains(&path.parent().unwrap().to_str().unwrap()))
        {
            let names = |option| {
                line.split(option)
                    .skip(1)
                    .map(|rest| rest.split([' ', '`', ')', ',', ':']).next().unwrap())
            };
            for (option, folder) in OPTIONS {
                let exists = |name: &&str| {
                    ["", ".rs", "/main.rs"]
                        .iter()
                        .any(|end| Path::new(&format!("{folder}/{name}{end}")).is_file())
                };
                wrong.extend(
                    names(option)
                        .filter(|name| !exists(name))
                        .map(|name| format!("{option}{name}")),
                );
            }
            let unknown =
                names("--features ").filter(|name| !features().any(|feature| feature == *name));
            wrong.extend(unknown.map(|name| format!("--features {name}")));
        }
    }
    assert_none("named in documents, and missing", wrong);
}

/// Settings of the table in `docs/operating.md` with their defaults, as the table and as `Debug` show them.
const DEFAULTS: [(&str, &str, &str); 9] = [
    ("ClientBuilder::connection_timeout", "30 s", "connect: 30s"),
    ("ClientBuilder::request_timeout", "60 s", "request: 60s"),
    ("RetryPolicy::deadline", "no bound", "deadline: None"),
    ("RetryPolicy::max_retries", "3", "max_retries: 3"),
    ("RetryPolicy::base_delay", "1 s", "base_delay: 1s"),
    ("RetryPolicy::max_delay", "60 s", "max_delay: None"),
    ("RetryPolicy::jitter", "Jitter::Half", "jitter: Half"),
    ("CircuitBreaker::failures", "5", "failures: 5"),
    ("CircuitBreaker::open_for", "2 s", "open_for: 2s"),
];

#[test]
fn the_table_of_settings_has_the_real_defaults() {
    let (client, policy) = (Client::builder(), RetryPolicy::default());
    let defaults = format!("{client:?} {policy:?} {:?}", CircuitBreaker::new());
    for (setting, shown, real) in DEFAULTS {
        let row = format!("\n| `{setting}` | {shown} |");
        assert!(OPERATING.contains(&row), "docs/operating.md: {row}");
        assert!(defaults.contains(real), "{real} in {defaults}");
    }
}

#[test]
fn the_table_of_metrics_names_each_reported_metric() {
    let source = include_str!("../../src/metrics/facade.rs");
    let reported = || {
        source
            .split('"')
            .filter(|text| text.starts_with("chroma_client_"))
    };
    assert_none(
        "not in docs/operating.md",
        reported().filter(|name| !OPERATING.contains(&format!("`{name}`"))),
    );
    // Exporters split a histogram into series with longer names.
    let mentioned = OPERATING.split("chroma_client_").skip(1);
    let is_unknown =
        |rest: &&str| !reported().any(|name| rest.starts_with(&name["chroma_client_".len()..]));
    assert_none(
        "not reported",
        mentioned.filter(is_unknown).map(|rest| &rest[..20]),
    );
}

/// Collects the lines in the sources of a folder that begin a function without arguments.
fn functions(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let lines = source.lines().map(str::trim);
            let is_test = |line: &&str| line.starts_with("fn ") && line.ends_with("() {");
            found.extend(lines.filter(is_test).map(str::to_owned));
        }
    }
}

#[test]
fn a_test_holds_each_promise_about_security() {
    let mut tests = Vec::new();
    functions(Path::new("src"), &mut tests);
    functions(Path::new("tests"), &mut tests);
    let secrets = OPERATING.split("\n## Secrets\n").nth(1).unwrap();
    let secrets = secrets.split("\n## ").next().unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in [secrets, include_str!("../../SECURITY.md")] {
        let rows = document.lines().filter(|line| line.starts_with("| "));
        for row in rows.filter(|row| !row.starts_with("| promise |")) {
            count += 1;
            let names: Vec<_> = row
                .rsplit(" | ")
                .next()
                .unwrap()
                .split('`')
                .skip(1)
                .step_by(2)
                .collect();
            let missing = |name: &&&str| !tests.contains(&format!("fn {name}() {{"));
            wrong.extend(
                names
                    .iter()
                    .filter(missing)
                    .map(|name| format!("no test {name}")),
            );
            if names.is_empty() {
                wrong.push(format!("no test for: {row}"));
            }
        }
    }
    assert!(count > 20, "{count} promises");
    assert_none("promises without a test", wrong);
}
