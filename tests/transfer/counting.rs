//! [`Counting`]: an embedding function that records which texts it has embedded.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chroma_blocking::embed::EmbeddingError;
use chroma_blocking::{EmbeddingFunction, Embeddings, serde_json};

/// Called with each batch of texts before they are embedded.
type Hook = Box<dyn FnMut(&[&str]) + Send>;

/// Embeds a text as its first bytes and its length, so that a vector shows which text it belongs to.
#[derive(Clone)]
pub struct Counting {
    model: &'static str,
    dimension: usize,
    is_stored: bool,
    paid: Arc<Mutex<Vec<String>>>,
    hook: Arc<Mutex<Option<Hook>>>,
    /// A line for each text, for processes that are killed.
    file: Option<PathBuf>,
}

impl Counting {
    pub fn new(model: &'static str, dimension: usize) -> Counting {
        Counting {
            model,
            dimension,
            is_stored: true,
            paid: Arc::default(),
            hook: Arc::default(),
            file: None,
        }
    }

    /// Makes a function that collections do not store.
    pub fn unstored(mut self) -> Counting {
        self.is_stored = false;
        self
    }

    /// Writes a line for each text into a file.
    pub fn into_file(mut self, file: impl Into<PathBuf>) -> Counting {
        self.file = Some(file.into());
        self
    }

    /// Sets what happens before a batch is embedded.
    pub fn before(self, hook: impl FnMut(&[&str]) + Send + 'static) -> Counting {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
        self
    }

    /// Returns all texts that were embedded, and forgets them.
    pub fn take_paid(&self) -> Vec<String> {
        let mut paid = std::mem::take(&mut *self.paid.lock().unwrap());
        paid.sort();
        paid
    }

    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut row = vec![0.0; self.dimension];
        for (to, byte) in row.iter_mut().zip(text.bytes()) {
            *to = f32::from(byte);
        }
        row[self.dimension - 1] = text.len() as f32;
        row
    }
}

/// Returns how often each text in a file was paid for.
pub fn paid_in(file: &Path) -> BTreeMap<String, usize> {
    let mut paid = BTreeMap::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        *paid.entry(line.to_owned()).or_default() += 1;
    }
    paid
}

impl EmbeddingFunction for Counting {
    fn name(&self) -> &str {
        self.model
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        if let Some(hook) = &mut *self.hook.lock().unwrap() {
            hook(documents);
        }
        let texts = documents.iter().map(|text| (*text).to_owned());
        self.paid.lock().unwrap().extend(texts);
        if let Some(file) = &self.file {
            let lines = documents.join("\n") + "\n";
            let mut file = OpenOptions::new().append(true).create(true).open(file)?;
            file.write_all(lines.as_bytes())?;
        }
        let rows = documents.iter().map(|text| self.vector(text));
        Ok(Embeddings::from_rows(rows)?)
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.dimension)
    }

    fn config(&self) -> Option<serde_json::Value> {
        let config = serde_json::json!({ "model_name": self.model, "dimension": self.dimension });
        self.is_stored.then_some(config)
    }
}
