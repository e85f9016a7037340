//! Compares token ids with those of PyPI's `tokenizers`. The tokenizer is private, so a unit test compares.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use crate::python::Installed;
use crate::table::{Goal, Row};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub fn compare(installed: &Installed) -> Result<Row, Box<dyn Error>> {
    eprintln!("comparing: tokens; a test of the library is built for this");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-tokens");
    fs::create_dir_all(&folder)?;
    let golden = folder.join("tokens.jsonl");
    let mut python = installed.python(&format!("{ROOT}/tests/onnx/tokens.py"));
    python.arg(&installed.model).arg(&folder);
    if !python.stdout(File::create(&golden)?).status()?.success() {
        return Err("PyPI's tokenizers failed; see above".into());
    }
    let output = Command::new(env!("CARGO"))
        .current_dir(ROOT)
        .args(["test", "--quiet", "--all-features", "--lib"])
        .args(["onnx::tokenizer", "--", "--ignored", "--nocapture"])
        .env("GOLDEN_TOKENS", &golden)
        .output()?;
    fs::remove_dir_all(&folder)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let compared = text.lines().find_map(|line| line.split_once("compared "));
    let is_same = output.status.success() && compared.is_some();
    if !is_same {
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let compared = compared.map_or("texts", |(_, what)| what);
    Ok(Row {
        name: "tokens",
        what: format!("tokens other than those of PyPI's `tokenizers`: {compared}"),
        value: f64::from(!is_same),
        unit: "",
        ratio: None,
        goal: Some(Goal::AtMost(0.0)),
    })
}
