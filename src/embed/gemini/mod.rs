//! [`Gemini`]: Google's embedding models over HTTP.

mod answer;
mod remembered;
mod request;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Method};

use super::{EmbeddingError, EmbeddingFunction, Purpose};
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::model::embeddings::Embeddings;
use crate::model::json_len::json_len;
use crate::model::space::Space;
use crate::transport::{
    self, Connecting, Endpoint, Operation, Outgoing, Repeat, RetryPolicy, Timeouts, Transport,
};
use crate::wire::cut::cut;

pub(super) use remembered::{Remembered, same};
use request::Style;
pub use request::TaskType;

/// Google's own address for the API.
const BASE_URL: &str = "https://generativelanguage.googleapis.com";
/// The floats per vector that the models can give.
const DIMENSIONS: std::ops::RangeInclusive<usize> = 128..=3072;
/// More items in one request are refused: "at most 100 requests can be in one batch".
const MAX_BATCH: usize = 100;
/// A request is cut at this size; the API refuses a larger body: "Request payload size exceeds the limit: 4194304 bytes".
const MAX_BODY: usize = 4_000_000;
/// What stands around a text in a request, at most.
const AROUND: usize = 300;
/// The variables that hold a key. Google's SDK prefers the first where both are set.
const KEY_VARIABLES: [&str; 2] = ["GOOGLE_API_KEY", "GEMINI_API_KEY"];

static EMBED: Operation = Operation {
    name: "embed",
    method: Method::POST,
    path: "/{version}/models/{model}:batchEmbedContents",
    repeat: Repeat::Freely,
};

/// Google Gemini's embeddings: 768 floats of unit length from `gemini-embedding-001`, unless the
/// [builder](Gemini::builder) says otherwise.
///
/// A text that is stored is embedded as `RETRIEVAL_DOCUMENT`, a text that asks as `RETRIEVAL_QUERY`. Vectors of
/// different models do not match: a collection stays with the model that it was filled with.
///
/// Cheap to clone; clones share connections. The key is in no log, error or `Debug`, and a collection's
/// configuration stores only the name of the variable that holds it.
///
/// A collection that was made with it, here or by Chroma's Python or JavaScript client,
/// [opens](crate::CollectionBuilder::get) without naming it again.
///
/// ```no_run
/// use chroma_blocking::{Client, Gemini};
///
/// let notes = Client::from_env()?
///     .collection("notes")
///     .embedding_function(Gemini::from_env()?)
///     .get_or_create()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Gemini(Arc<Inner>);

struct Inner {
    transport: Transport,
    path: String,
    model: String,
    style: Style,
    dimension: usize,
    document_task: Option<TaskType>,
    query_task: Option<TaskType>,
    batch_size: usize,
    key_variable: String,
}

impl Gemini {
    /// With the key in `GOOGLE_API_KEY`, or else in `GEMINI_API_KEY`, and the address in `GOOGLE_GEMINI_BASE_URL` if
    /// that is set.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] when neither variable holds a key, or the address is none.
    pub fn from_env() -> Result<Gemini> {
        Gemini::builder().build()
    }

    /// With options.
    pub fn builder() -> GeminiBuilder {
        GeminiBuilder::default()
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings, EmbeddingError> {
        let inner = &*self.0;
        let task = match purpose {
            Purpose::Documents => inner.document_task,
            Purpose::Queries => inner.query_task,
        };
        let mut floats = Vec::with_capacity(texts.len() * inner.dimension);
        let mut body = Vec::new();
        let size = |index: usize| json_len(texts[index]) + AROUND;
        for range in cut(texts.len(), size, inner.batch_size, MAX_BODY) {
            let batch = &texts[range];
            body.clear();
            request::write(
                &mut body,
                batch,
                &inner.model,
                inner.style,
                task,
                inner.dimension,
            );
            let out = Outgoing {
                operation: &EMBED,
                subject: Some(&inner.model),
                path: &inner.path,
                body: Some(&body),
            };
            let unit = inner.style.answers_unit_length(inner.dimension);
            let vectors = inner.transport.send(out, |bytes| {
                answer::read(bytes, batch.len(), inner.dimension, unit)
            })?;
            floats.extend_from_slice(&vectors);
        }
        Ok(Embeddings::new(floats, inner.dimension)?)
    }
}

impl fmt::Debug for Gemini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemini")
            .field("model", &self.0.model)
            .field("dimension", &self.0.dimension)
            .field("document_task", &self.0.document_task)
            .field("query_task", &self.0.query_task)
            .finish_non_exhaustive()
    }
}

impl EmbeddingFunction for Gemini {
    fn name(&self) -> &str {
        "google_gemini"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed(documents, Purpose::Documents)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.embed(queries, Purpose::Queries)
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.0.dimension)
    }

    fn default_space(&self) -> Space {
        Space::Cosine
    }

    /// The keys that Chroma's schema for `google_gemini` allows; it allows no others.
    fn config(&self) -> Option<serde_json::Value> {
        let mut config = serde_json::json!({
            "model_name": self.0.model,
            "dimension": self.0.dimension,
            "api_key_env_var": self.0.key_variable,
        });
        if let Some(task) = self.0.document_task {
            config["task_type"] = task.name().into();
        }
        Some(config)
    }
}

