//! [`GeminiBuilder`]: every option of [`Gemini`], with its default.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue};

use super::model::{self, BYTES_PER_TOKEN, ModelStyle};
use super::{EMBED, Gemini, Inner, MAX_BODY, TaskType, answer};
use crate::embed::EmbeddingCache;
use crate::embed::limiter::Limiter;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::transport::{
    self, Connecting, Endpoint, Endpoints, ReadFrom, RetryPolicy, Timeouts, Transport,
};

/// Google's own address for the API.
const BASE_URL: &str = "https://generativelanguage.googleapis.com";
/// The floats per vector that the known models can give.
pub(super) const DIMENSIONS: RangeInclusive<usize> = 128..=3072;
/// Of a model that is not known.
const MAX_DIMENSION: usize = 65_536;
/// More items in one request are refused: "at most 100 requests can be in one batch".
const MAX_BATCH: usize = 100;
/// As many connections as are kept open.
const MAX_CONCURRENCY: usize = 64;
/// The variables that hold a key. Google's SDK prefers the first where both are set.
pub(super) const KEY_VARIABLES: [&str; 2] = ["GOOGLE_API_KEY", "GEMINI_API_KEY"];

/// What becomes of a call when one of its texts is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RefusedTexts {
    /// It stops. A text that is refused here (see [`LongTexts`]; or it is empty) is refused before anything is sent.
    #[default]
    Stop,
    /// The other texts are embedded. The call ends with [`Error::PartlyEmbedded`](crate::Error::PartlyEmbedded), which
    /// brings their vectors and says which texts were refused. After 100 refusals without any success it is not the texts
    /// that are wrong, and the call stops.
    GoOn,
}

/// What becomes of a text that surely has more tokens than the model reads: one with more words. The model would embed
/// its beginning and ignore the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LongTexts {
    /// It is refused.
    #[default]
    Refuse,
    /// It is embedded, and the log has a warning.
    Warn,
}

/// Options of [`Gemini`]. Every one has a default.
#[derive(Clone)]
#[must_use = "does nothing until build() is called"]
pub struct GeminiBuilder {
    key: Option<String>,
    /// The first one with a key; none where nobody has chosen.
    pub(super) key_variables: Vec<String>,
    pub(super) model: String,
    style: Option<ModelStyle>,
    pub(super) dimension: usize,
    pub(super) document_task: Option<TaskType>,
    pub(super) query_task: Option<TaskType>,
    base_url: Option<String>,
    api_version: String,
    batch_size: usize,
    concurrency: usize,
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u32>,
    refused_texts: RefusedTexts,
    long_texts: LongTexts,
    timeouts: Timeouts,
    retry: RetryPolicy,
    deadline: Option<Duration>,
    cancel: Option<Arc<AtomicBool>>,
    cache: Option<Arc<dyn EmbeddingCache>>,
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

    /// The model, `gemini-embedding-001` (default) or `gemini-embedding-2`; for any other, say its
    /// [style](GeminiBuilder::model_style), too.
    pub fn model(mut self, model: impl Into<String>) -> GeminiBuilder {
        self.model = model.into();
        self
    }

