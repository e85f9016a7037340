//! [`Jina`]: Jina AI's models.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::context::Purpose;
use crate::embed::http::provider::{EmbedMode, Provider, Service};
use crate::error::InvalidInput;
use crate::printable::short;

static SERVICE: Service = Service {
    name: "jina",
    title: "Jina AI",
    key_variables: &["JINA_API_KEY", "CHROMA_JINA_API_KEY"],
    base_url: "https://api.jina.ai/v1",
    // The most that other clients of Jina AI send
    batch_size: 512,
    ..Service::LIKE_OPENAI
};

/// Jina AI's models: Chroma's function `jina`. The key is in `JINA_API_KEY` or `CHROMA_JINA_API_KEY`. A
/// request has at most 512 texts.
///
/// For models that know tasks (`jina-embeddings-v3` and later ones), [`new`](Jina::new) sets the task
/// `retrieval.passage` for documents and `retrieval.query` for queries. A collection stores both, and
/// Chroma's Python client uses them as well. If another client stored only the task of documents, queries
/// have the task `retrieval.query` too, except with
/// [`as_python`](crate::embed::HttpFunctionBuilder::as_python).
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, Jina};
///
/// let jina = Jina::new("jina-embeddings-v3").dimensions(512);
/// let function = HttpFunction::new(jina)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jina {
    #[serde(default = "model")]
    model_name: String,
    #[serde(flatten)]
    options: Options,
    /// Members that replace those of the body for queries.
    query_config: Option<Value>,
}

/// Members of the body. What is not set is not sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Options {
    task: Option<String>,
    late_chunking: Option<bool>,
    truncate: Option<bool>,
    dimensions: Option<usize>,
    embedding_type: Option<String>,
    normalized: Option<bool>,
}

/// The model of Chroma's Python client.
fn model() -> String {
    "jina-embeddings-v2-base-en".to_owned()
}

impl Jina {
    /// Returns the function of a model, for example `jina-embeddings-v3`.
    pub fn new(model: impl Into<String>) -> Jina {
        let model_name = model.into();
        let version = model_name.strip_prefix("jina-embeddings-v");
        let knows_tasks = version.is_some_and(|version| version.starts_with(['3', '4', '5']));
        Jina {
            options: Options {
                task: knows_tasks.then(|| "retrieval.passage".to_owned()),
                ..Options::default()
            },
            query_config: knows_tasks.then(|| json!({ "task": "retrieval.query" })),
            model_name,
        }
    }

    /// Sets the tasks of documents and queries, for example `text-matching` for both. Default: see [`Jina`].
    #[must_use]
    pub fn tasks(mut self, documents: impl Into<String>, queries: impl Into<String>) -> Jina {
        self.options.task = Some(documents.into());
        self.query_config = Some(json!({ "task": queries.into() }));
        self
    }

    /// Sets the number of floats per vector, for models that can shorten their vectors. Default: the model's.
    #[must_use]
    pub fn dimensions(mut self, floats: usize) -> Jina {
        self.options.dimensions = Some(floats);
        self
    }
}

impl Provider for Jina {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model_name
    }

    fn body(&self, mode: EmbedMode) -> Value {
        let mut body = json!(self.options);
        body["model"] = json!(self.model_name);
        // Chroma's clients store no task of queries by default, and use that of documents.
        let of_documents = self.options.task.as_deref().unwrap_or_default();
        if let (true, Some(task)) = (
            mode.is_distinct_query(),
            of_documents.strip_suffix(".passage"),
        ) {
            body["task"] = format!("{task}.query").into();
        }
        if let (Purpose::Queries, Some(Value::Object(config))) = (mode.purpose, &self.query_config)
        {
            for (name, value) in config {
                body[name] = value.clone();
            }
        }
        body
    }

    fn dimension(&self) -> Option<usize> {
        self.options.dimensions
    }

    fn check(&self) -> Result<(), InvalidInput> {
        let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
        let is_good = |config: &Value| {
            let members = config.as_object();
            members.is_some_and(|members| members.values().all(is_scalar))
        };
        if self.query_config.as_ref().is_none_or(is_good) {
            return Ok(());
        }
        let value = json!(self.query_config).to_string();
        let why = "it must be an object of texts, numbers and booleans, such as {\"task\": \"retrieval.query\"}";
        Err(InvalidInput::setting("query_config", short(&value), why))
    }
}