/// Options of [`Gemini`]. Every one has a default.
#[derive(Clone)]
#[must_use = "does nothing until build() is called"]
pub struct GeminiBuilder {
    key: Option<String>,
    /// The first one with a key; none where nobody has chosen.
    key_variables: Vec<String>,
    model: String,
    dimension: usize,
    document_task: Option<TaskType>,
    query_task: Option<TaskType>,
    base_url: Option<String>,
    api_version: String,
    batch_size: usize,
    timeouts: Timeouts,
    retry: RetryPolicy,
}

impl Default for GeminiBuilder {
    fn default() -> GeminiBuilder {
        GeminiBuilder {
            key: None,
            key_variables: Vec::new(),
            model: "gemini-embedding-001".to_owned(),
            dimension: 768,
            document_task: Some(TaskType::RetrievalDocument),
            query_task: Some(TaskType::RetrievalQuery),
            base_url: None,
            api_version: "v1beta".to_owned(),
            batch_size: MAX_BATCH,
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
        }
    }
}

impl GeminiBuilder {
    /// The API key. Default: the variable `GOOGLE_API_KEY`, or else `GEMINI_API_KEY`.
    pub fn api_key(mut self, key: impl Into<String>) -> GeminiBuilder {
        self.key = Some(key.into());
        self
    }

    /// The variable that holds the API key, in place of `GOOGLE_API_KEY` and `GEMINI_API_KEY`. A collection that is made
    /// with this function remembers the variable's name, and never the key.
    pub fn api_key_env_var(mut self, variable: impl Into<String>) -> GeminiBuilder {
        self.key_variables = vec![variable.into()];
        self
    }

    /// The model, `gemini-embedding-001` (default) or `gemini-embedding-2`.
    pub fn model(mut self, model: impl Into<String>) -> GeminiBuilder {
        self.model = model.into();
        self
    }

    /// Floats per vector, 128 to 3072. Default 768; Google recommends 768, 1536 and 3072.
    pub fn dimension(mut self, dimension: usize) -> GeminiBuilder {
        self.dimension = dimension;
        self
    }

    /// What stored texts are for. Default [`TaskType::RetrievalDocument`].
    pub fn document_task(mut self, task: TaskType) -> GeminiBuilder {
        self.document_task = Some(task);
        self
    }

    /// What asking texts are for. Default [`TaskType::RetrievalQuery`].
    pub fn query_task(mut self, task: TaskType) -> GeminiBuilder {
        self.query_task = Some(task);
        self
    }

    /// Where the API is. Default: the variable `GOOGLE_GEMINI_BASE_URL`, or else Google's own address. The key goes
    /// only over https, or to this machine.
    pub fn base_url(mut self, url: impl Into<String>) -> GeminiBuilder {
        self.base_url = Some(url.into());
        self
    }

    /// The API's version. Default `v1beta`.
    pub fn api_version(mut self, version: impl Into<String>) -> GeminiBuilder {
        self.api_version = version.into();
        self
    }

    /// Texts per request, 1 to 100. Default 100.
    pub fn batch_size(mut self, texts: usize) -> GeminiBuilder {
        self.batch_size = texts;
        self
    }

