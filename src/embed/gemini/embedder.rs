//! [`Embedder`]: what all clones of a `Gemini` share.

use ureq::http::Method;

use super::model::ModelStyle;
use super::request::Parameters;
use super::task::TaskType;
use crate::embed::http::Engine;
use crate::transport::{Kind, Operation};

/// The operation of all requests.
pub(super) static EMBED: Operation = Operation {
    name: "embed",
    method: Method::POST,
    path: "/{version}/models/{model}:batchEmbedContents",
    kind: Kind::ReadsRows,
};

/// The engine and the settings that all clones of a `Gemini` share.
pub(super) struct Embedder {
    pub(super) engine: Engine,
    pub(super) style: ModelStyle,
    pub(super) dimension: usize,
    pub(super) document_task: Option<TaskType>,
    pub(super) query_task: Option<TaskType>,
    pub(super) key_variable: Option<String>,
}

impl Embedder {
    /// Returns the parameters that all texts of a request share.
    pub(super) fn parameters(&self, task: Option<TaskType>) -> Parameters<'_> {
        Parameters {
            model: &self.engine.model,
            style: self.style,
            task,
            dimension: self.dimension,
        }
    }
}
