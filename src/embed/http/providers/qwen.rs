//! [`ChromaCloudQwen`]: the model that Chroma Cloud hosts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::embed::context::Purpose;
use crate::embed::http::answer::Answer;
use crate::embed::http::header::Header;
use crate::embed::http::provider::{EmbedMode, KeyHeader, Provider, Service};

/// The variable of Chroma's key.
pub(in crate::embed::http) const CHROMA_API_KEY: &str = "CHROMA_API_KEY";
/// The address of Chroma Cloud's models, and the variable that replaces it.
pub(in crate::embed::http) const CHROMA_CLOUD: &str = "https://embed.trychroma.com";
pub(in crate::embed::http) const CHROMA_EMBED_URL: &str = "CHROMA_EMBED_URL";
/// The headers of the key and of the model.
pub(in crate::embed::http) const TOKEN_HEADER: &str = "x-chroma-token";
pub(in crate::embed::http) const MODEL_HEADER: &str = "x-chroma-embedding-model";

static SERVICE: Service = Service {
    name: "chroma-cloud-qwen",
    title: "Chroma Cloud",
    key_variables: &[CHROMA_API_KEY],
    base_url: CHROMA_CLOUD,
    path: "",
    texts: "texts",
    answer: Answer::at(&["embeddings"]),
    batch_size: 100,
    ..Service::LIKE_OPENAI
};

/// The model Qwen3 Embedding, which Chroma Cloud hosts: Chroma's function `chroma-cloud-qwen`. The key is in
/// `CHROMA_API_KEY`. A request has at most 100 texts. The vectors have 1,024 floats.
///
/// With a task, a query has an instruction that tells the model what is searched for:
///
/// ```no_run
/// use chroma_blocking::embed::{ChromaCloudQwen, HttpFunction};
///
/// // For code; the instruction is that of Chroma's clients.
/// let function = HttpFunction::new(ChromaCloudQwen::new().task("nl_to_code"))?;
///
/// let faq = ChromaCloudQwen::new()
///     .instructions("faq", "", "Given a question, find its answer");
/// let function = HttpFunction::new(faq)?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChromaCloudQwen {
    #[serde(default = "model")]
    model: String,
    /// Empty without a task; Chroma's Python client opens no collection without this setting.
    #[serde(default)]
    task: String,
    #[serde(default = "instructions")]
    instructions: BTreeMap<String, Option<Instructions>>,
}

/// The words that the model reads before documents and queries of a task.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Instructions {
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
}

fn model() -> String {
    "Qwen/Qwen3-Embedding-0.6B".to_owned()
}

/// The instructions of Chroma's clients.
fn instructions() -> BTreeMap<String, Option<Instructions>> {
    let query =
        "Given a question about coding, retrieval code or passage that can solve user's question";
    let of_task = Instructions {
        documents: Some(String::new()),
        query: Some(query.to_owned()),
    };
    BTreeMap::from([("nl_to_code".to_owned(), Some(of_task))])
}

impl Default for ChromaCloudQwen {
    fn default() -> ChromaCloudQwen {
        ChromaCloudQwen::new()
    }
}

impl ChromaCloudQwen {
    /// Returns the function, without an instruction.
    pub fn new() -> ChromaCloudQwen {
        ChromaCloudQwen {
            model: model(),
            task: String::new(),
            instructions: instructions(),
        }
    }

    /// Sets the task, whose instructions are sent. Known: `nl_to_code`. Default: none.
    #[must_use]
    pub fn task(mut self, task: impl Into<String>) -> ChromaCloudQwen {
        self.task = task.into();
        self
    }

    /// Adds a task with its instructions for documents and queries, and sets it. A collection stores them.
    #[must_use]
    pub fn instructions(
        mut self,
        task: impl Into<String>,
        documents: impl Into<String>,
        queries: impl Into<String>,
    ) -> ChromaCloudQwen {
        let task = task.into();
        let of_task = Instructions {
            documents: Some(documents.into()),
            query: Some(queries.into()),
        };
        self.instructions.insert(task.clone(), Some(of_task));
        self.task(task)
    }
}

impl Provider for ChromaCloudQwen {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn url_variable(&self) -> Option<&'static str> {
        Some(CHROMA_EMBED_URL)
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named(TOKEN_HEADER)
    }

    fn headers(&self) -> Vec<Header<'_>> {
        vec![Header::public("model", MODEL_HEADER, &self.model)]
    }

    fn body(&self, mode: EmbedMode) -> Value {
        let of_task = self.instructions.get(&self.task).and_then(Option::as_ref);
        let instructions = of_task.and_then(|of_task| match mode.purpose {
            Purpose::Documents => of_task.documents.as_deref(),
            Purpose::Queries => of_task.query.as_deref(),
        });
        json!({ "instructions": instructions.unwrap_or_default() })
    }
}
