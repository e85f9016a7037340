//! [`GeminiBuilder`]: the options of [`Gemini`](crate::Gemini), with their defaults.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::embedder::{LongTexts, RefusedTexts};
use super::model::ModelStyle;
use super::task::TaskType;
use crate::embed::cache::EmbeddingCache;
use crate::transport::{RetryPolicy, Timeouts};

/// The API refuses more texts in one request: "at most 100 requests can be in one batch".
pub(super) const MAX_BATCH: usize = 100;

/// The options of [`Gemini`](crate::Gemini). Each has a default.
///
/// Requests go through the proxy that the environment names for `https`, if any. The rules are those of
/// [`ClientBuilder::proxy`](crate::ClientBuilder::proxy).
#[derive(Clone)]
#[must_use = "does nothing until build() is called"]
pub struct GeminiBuilder {
    pub(super) key: Option<String>,
    /// The first of these variables that is set holds the key. Empty: `GOOGLE_API_KEY` and `GEMINI_API_KEY`.
    pub(super) key_variables: Vec<String>,
    pub(super) model: String,
    pub(super) style: Option<ModelStyle>,
    pub(super) dimension: usize,
    pub(super) document_task: Option<TaskType>,
    pub(super) query_task: Option<TaskType>,
    pub(super) base_url: Option<String>,
    pub(super) api_version: String,
    pub(super) batch_size: usize,
    pub(super) concurrency: usize,
    pub(super) requests_per_minute: Option<u32>,
    pub(super) tokens_per_minute: Option<u32>,
    pub(super) refused_texts: RefusedTexts,
    pub(super) long_texts: LongTexts,
    pub(super) timeouts: Timeouts,
    pub(super) retry: RetryPolicy,
    pub(super) deadline: Option<Duration>,
    pub(super) cancel: Option<Arc<AtomicBool>>,
    pub(super) cache: Option<Arc<dyn EmbeddingCache>>,
}

impl Default for GeminiBuilder {
    fn default() -> GeminiBuilder {
        GeminiBuilder {
            key: None,
            key_variables: Vec::new(),
            model: "gemini-embedding-001".to_owned(),
            style: None,
            dimension: 768,
            document_task: Some(TaskType::RetrievalDocument),
            query_task: Some(TaskType::RetrievalQuery),
            base_url: None,
            api_version: "v1beta".to_owned(),
            batch_size: MAX_BATCH,
            concurrency: 4,
            requests_per_minute: None,
            tokens_per_minute: None,
            refused_texts: RefusedTexts::default(),
            long_texts: LongTexts::default(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            deadline: None,
            cancel: None,
            cache: None,
        }
    }
}

impl GeminiBuilder {
    /// Sets the API key. Default: the value of `GOOGLE_API_KEY`, or of `GEMINI_API_KEY` if that is not set.
    pub fn api_key(mut self, key: impl Into<String>) -> GeminiBuilder {
        self.key = Some(key.into());
        self
    }

    /// Sets the variable that holds the API key. A collection that is created with this function stores the
    /// name of the variable, never the key. Default: `GOOGLE_API_KEY`, or `GEMINI_API_KEY` if that is not
    /// set.
    ///
    /// A client that opens this collection without a function reads only Google's own variables. Allow any other
    /// one with [`ClientBuilder::allow_key_variable`](crate::ClientBuilder::allow_key_variable).
    pub fn api_key_env_var(mut self, variable: impl Into<String>) -> GeminiBuilder {
        self.key_variables = vec![variable.into()];
        self
    }

    /// Sets the model: `gemini-embedding-001` (default) or `gemini-embedding-2`. Any other model also needs
    /// its [style](GeminiBuilder::model_style).
    pub fn model(mut self, model: impl Into<String>) -> GeminiBuilder {
        self.model = model.into();
        self
    }

    /// Sets how requests name the task, for a model that this version of the crate does not know. A known
    /// model accepts only its own style.
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

    /// Sets the task of stored texts. Default: [`TaskType::RetrievalDocument`].
    pub fn document_task(mut self, task: TaskType) -> GeminiBuilder {
        self.document_task = Some(task);
        self
    }

    /// Sets the task of queries. Default: [`TaskType::RetrievalQuery`].
    pub fn query_task(mut self, task: TaskType) -> GeminiBuilder {
        self.query_task = Some(task);
        self
    }

