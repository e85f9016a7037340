//! Damaged and unsuitable files are errors that say what is wrong.

use std::env;
use std::fs;
use std::path::Path;

use chroma_blocking::EmbeddingFunction;
use chroma_blocking::embed::Onnx;

use crate::small;
use crate::support::folder::Folder;
use crate::support::model;
use crate::support::random::Random;

/// Builds a function with this model and this vocabulary, and embeds a text.
fn fault(model: &[u8], vocabulary: &[u8]) -> Option<String> {
    let folder = Folder::new();
    fs::write(folder.path("model.onnx"), model).unwrap();
    fs::write(folder.path("vocab.txt"), vocabulary).unwrap();
    let builder = Onnx::builder("small", &folder.0).max_tokens(small::MAX_TOKENS);
    let text = "the cats sat on a garbage collector";
    match builder.build() {
        Ok(function) => function
            .embed_documents(&[text])
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(small::FOLDER).join(name)).unwrap()
}

fn replaced(content: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "the lengths of messages stay");
    let mut content = content.to_vec();
    let places: Vec<usize> = (0..=content.len() - from.len())
        .filter(|at| content[*at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{from}");
    for at in places {
        content[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    content
}

#[test]
fn unsuitable_models_are_refused_with_a_reason() {
    let (model, vocabulary) = (read("model.onnx"), read("vocab.txt"));
    assert_eq!(fault(&model, &vocabulary), None);
    let longer = [&vocabulary[..], b"one\nmore\n"].concat();
    for (model, vocabulary, expected) in [
        (vec![], &vocabulary, "model.onnx: it is empty"),
        (
            model[..model.len() / 2].to_vec(),
            &vocabulary,
            "model.onnx: it is damaged, or cut short",
        ),
        (
            b"<!DOCTYPE html><html>404</html>".to_vec(),
            &vocabulary,
            "model.onnx: it is damaged, or cut short",
        ),
        (
            replaced(&model, "input_ids", "input_idx"),
            &vocabulary,
            "it has an input \"input_idx\"; the inputs must be input_ids",
        ),
        (
            replaced(&model, "Identity", "Identitx"),
            &vocabulary,
            "Identitx",
        ),
        (
            read("pooled.onnx"),
            &vocabulary,
            "its output is not a vector for each token",
        ),
        (
            read("square.onnx"),
            &vocabulary,
            "floats, and 1 for a text of one token",
        ),
        (
            model.clone(),
            &longer,
            "does not accept a token of its vocabulary",
        ),
    ] {
        let fault = fault(&model, vocabulary).unwrap();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let error = |folder: &Path| {
        Onnx::builder("small", folder)
            .build()
            .unwrap_err()
            .to_string()
    };
    let folder = Folder::new();
    let missing = error(&folder.path("missing"));
    assert!(
        missing.contains("missing\": it does not exist; it must be the folder "),
        "{missing}"
    );
    let file = error(&Path::new(small::FOLDER).join("model.onnx"));
    let expected =
        "model.onnx\": it is not a folder; it must be the folder that contains model.onnx";
    assert!(file.contains(expected), "{file}");
    assert!(error(&folder.0).contains("tokenizer.json"));
    fs::write(folder.path("vocab.txt"), read("vocab.txt")).unwrap();
    assert!(error(&folder.0).contains("model.onnx"));
    fs::create_dir(folder.path("model.onnx")).unwrap();
    assert!(error(&folder.0).contains("model.onnx"));
}

#[test]
fn a_text_that_is_too_long_for_the_model_says_which_setting_helps() {
    let function = Onnx::builder("small", small::FOLDER).build().unwrap();
    let error = function.embed_documents(&["a b c ".repeat(20).as_str()]);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("62 tokens") && error.contains(".max_tokens"),
        "{error}"
    );
}

#[test]
fn another_model_is_not_chromas_default() {
    let error = Onnx::mini_lm_from(small::FOLDER).unwrap_err().to_string();
    assert!(error.contains("all-MiniLM-L6-v2"), "{error}");
    assert!(error.contains("Onnx::builder"), "{error}");
}

/// The words have the ids of other words, so that only the vectors show it.
#[test]
fn the_default_model_with_another_vocabulary_is_refused() {
    let (Some(model), folder) = (model::folder(), Folder::new()) else {
        return;
    };
    model::link(&model, &folder.0, &["model.onnx"]);
    let vocabulary = fs::read_to_string(model.join("vocab.txt")).unwrap();
    let swapped = vocabulary.lines().map(|word| match word {
        "weights" => "letters",
        "letters" => "weights",
        other => other,
    });
    let swapped = swapped.collect::<Vec<_>>().join("\n");
    assert_ne!(swapped, vocabulary.trim_end());
    fs::write(folder.path("vocab.txt"), swapped).unwrap();
    let error = Onnx::mini_lm_from(&folder.0).unwrap_err().to_string();
    let expected = "it is not the model all-MiniLM-L6-v2 of Chroma, or a file is damaged";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_name_that_no_collection_could_open_with_is_refused() {
    let error = |name: &str| {
        let built = Onnx::builder(name, small::FOLDER).build();
        built.unwrap_err().to_string()
    };
    let empty = error("");
    let expected = "model_name is empty or not set: collections store it; give the name ";
    assert!(empty.contains(expected), "{empty}");
    let long = error(&"x".repeat(513));
    assert!(long.contains("has 513 characters, more than 512"), "{long}");
    let prefix = Onnx::builder("small", small::FOLDER).query_prefix("é".repeat(2049));
    let prefix = prefix.build().unwrap_err().to_string();
    assert!(
        prefix.contains("query_prefix is \"é")
            && prefix.contains("it has 4098 bytes, more than 4096"),
        "{prefix}"
    );
    let longest = "x".repeat(512);
    let function = Onnx::builder(&longest, small::FOLDER).build().unwrap();
    assert_eq!(function.model(), longest);
}

/// `ONNX_MUTATIONS` sets their number.
#[test]
fn no_damage_of_a_file_ends_the_program() {
    let mutations = env::var("ONNX_MUTATIONS").map_or(200, |number| number.parse().unwrap());
    let (model, vocabulary) = (read("model.onnx"), read("vocab.txt"));
    let mut refused = 0;
    for seed in 0..mutations {
        let damaged = damaged(&model, seed);
        refused += usize::from(fault(&damaged, &vocabulary).is_some());
    }
    println!(
        "refused {refused} of {mutations} damaged models; the others differ in their numbers alone"
    );
    assert!(refused > 0);
}

fn damaged(model: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut damaged = model.to_vec();
    match random.below(4) {
        0 => damaged.truncate(random.below(model.len())),
        1 => {
            let at = random.below(model.len());
            damaged[at] = random.next() as u8;
        }
        2 => {
            for _ in 0..8 {
                let at = random.below(model.len());
                damaged[at] ^= 1 << random.below(8);
            }
        }
        _ => {
            let start = random.below(model.len());
            let end = model.len().min(start + random.below(64));
            damaged.drain(start..end);
        }
    }
    damaged
}