    /// How long to wait for a connection. Default 30 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> GeminiBuilder {
        self.timeouts.connect = timeout;
        self
    }

    /// How long one attempt of a request may take. Default 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> GeminiBuilder {
        self.timeouts.request = timeout;
        self
    }

    /// When and how often to try again.
    pub fn retry(mut self, policy: RetryPolicy) -> GeminiBuilder {
        self.retry = policy;
        self
    }

    /// The embedding function. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] when an option is out of range, or there is no key.
    pub fn build(self) -> Result<Gemini> {
        self.build_in(&Environment::of_process())
            .map_err(|reason| Call::new("gemini", None).invalid(reason))
    }

    fn build_in(self, environment: &Environment<'_>) -> Result<Gemini, InvalidInput> {
        let bad = |name, value: String, why: &str| InvalidInput::Setting {
            name,
            value,
            why: why.to_owned(),
        };
        let (key_variable, key) = match self.key {
            Some(key) => {
                let named = self.key_variables.into_iter().next();
                (named.unwrap_or_else(|| KEY_VARIABLES[1].to_owned()), key)
            }
            None => key_in(environment, self.key_variables)?,
        };
        let style = Style::of(&self.model).ok_or_else(|| {
            bad(
                "model",
                self.model.clone(),
                "this version knows gemini-embedding-001 and gemini-embedding-2",
            )
        })?;
        if !DIMENSIONS.contains(&self.dimension) {
            let value = self.dimension.to_string();
            return Err(bad("dimension", value, "it must be from 128 to 3072"));
        }
        if !(1..=MAX_BATCH).contains(&self.batch_size) {
            let value = self.batch_size.to_string();
            return Err(bad("batch_size", value, "it must be from 1 to 100"));
        }
        let version = &self.api_version;
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(bad(
                "api_version",
                version.clone(),
                "it looks like v1beta or v1",
            ));
        }
        let variable = "GOOGLE_GEMINI_BASE_URL";
        let (name, base_url) = match (self.base_url, environment.get(variable)?) {
            (Some(url), _) => ("base_url", url),
            (None, Some(url)) => (variable, url),
            (None, None) => ("base_url", BASE_URL.to_owned()),
        };
        let endpoint = Endpoint::parse(name, &base_url, 443)?;
        if !endpoint.is_secure() && !endpoint.is_loopback() {
            let why = "the key would be sent readable by all; use https";
            return Err(bad(name, base_url, why));
        }
        let headers = vec![
            (
                HeaderName::from_static("x-goog-api-key"),
                transport::secret("api_key", &key)?,
            ),
            (
                HeaderName::from_static("x-goog-api-client"),
                HeaderValue::from_static(concat!("chroma-blocking/", env!("CARGO_PKG_VERSION"))),
            ),
        ];
        let path = EMBED
            .path
            .replace("{version}", version)
            .replace("{model}", &self.model);
        Ok(Gemini(Arc::new(Inner {
            transport: Transport::new(
                endpoint,
                headers,
                Connecting {
                    timeouts: self.timeouts,
                    ..Connecting::default()
                },
                self.retry,
                &answer::Google,
            ),
            path,
            model: self.model,
            style,
            dimension: self.dimension,
            document_task: self.document_task,
            query_task: self.query_task,
            batch_size: self.batch_size,
            key_variable,
        })))
    }
}

/// A key, and the variable that holds it.
fn key_in(
    environment: &Environment<'_>,
    chosen: Vec<String>,
) -> Result<(String, String), InvalidInput> {
    let any = chosen.is_empty();
    let variables = if any {
        KEY_VARIABLES.map(str::to_owned).into()
    } else {
        chosen
    };
    for name in &variables {
        if let Some(key) = environment.text(name) {
            return Ok((name.clone(), key));
        }
    }
    let mut names = variables.into_iter();
    let first = names.next().unwrap_or_default();
    let either = names.map(|name| format!(" or {name}")).collect::<String>();
    let why = format!("set it{either} to a key of the Gemini API, or pass one with .api_key(...)");
    Err(if any {
        InvalidInput::Setting {
            name: KEY_VARIABLES[0],
            value: String::new(),
            why,
        }
    } else {
        InvalidInput::Setting {
            name: "api_key_env_var",
            value: first,
            why: format!("that variable holds no key; {why}"),
        }
    })
}

impl fmt::Debug for GeminiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeminiBuilder")
            .field("model", &self.model)
            .field("dimension", &self.dimension)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: GeminiBuilder) -> String {
        let environment = Environment::of(&|_| None);
        builder.build_in(&environment).unwrap_err().to_string()
    }

    #[test]
    fn the_key_comes_from_the_environment() {
        let both = |name: &str| match name {
            "GOOGLE_API_KEY" => Some("first".into()),
            "GEMINI_API_KEY" => Some("second".into()),
            "GOOGLE_GEMINI_BASE_URL" => Some("localhost:1".into()),
            _ => None,
        };
        let gemini = Gemini::builder().build_in(&Environment::of(&both)).unwrap();
        assert_eq!(
            gemini.config().unwrap(),
            serde_json::json!({
                "model_name": "gemini-embedding-001", "task_type": "RETRIEVAL_DOCUMENT",
                "dimension": 768, "api_key_env_var": "GOOGLE_API_KEY"
            })
        );
        assert!(refused(Gemini::builder()).contains("GEMINI_API_KEY"));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let builder = || Gemini::builder().api_key("k");
        assert!(refused(builder().dimension(127)).contains("127"));
        assert!(refused(builder().dimension(3073)).contains("3073"));
        assert!(refused(builder().batch_size(0)).contains('0'));
        assert!(refused(builder().batch_size(101)).contains("101"));
        assert!(refused(builder().model("text-embedding-004")).contains("text-embedding-004"));
        assert!(refused(builder().api_version("v1/../x")).contains("v1/../x"));
        assert!(refused(builder().base_url("http://example.com")).contains("https"));
    }

    #[test]
    fn the_key_is_never_shown() {
        let builder = Gemini::builder()
            .api_key("s3cret\n")
            .base_url("http://localhost:1");
        let error = refused(builder.clone());
        assert!(
            !error.contains("s3cret") && error.contains("<hidden>"),
            "{error}"
        );
        let gemini = Gemini::builder()
            .api_key("s3cret")
            .base_url("http://localhost:1");
        let gemini = gemini.build_in(&Environment::of(&|_| None)).unwrap();
        let shown = format!(
            "{builder:?} {gemini:?} {:?} {:?}",
            gemini.0.transport,
            gemini.config()
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