    /// Sets the address of the API. The address must be https, or on this machine, because requests carry the
    /// key. Default: the value of `GOOGLE_GEMINI_BASE_URL`, or Google's address if that is not set.
    pub fn base_url(mut self, url: impl Into<String>) -> GeminiBuilder {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the version of the API. Default: `v1beta`.
    pub fn api_version(mut self, version: impl Into<String>) -> GeminiBuilder {
        self.api_version = version.into();
        self
    }

    /// Sets the maximum number of texts per request, from 1 to 100. Default: 100.
    pub fn batch_size(mut self, texts: usize) -> GeminiBuilder {
        self.batch_size = texts;
        self
    }

    /// Sets the maximum number of requests in flight, from 1 to 64. Default: 4.
    ///
    /// After the server has reported a rate limit (429) or an overload (503), fewer requests are in flight
    /// for a while. Clones share this limit and the limits per minute. The function has its own threads for
    /// sending. They start when a call first needs several requests.
    pub fn concurrency(mut self, requests: usize) -> GeminiBuilder {
        self.concurrency = requests;
        self
    }

    /// Sets your quota of requests per minute, at least 1. Google counts every text as one request. Default:
    /// no limit.
    ///
    /// Requests are spread over the minute, so that no minute exceeds the quota. Other programs with the same
    /// key are not counted.
    pub fn requests_per_minute(mut self, requests: u32) -> GeminiBuilder {
        self.requests_per_minute = Some(requests);
        self
    }

    /// Sets your quota of tokens per minute, at least 1. Four bytes of text count as one token. Default: no
    /// limit.
    pub fn tokens_per_minute(mut self, tokens: u32) -> GeminiBuilder {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// Sets what happens to a call when one of its texts is refused. Default: [`RefusedTexts::Stop`].
    pub fn refused_texts(mut self, then: RefusedTexts) -> GeminiBuilder {
        self.refused_texts = then;
        self
    }

    /// Sets what happens to a text that is too long for the model. Default: [`LongTexts::Refuse`].
    pub fn long_texts(mut self, then: LongTexts) -> GeminiBuilder {
        self.long_texts = then;
        self
    }

    /// Sets the longest time that a call may take, including all waits. If the [retry
    /// policy](GeminiBuilder::retry) has a deadline as well, the shorter one applies. Default: none.
    pub fn deadline(mut self, deadline: Duration) -> GeminiBuilder {
        self.deadline = Some(deadline);
        self
    }

    /// Sets a flag that stops calls. While it is `true`, nothing more is sent. A call that has more to send
    /// waits for the requests in flight and ends with [`Error::Cancelled`](crate::Error::Cancelled). Default:
    /// none.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> GeminiBuilder {
        self.cancel = Some(flag);
        self
    }

    /// Sets a cache of vectors: in memory ([`MemoryCache`](crate::embed::MemoryCache)), on disk
    /// (`DiskCache`), or your own. Share one cache through an `Arc`. Default: none.
    ///
    /// Texts whose vectors are in the cache are not sent. New vectors are stored after each request, so a
    /// program that is killed loses only the requests in flight. The key consists of model, dimension, task,
    /// title and text. It is the same as that of [`Cached`](crate::embed::Cached).
    ///
    /// ```
    /// use chroma_blocking::Gemini;
    /// use chroma_blocking::embed::MemoryCache;
    ///
    /// let gemini = Gemini::builder()
    ///     .api_key("secret")
    ///     .cache(MemoryCache::new(64 << 20)) // 64 MiB
    ///     .build()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn cache(mut self, cache: impl EmbeddingCache + 'static) -> GeminiBuilder {
        self.cache = Some(Arc::new(cache));
        self
    }

    /// Sets the longest time to wait for a connection. Default: 30 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> GeminiBuilder {
        self.timeouts.connect = timeout;
        self
    }

    /// Sets the longest time that one attempt of a request may take. Default: 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> GeminiBuilder {
        self.timeouts.request = timeout;
        self
    }

    /// Sets when and how often a request is sent again. A rate limit (429) makes all requests wait, and
    /// counts as a retry only if no request has succeeded since the last one. Default:
    /// [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> GeminiBuilder {
        self.retry = policy;
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
