//! [`Jina`]: Jina AI's models.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::context::Purpose;
use crate::embed::http::answer::Answer;
use crate::embed::http::provider::{Ask, MAX_BYTES, Provider, Service};

static SERVICE: Service = Service {
    name: "jina",
    key_variables: &["JINA_API_KEY", "CHROMA_JINA_API_KEY"],
    hosts: &[],
    texts: "input",
    answer: Answer::at(&["data"]),
    batch_size: 512,
    max_bytes: MAX_BYTES,
    max_tokens: None,
};

/// Jina AI's models. The key is in `JINA_API_KEY` or `CHROMA_JINA_API_KEY`.
///
/// For models that know tasks (`jina-embeddings-v3` and later ones), [`new`](Jina::new) sets the task
/// `retrieval.passage` for documents and `retrieval.query` for queries. A collection stores both, and Chroma's
/// Python client uses them as well.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    query_config: Option<Value>,
}

/// Members of the body. What is not set is not sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late_chunking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
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
        let knows_tasks = [
            "jina-embeddings-v3",
            "jina-embeddings-v4",
            "jina-embeddings-v5",
        ]
        .iter()
        .any(|known| model_name.starts_with(known));
        Jina {
            options: Options {
                task: knows_tasks.then(|| "retrieval.passage".to_owned()),
                ..Options::default()
            },
            query_config: knows_tasks.then(|| json!({ "task": "retrieval.query" })),
            model_name,
        }
    }

    /// Sets the tasks of documents and queries, for example `text-matching` for both.
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

    fn base_url(&self) -> String {
        "https://api.jina.ai".to_owned()
    }

    fn path(&self, _: bool) -> String {
        "/v1/embeddings".to_owned()
    }

    fn body(&self, ask: Ask) -> Value {
        let mut body = json!(self.options);
        body["model"] = json!(self.model_name);
        if let (Purpose::Queries, Some(Value::Object(config))) = (ask.purpose, &self.query_config) {
            for (name, value) in config {
                body[name] = value.clone();
            }
        }
        body
    }

    fn dimension(&self) -> Option<usize> {
        self.options.dimensions
    }
}
