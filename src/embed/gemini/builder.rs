//! [`GeminiBuilder`]: the options of [`Gemini`](crate::Gemini), with their defaults.

use std::fmt;

use super::model::ModelStyle;
use super::task::TaskType;
use crate::embed::http::{Options, setters};

/// The options of [`Gemini`](crate::Gemini). Each has a default.
///
/// Requests go through the proxy that the environment names for `https`, if any. The rules are those of
/// [`ClientBuilder::proxy`](crate::ClientBuilder::proxy).
#[derive(Clone)]
#[must_use = "does nothing until build() is called"]
pub struct GeminiBuilder {
    pub(super) options: Options,
    pub(super) model: String,
    pub(super) style: Option<ModelStyle>,
    pub(super) dimension: usize,
    pub(super) document_task: Option<TaskType>,
    pub(super) query_task: Option<TaskType>,
    pub(super) as_python: bool,
    pub(super) api_version: String,
}

impl Default for GeminiBuilder {
    fn default() -> GeminiBuilder {
        GeminiBuilder {
            options: Options::default(),
            model: "gemini-embedding-001".to_owned(),
            style: None,
            dimension: 768,
            document_task: Some(TaskType::RetrievalDocument),
            query_task: Some(TaskType::RetrievalQuery),
            as_python: false,
            api_version: "v1beta".to_owned(),
        }
    }
}

setters!(GeminiBuilder);

impl GeminiBuilder {
    /// Sets the model: `gemini-embedding-001` (default) or `gemini-embedding-2`. Any other model also needs
    /// its [style](GeminiBuilder::model_style).
    pub fn model(mut self, model: impl Into<String>) -> GeminiBuilder {
        self.model = model.into();
        self
    }

    /// Sets how requests name the task, for a model that this version of the crate does not know. A known
    /// model accepts only its own style. Default: that of the known model.
    ///
    /// The client does not check the dimension and the length of texts for an unknown model. To open a
    /// collection that was created with such a model, set the function again.
    pub fn model_style(mut self, style: ModelStyle) -> GeminiBuilder {
        self.style = Some(style);
        self
    }

    /// Sets the number of floats per vector, from 128 to 3072. Google recommends 768, 1536 and 3072. Default:
    /// 768.
    pub fn dimension(mut self, dimension: usize) -> GeminiBuilder {
        self.dimension = dimension;
        self
    }

    /// Sets the task of stored texts, or `None`. Default: [`TaskType::RetrievalDocument`].
    pub fn document_task(mut self, task: impl Into<Option<TaskType>>) -> GeminiBuilder {
        self.document_task = task.into();
        self
    }

    /// Sets the task of queries, or `None`. Default: [`TaskType::RetrievalQuery`].
    pub fn query_task(mut self, task: impl Into<Option<TaskType>>) -> GeminiBuilder {
        self.query_task = task.into();
        self
    }

    /// Sets whether texts are embedded as Chroma's Python client embeds them: queries with the task of
    /// documents, and with `gemini-embedding-2` all texts without a task. Default: `false`.
    ///
    /// A collection does not store this. A program that opens one without naming its function embeds queries
    /// of a retrieval as queries.
    pub fn as_python(mut self, as_python: bool) -> GeminiBuilder {
        self.as_python = as_python;
        self
    }

    /// Sets the address of the API. The address must be https, or on this machine, because requests carry the
    /// key. Default: the value of `GOOGLE_GEMINI_BASE_URL`, or Google's address if that is not set.
    pub fn base_url(mut self, url: impl Into<String>) -> GeminiBuilder {
        self.options.base_url = Some(url.into());
        self
    }

    /// Sets the version of the API. Default: `v1beta`.
    pub fn api_version(mut self, version: impl Into<String>) -> GeminiBuilder {
        self.api_version = version.into();
        self
    }
}

impl fmt::Debug for GeminiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeminiBuilder")
            .field("model", &self.model)
            .field("dimension", &self.dimension)
            .finish_non_exhaustive()
    }
}
