//! [`OnnxBuilder`]: the settings of an [`Onnx`].

use std::path::PathBuf;

use serde_json::{Value, json};

use super::function::{Onnx, Settings, check_prefixes};
use super::model::{Method, Model};
use super::pooling::Pooling;
use crate::embed::settings::check_model;
use crate::error::{Call, InvalidInput, Result};
use crate::model::space::Space;
use crate::printable::short;

/// The most tokens of a text if neither the program nor the files of a model tell it: the number of positions
/// of BERT.
const MAX_TOKENS: usize = 512;

/// Sets up an [`Onnx`]. [`Onnx::builder`] returns one.
#[derive(Debug, Clone)]
pub struct OnnxBuilder {
    model_name: String,
    folder: PathBuf,
    pooling: Pooling,
    normalize: bool,
    document_prefix: String,
    query_prefix: String,
    max_tokens: Option<usize>,
    space: Space,
}

impl Onnx {
    /// Returns a builder of a function with another model.
    ///
    /// The folder has `model.onnx` (or `onnx/model.onnx`, as on Hugging Face), and `tokenizer.json` or
    /// `vocab.txt` of the tokenizer `WordPiece`. The inputs of the model are `input_ids` and, if it has them,
    /// `attention_mask` and `token_type_ids`, each with the shape texts × tokens. An output has the shape texts ×
    /// tokens × dimension: `last_hidden_state`, `token_embeddings`, or else the first.
    ///
    /// A collection that is created with the function stores the name `sentence_transformer` and `model_name`,
    /// as Python's `SentenceTransformerEmbeddingFunction` does. Give the name that the model's makers use, since
    /// [`ClientBuilder::allow_onnx_model`](crate::ClientBuilder::allow_onnx_model) finds the model by it.
    ///
    /// ```no_run
    /// use chroma_blocking::embed::{Onnx, Pooling};
    ///
    /// // The settings are those of the models' cards.
    /// let bge = Onnx::builder("BAAI/bge-small-en-v1.5", "models/bge-small")
    ///     .pooling(Pooling::Cls)
    ///     .query_prefix("Represent this sentence for searching relevant passages: ")
    ///     .build()?;
    /// let e5 = Onnx::builder("intfloat/e5-small-v2", "models/e5-small")
    ///     .document_prefix("passage: ")
    ///     .query_prefix("query: ")
    ///     .build()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn builder(model_name: impl Into<String>, folder: impl Into<PathBuf>) -> OnnxBuilder {
        OnnxBuilder {
            model_name: model_name.into(),
            folder: folder.into(),
            pooling: Pooling::Mean,
            normalize: true,
            document_prefix: String::new(),
            query_prefix: String::new(),
            max_tokens: None,
            space: Space::Cosine,
        }
    }
}

impl OnnxBuilder {
    /// Sets how the vector of a text is made of the vectors of its tokens. Default: [`Pooling::Mean`].
    pub fn pooling(mut self, pooling: Pooling) -> OnnxBuilder {
        self.pooling = pooling;
        self
    }

    /// Sets whether vectors are scaled to unit length. Default: `true`.
    pub fn normalize(mut self, normalize: bool) -> OnnxBuilder {
        self.normalize = normalize;
        self
    }

    /// Sets a text that is put before each document, such as `"passage: "` for e5. Default: none.
    pub fn document_prefix(mut self, prefix: impl Into<String>) -> OnnxBuilder {
        self.document_prefix = prefix.into();
        self
    }

    /// Sets a text that is put before each query, such as `"query: "` for e5. Default: none.
    pub fn query_prefix(mut self, prefix: impl Into<String>) -> OnnxBuilder {
        self.query_prefix = prefix.into();
        self
    }

    /// Sets the most tokens of a text, with `[CLS]` and `[SEP]`. The rest of a longer text is cut off.
    /// Default: what the files of the tokenizer say, or else 512.
    pub fn max_tokens(mut self, tokens: usize) -> OnnxBuilder {
        self.max_tokens = Some(tokens);
        self
    }

    /// Sets the distance measure of a collection that is created with this function and sets no other.
    /// Default: [`Space::Cosine`].
    pub fn space(mut self, space: Space) -> OnnxBuilder {
        self.space = space;
        self
    }

    /// Loads the model, unless this process has loaded it already.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if a file of the folder is missing or malformed, if the name of the model is
    /// empty or longer than 512 characters, if a prefix is longer than 4096 bytes, or if `max_tokens` is less
    /// than 3.
    pub fn build(self) -> Result<Onnx> {
        self.load()
            .map_err(|reason| Call::new("onnx", None).invalid(reason))
    }

    fn load(self) -> std::result::Result<Onnx, InvalidInput> {
        if self.model_name.is_empty() {
            let why = "collections store it; give the name that the model's makers use";
            return Err(InvalidInput::setting("model_name", "", why));
        }
        check_model(&self.model_name)
            .map_err(|why| InvalidInput::setting("model_name", short(&self.model_name), why))?;
        if let Some(tokens) = self.max_tokens.filter(|tokens| *tokens < 3) {
            let why = "it must be 3 or more, since two tokens mark the ends of a text";
            return Err(InvalidInput::setting("max_tokens", tokens.to_string(), why));
        }
        check_prefixes([&self.document_prefix, &self.query_prefix])?;
        let model = Model::open(&self.folder)
            .map_err(|why| InvalidInput::setting("folder", self.folder.to_string_lossy(), why))?;
        let max_tokens = self.max_tokens.or(model.tokenizer.max_tokens());
        let method = Method {
            pooling: self.pooling,
            normalize: self.normalize,
            max_tokens: max_tokens.unwrap_or(MAX_TOKENS),
        };
        let config = self.config(method);
        let settings = Settings {
            name: "sentence_transformer".to_owned(),
            config,
            space: self.space,
            model: Some(self.model_name),
            method,
            document_prefix: self.document_prefix,
            query_prefix: self.query_prefix,
        };
        Ok(Onnx { model, settings })
    }

    /// Returns what a collection stores: the settings of Python's function, and those that only this crate
    /// reads.
    fn config(&self, method: Method) -> Value {
        let mut config = json!({
            "model_name": self.model_name,
            "device": "cpu",
            "normalize_embeddings": method.normalize,
            "kwargs": {},
            "pooling": method.pooling.name(),
            "max_tokens": method.max_tokens,
        });
        for (name, prefix) in [
            ("document_prefix", &self.document_prefix),
            ("query_prefix", &self.query_prefix),
        ] {
            if !prefix.is_empty() {
                config[name] = json!(prefix);
            }
        }
        config
    }
}
