//! [`Counting`]: an embedding function that records which texts it has embedded.

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
}

impl Counting {
    pub fn new(model: &'static str, dimension: usize) -> Counting {
        Counting {
            model,
            dimension,
            is_stored: true,
            paid: Arc::default(),
            hook: Arc::default(),
        }
    }

    /// Makes a function that collections do not store.
    pub fn unstored(mut self) -> Counting {
        self.is_stored = false;
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
