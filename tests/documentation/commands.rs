//! Programs in the documents are compiled, and commands name features and targets that exist.

use crate::package::{package, targets};
use crate::support::markdown::{parts, spans};
use crate::{assert_none, documents, read};

#[test]
fn programs_are_compiled() {
    let library = read("src/lib.rs");
    let mut wrong = Vec::new();
    for document in documents()
        .iter()
        .filter(|document| document.is_of_this_package)
    {
        for block in parts(&document.text).0 {
            if !block.info.starts_with("rust") {
                continue;
            }
            let is_included = library.contains(&format!("include_str!(\"../{}\")", document.path));
            // Programs of other crates are compiled by benches/peers, and tests/guides compares the quotes.
            let is_others = ["use chroma::", "use chromadb::"]
                .iter()
                .any(|line| block.text.contains(line));
            if !is_included || block.info.contains("ignore") && !is_others {
                wrong.push(format!("{}:{}", document.path, block.line));
            }
        }
    }
    assert_none(
        "programs that are not compiled as doctests of src/lib.rs",
        wrong,
    );
}

/// The word after an option, as in `--example quickstart` or `--features=csv`.
fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let at = words
        .iter()
        .position(|word| word.split('=').next() == Some(name))?;
    words[at]
        .split_once('=')
        .map(|(_, value)| value)
        .or(words.get(at + 1).copied())
}

/// The parts of a command of cargo that do not exist.
fn unknown(command: &str) -> Vec<String> {
    let words = command
        .split_whitespace()
        .take_while(|word| !["--", "#"].contains(word));
    let words: Vec<&str> = words.skip_while(|word| *word != "cargo").collect();
    // `cargo add` names features of the reader's dependencies.
    if words.len() < 2 || words[1] == "add" || option(&words, "--manifest-path").is_some() {
        return Vec::new();
    }
    let mut unknown = Vec::new();
    for feature in option(&words, "--features")
        .into_iter()
        .flat_map(|list| list.split(','))
    {
        if package()["features"].get(feature).is_none() {
            unknown.push(format!("--features {feature}"));
        }
    }
    for kind in ["example", "bench", "test"] {
        // The documents write NAME for any name.
        let target = option(&words, &format!("--{kind}")).filter(|name| *name != "NAME");
        if target.is_some_and(|name| !targets(kind).contains(name)) {
            unknown.push(format!("--{kind} {}", target.unwrap()));
        }
    }
    unknown
}

#[test]
fn commands_name_features_and_targets_that_exist() {
    let mut wrong = Vec::new();
    let mut commands = 0;
    for document in documents()
        .iter()
        .filter(|document| document.is_of_this_package)
    {
        let (blocks, lines) = parts(&document.text);
        let in_blocks = blocks.iter().flat_map(|block| block.text.lines());
        let in_spans = lines.iter().flat_map(|(_, line)| spans(line));
        for command in in_blocks
            .chain(in_spans)
            .filter(|text| text.contains("cargo "))
        {
            commands += 1;
            wrong.extend(
                unknown(command)
                    .iter()
                    .map(|what| format!("{}: {what}", document.path)),
            );
        }
    }
    assert!(commands > 15, "{commands} commands");
    assert_none("not in Cargo.toml", wrong);
}
