//! Programs and commands in the documents: that they are compiled, and that what they run is there.

use std::path::PathBuf;

use crate::package::{package, targets};
use crate::support::markdown::{self, Block};
use crate::{assert_none, documents, name, read, root};

/// Those of other crates, which benches/peers compiles; tests/guides compares the quotes.
const OTHERS: [&str; 2] = ["use chroma::", "use chromadb::"];

/// The documents of this package; some folders are packages of their own.
fn own() -> impl Iterator<Item = PathBuf> {
    documents().into_iter().filter(|path| {
        let folder = path.parent().unwrap();
        folder == root() || !folder.join("Cargo.toml").exists()
    })
}

fn blocks() -> Vec<(String, Block)> {
    let mut found = Vec::new();
    for document in own() {
        let text = std::fs::read_to_string(&document).unwrap();
        let (blocks, _) = markdown::parts(&text);
        found.extend(blocks.into_iter().map(|block| (name(&document), block)));
    }
    found
}

#[test]
fn programs_are_compiled() {
    let library = read("src/lib.rs");
    let mut wrong = Vec::new();
    for (file, block) in blocks() {
        let mut words = block.info.split(',').map(str::trim);
        if words.next() != Some("rust") {
            continue;
        }
        let place = format!("{file}:{}", block.line);
        if !library.contains(&format!("include_str!(\"../{file}\")")) {
            wrong.push(format!("{place}: src/lib.rs does not include the file"));
        }
        let is_others = OTHERS.iter().any(|line| block.text.contains(line));
        if words.any(|word| word == "ignore") && !(is_others && file.starts_with("docs/from-")) {
            wrong.push(format!("{place}: it is ignored"));
        }
    }
    assert_none("programs that nobody compiles", wrong);
}

/// A command that is run in a document, and what it needs.
struct Run<'a> {
    place: String,
    words: Vec<&'a str>,
}

impl<'a> Run<'a> {
    /// What is behind an option, as in `--example quickstart` or `--features=csv`.
    fn option(&self, option: &str) -> Option<&'a str> {
        let mut pairs = self.words.windows(2);
        let apart = pairs.find(|pair| pair[0] == option).map(|pair| pair[1]);
        let joined = |word: &&'a str| word.strip_prefix(option)?.strip_prefix('=');
        apart.or(self.words.iter().find_map(joined))
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }
}

/// Commands of cargo: those in blocks, and those in code spans.
fn commands(texts: &[(String, String)]) -> Vec<Run<'_>> {
    let mut found = Vec::new();
    for (place, text) in texts {
        // A comment, and what the program itself is told, are none of cargo's.
        let command = text.split(" #").next().unwrap_or_default();
        let words = command.split_whitespace().take_while(|word| *word != "--");
        let words: Vec<&str> = words.skip_while(|word| *word != "cargo").collect();
        // What is added to the reader's program is no feature of ours.
        if words.len() > 1 && words[1] != "add" {
            let place = place.clone();
            found.push(Run { place, words });
        }
    }
    found
}

fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, block) in blocks() {
        if ["sh", "bash", "console", "text", ""].contains(&block.info.as_str()) {
            for (line, text) in (block.line + 1..).zip(block.text.lines()) {
                found.push((format!("{file}:{line}"), text.to_owned()));
            }
        }
    }
    for document in own() {
        let text = std::fs::read_to_string(&document).unwrap();
        for (line, text) in markdown::parts(&text).1 {
            let spans = markdown::spans(text).into_iter();
            let place = format!("{}:{line}", name(&document));
            found.extend(spans.map(|span| (place.clone(), span.to_owned())));
        }
    }
    found
}

#[test]
fn commands_run_what_is_there() {
    let texts = texts();
    let package = package();
    let default = package["features"]["default"].as_array().unwrap();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for run in commands(&texts) {
        let mut say = |what: String| wrong.push(format!("{}: {what}", run.place));
        if let Some(manifest) = run.option("--manifest-path") {
            if !root().join(manifest).is_file() {
                say(format!("there is no {manifest}"));
            }
            continue;
        }
        let features: Vec<&str> = (run.option("--features").into_iter())
            .flat_map(|list| list.split(','))
            .collect();
        for feature in &features {
            if package["features"].get(feature).is_none() {
                say(format!("there is no feature {feature}"));
            }
        }
        for (option, kind) in [
            ("--example", "example"),
            ("--bench", "bench"),
            ("--test", "test"),
        ] {
            let Some(target) = run.option(option) else {
                continue;
            };
            checked += 1;
            let targets = targets(kind);
            let Some((_, needs)) = targets.iter().find(|(name, _)| name == target) else {
                // A word that stands for any name.
                if target != "NAME" {
                    say(format!("there is no {kind} {target}"));
                }
                continue;
            };
            let is_on = |feature: &String| {
                let by_default =
                    !run.has("--no-default-features") && default.iter().any(|on| on == feature);
                run.has("--all-features") || by_default || features.contains(&feature.as_str())
            };
            if let Some(missing) = needs.iter().find(|feature| !is_on(feature)) {
                say(format!("{target} needs --features {missing}"));
            }
        }
    }
    assert!(checked > 15, "{checked} commands");
    assert_none("commands that do not run", wrong);
}
