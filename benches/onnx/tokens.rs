//! Compares token ids with those of PyPI's `tokenizers`. The tokenizer is private, so a unit test compares.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::table::{Goal, Row};
use crate::texts;

/// Returns whether all tokens are the same, and some of the texts.
pub fn compare() -> Result<(Row, Vec<String>), Box<dyn Error>> {
    eprintln!("comparing: tokens; a test of the library is built for this");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-tokens");
    fs::create_dir_all(&folder)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test-tokens.sh");
    let mut script = Command::new(script);
    let output = script.arg(&folder).arg("--all-code-points").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let compared = text.lines().find_map(|line| line.split_once("compared "));
    let is_same = output.status.success() && compared.is_some();
    if !is_same {
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let texts = texts::of_tokens(&folder.join("tokens.jsonl"))?;
    fs::remove_dir_all(&folder)?;
    let compared = compared.map_or("texts", |(_, what)| what);
    let row = Row {
        name: "tokens".to_owned(),
        what: format!("tokens that differ from those of PyPI's `tokenizers`: {compared}"),
        value: f64::from(!is_same),
        unit: "",
        ratio: None,
        goal: Some(Goal::AtMost(0.0)),
    };
    Ok((row, texts))
}
