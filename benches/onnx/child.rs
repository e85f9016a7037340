//! A process that loads the model and embeds texts. It measures the time to load it, and the peak of its
//! resident memory.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use chroma_blocking::EmbeddingFunction;
use chroma_blocking::embed::Onnx;
use serde::{Deserialize, Serialize};

use crate::resident::resident;
use crate::texts::Words;

/// The argument of a child process.
pub const ARGUMENT: &str = "--child";

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Loaded {
    /// The time to load the model, in milliseconds.
    pub load: f64,
    /// The peak of the resident memory, in MB. `None` on other systems than Linux.
    pub peak: Option<f64>,
}

/// Runs a child.
pub fn run(model: &Path, texts: usize) -> Result<Loaded, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .arg(ARGUMENT)
        .arg(model)
        .arg(texts.to_string())
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).map_err(|_| format!("the child: {error}").into())
}

pub fn main(model: &str, texts: &str) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let function = Onnx::mini_lm_from(model)?;
    let load = started.elapsed().as_secs_f64() * 1e3;
    let texts = Words::of(model.as_ref())?.mixed(texts.parse()?);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    function
        .embed_documents(&texts)
        .map_err(|error| error.to_string())?;
    let peak = resident("VmHWM:").map(|bytes| bytes as f64 / 1e6);
    println!("{}", serde_json::to_string(&Loaded { load, peak })?);
    Ok(())
}