    /// How the model is told its task, for a model that this version does not know; for one that it knows, another style
    /// than its own is refused. Nothing is known then about its dimensions and the length of its texts, and a collection
    /// that is made with it does not open without naming it again.
    pub fn model_style(mut self, style: ModelStyle) -> GeminiBuilder {
        self.style = Some(style);
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

    /// Requests in flight at a time, at most, 1 to 64. Default 4.
    ///
    /// There are fewer for a while after the server said that they are too many (429), or that it is overloaded (503).
    /// This and the limits per minute are shared by clones. The threads that send are made when a call first needs several
    /// requests; they are this embedder's own.
    pub fn concurrency(mut self, requests: usize) -> GeminiBuilder {
        self.concurrency = requests;
        self
    }

    /// Your quota of requests per minute. Google counts every text as one. Off by default.
    ///
    /// Requests are spread over the minute, so that no minute has more. Other programs with the same key are not counted.
    pub fn requests_per_minute(mut self, requests: u32) -> GeminiBuilder {
        self.requests_per_minute = Some(requests);
        self
    }

    /// Your quota of tokens per minute. Off by default. A token is estimated at four bytes.
    pub fn tokens_per_minute(mut self, tokens: u32) -> GeminiBuilder {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// What becomes of a call when one of its texts is refused. Default [`RefusedTexts::Stop`].
    pub fn refused_texts(mut self, then: RefusedTexts) -> GeminiBuilder {
        self.refused_texts = then;
        self
    }

    /// What becomes of a text that is too long for the model. Default [`LongTexts::Refuse`].
    pub fn long_texts(mut self, then: LongTexts) -> GeminiBuilder {
        self.long_texts = then;
        self
    }

    /// How long a whole call may take, whatever it waits for. Default: that of the [policy](GeminiBuilder::retry), if it has
    /// one; the shorter of the two counts.
    pub fn deadline(mut self, deadline: Duration) -> GeminiBuilder {
        self.deadline = Some(deadline);
        self
    }

    /// A flag that stops calls: while it is true nothing more is sent, and a call that had something left to send ends with
    /// [`Error::Cancelled`](crate::Error::Cancelled) when the requests in flight are done.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> GeminiBuilder {
        self.cancel = Some(flag);
        self
    }

    /// A cache of vectors, in memory ([`MemoryCache`](crate::embed::MemoryCache)), on disk (`DiskCache`), or one of your own; an
    /// `Arc` shares one. What it has is not sent, and what comes back is put into it request by request, so that a program
    /// that is killed has lost only what was on its way. Model, dimension, task, title and text make the key; it is the same
    /// as that of [`Cached`](crate::embed::Cached). Default: none.
    ///
    /// ```
    /// use chroma_blocking::Gemini;
    /// use chroma_blocking::embed::MemoryCache;
    ///
    /// let gemini = Gemini::builder().api_key("secret").cache(MemoryCache::new(64 << 20)).build()?; // 64 MiB
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn cache(mut self, cache: impl EmbeddingCache + 'static) -> GeminiBuilder {
        self.cache = Some(Arc::new(cache));
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

    /// When and how often to try a request again. A 429 makes all requests wait, and counts only when nothing succeeded
    /// since the last one.
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

    pub(super) fn build_in(self, environment: &Environment<'_>) -> Result<Gemini, InvalidInput> {
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
        let known = model::known(&self.model);
        let own = known.map(|known| known.style);
        if let (Some(own), Some(style)) = (own, self.style.filter(|style| own != Some(*style))) {
            let why = format!("{} is told its task as ModelStyle::{own:?}", self.model);
            return Err(bad("model_style", format!("{style:?}"), &why));
        }
        let Some(style) = self.style.or(own) else {
            let why = "this version knows gemini-embedding-001 and gemini-embedding-2; say how another one is told its \
                       task with .model_style(...)";
            return Err(bad("model", self.model, why));
        };
        let in_path = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if self.model.is_empty() || !self.model.bytes().all(in_path) {
            let why = "it looks like gemini-embedding-001";
            return Err(bad("model", self.model, why));
        }
        let within = |name, value: usize, range: RangeInclusive<usize>| {
            let why = match *range.end() {
                usize::MAX => format!("it must be {} or more", range.start()),
                end => format!("it must be from {} to {end}", range.start()),
            };
            match range.contains(&value) {
                true => Ok(value),
                false => Err(bad(name, value.to_string(), &why)),
            }
        };
        let dimensions = known.map_or(1..=MAX_DIMENSION, |_| DIMENSIONS);
        within("dimension", self.dimension, dimensions)?;
        within("batch_size", self.batch_size, 1..=MAX_BATCH)?;
        within("concurrency", self.concurrency, 1..=MAX_CONCURRENCY)?;
        let rate = |name, limit: Option<u32>| {
            limit
                .map(|limit| within(name, limit as usize, 1..=usize::MAX))
                .transpose()
        };
        let items = rate("requests_per_minute", self.requests_per_minute)?;
        let tokens = rate("tokens_per_minute", self.tokens_per_minute)?;
        // No batch may cost more than a minute has.
        let batch_size = self.batch_size.min(items.unwrap_or(usize::MAX));
        let max_bytes = tokens.map_or(MAX_BODY, |tokens| {
            tokens.saturating_mul(BYTES_PER_TOKEN).min(MAX_BODY)
        });
        let mut limiter = Limiter::new(self.concurrency);
        if let Some(items) = items {
            limiter = limiter.items(items, batch_size);
        }
        if let Some(tokens) = tokens {
            limiter = limiter.tokens(tokens);
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
                Endpoints::new(endpoint, Vec::new(), ReadFrom::default(), false, None),
                headers,
                Connecting {
                    timeouts: self.timeouts,
                    ..Connecting::default()
                },
                &answer::Google,
            ),
            path,
            model: self.model,
            style,
            max_tokens: known.map(|known| known.max_tokens),
            dimension: self.dimension,
            document_task: self.document_task,
            query_task: self.query_task,
            batch_size,
            max_bytes,
            concurrency: self.concurrency,
            pool: OnceLock::new(),
            limiter,
            retry: self.retry,
            refused_texts: self.refused_texts,
            long_texts: self.long_texts,
            deadline: self.deadline,
            cancel: self.cancel,
            cache: self.cache,
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
    use crate::embed::EmbeddingFunction;

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
        assert!(refused(builder().concurrency(0)).contains("1 to 64"));
        assert!(refused(builder().concurrency(65)).contains("65"));
        assert!(refused(builder().requests_per_minute(0)).contains("1 or more"));
        assert!(refused(builder().tokens_per_minute(0)).contains("tokens_per_minute"));
        assert!(refused(builder().model("text-embedding-004")).contains("text-embedding-004"));
        let unknown = builder().model_style(ModelStyle::TaskField);
        assert!(refused(unknown.clone().model("")).contains("model"));
        assert!(refused(unknown.clone().model("a/b")).contains("a/b"));
        assert!(refused(unknown.model("new").dimension(0)).contains("dimension"));
        assert!(refused(builder().api_version("v1/../x")).contains("v1/../x"));
        assert!(refused(builder().base_url("http://example.com")).contains("https"));
    }

    #[test]
    fn a_newer_model_needs_its_style() {
        let builder = Gemini::builder().api_key("k").base_url("localhost:1");
        let builder = builder.model("gemini-embedding-003").dimension(4096);
        let error = refused(builder.clone());
        assert!(error.contains("model_style"), "{error}");
        let builder = builder.model_style(ModelStyle::TaskInText);
        let gemini = builder.build_in(&Environment::of(&|_| None)).unwrap();
        assert_eq!(gemini.dimension(), Some(4096));
    }

    #[test]
    fn a_known_model_keeps_its_style() {
        let builder = Gemini::builder().api_key("k");
        let error = refused(builder.clone().model_style(ModelStyle::TaskInText));
        assert!(
            error.contains("TaskInText") && error.contains("TaskField"),
            "{error}"
        );
        let same = builder.model_style(ModelStyle::TaskField);
        assert!(same.build_in(&Environment::of(&|_| None)).is_ok());
    }

    #[test]
    fn no_batch_costs_more_than_a_minute_has() {
        let builder = Gemini::builder().api_key("k").base_url("localhost:1");
        let builder = builder.requests_per_minute(60).tokens_per_minute(1000);
        let gemini = builder.build_in(&Environment::of(&|_| None)).unwrap();
        assert_eq!((gemini.0.batch_size, gemini.0.max_bytes), (60, 4000));
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
