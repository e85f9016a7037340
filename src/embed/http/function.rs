//! [`HttpFunction`]: an embedding function of a provider other than Google.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderName, Method};

use super::build::{Address, MAX_DIMENSION, Plan, check_range};
use super::call::Call;
use super::dialect;
use super::engine::Engine;
use super::format::Format as _;
use super::key::starting_with;
use super::key::{Key, KeyVariables};
use super::options::{Options, setters};
use super::provider::{EmbedMode, KeyHeader, Provider};
use super::providers::Prefixes;
use super::requests::Requests;
use super::text::Text;
use crate::embed::context::{EmbeddingContext, Purpose};
use crate::embed::error::EmbeddingError;
use crate::embed::function::EmbeddingFunction;
use crate::environment::Environment;
use crate::error::{self, Error, InvalidInput, Result};
use crate::metrics::{EmbeddingUsage, Metrics};
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;
use crate::transport::{Kind, Operation};

/// The operation of all requests.
pub(super) static EMBED: Operation = Operation {
    name: "embed",
    method: Method::POST,
    path: "/{path}",
    kind: Kind::ReadsRows,
};

/// The settings of a provider: [`OpenAi`](crate::embed::OpenAi), [`Ollama`](crate::embed::Ollama) and others
/// convert into it.
#[derive(Debug, Clone)]
pub struct HttpProvider(pub(super) Arc<dyn Provider>);

/// An embedding function over HTTP, of any provider except Google.
///
/// It cuts texts into batches, sends several at a time, respects rate limits, repeats failed requests and
/// caches vectors in the same way as [`Gemini`](crate::Gemini#many-texts). Clones are cheap, and share
/// connections and limits. No key appears in a log line, error or `Debug` output.
///
/// A collection that was created with such a function, by this crate or by Chroma's Python or JavaScript
/// client, [opens](crate::collection::CollectionBuilder::get) without naming the function again.
///
/// ```no_run
/// use chroma_blocking::embed::{HttpFunction, OpenAi};
/// use chroma_blocking::Client;
///
/// let openai = OpenAi::new("text-embedding-3-small");
/// let notes = Client::from_env()?
///     .collection("notes")
///     .embedding_function(HttpFunction::new(openai)?)
///     .get_or_create()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// Without a collection, call the methods of [`EmbeddingFunction`]:
///
/// ```no_run
/// use chroma_blocking::EmbeddingFunction;
/// use chroma_blocking::embed::{HttpFunction, Ollama};
///
/// let ollama = HttpFunction::builder(Ollama::new("nomic-embed-text"))
///     .concurrency(2)
///     .build()?;
/// let vectors = ollama.embed_documents(&["a galaxy", "bread"])?;
/// let query = ollama.embed_queries(&["stars"])?;
/// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
/// ```
#[derive(Clone)]
pub struct HttpFunction(Arc<Inner>);

struct Inner {
    engine: Engine,
    provider: HttpProvider,
    /// The address that replaces that of the provider's settings.
    base_url: Option<String>,
    key_variable: Option<String>,
    /// A host that a collection chose, and that gets no key.
    host_without_key: Option<String>,
    as_python: bool,
}

impl HttpFunction {
    /// Returns the function of a provider, with default options. The key is in the provider's variable.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if there is no key, or a setting is malformed.
    pub fn new(provider: impl Into<HttpProvider>) -> Result<HttpFunction> {
        HttpFunction::builder(provider).build()
    }

    /// Returns a builder with the default options.
    pub fn builder(provider: impl Into<HttpProvider>) -> HttpFunctionBuilder {
        let provider = provider.into();
        let mut options = Options::default();
        if let Some(timeout) = provider.0.timeout() {
            options.timeouts.request = timeout.max(Duration::from_secs(1));
        }
        HttpFunctionBuilder {
            provider,
            options,
            as_python: false,
            host_without_key: None,
        }
    }

    /// Returns the model's name, or a substitute if the settings have none.
    pub fn model(&self) -> &str {
        &self.0.engine.model
    }

    /// Returns what all clones have sent so far: requests, bytes, times and connections, with the operation
    /// `embed`; see [`Gemini::metrics`](crate::Gemini::metrics).
    pub fn metrics(&self) -> Metrics {
        self.0.engine.transport.metrics()
    }

    /// Embeds texts, and adds cache hits, retries and waits to `used`.
    fn embed(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
        used: &mut EmbeddingUsage,
    ) -> Result<Embeddings> {
        let inner = &*self.0;
        let texts: Vec<Text<'_>> = texts
            .iter()
            .map(|text| Text { text, title: None })
            .collect();
        let flags: Vec<_> = context.cancel_flag().into_iter().collect();
        let call = Call {
            engine: &inner.engine,
            format: &inner.requests(context.purpose()),
            texts: &texts,
            deadline: inner.engine.calls.deadline,
            cancel: &flags,
            on_progress: &mut |progress| context.report(progress),
        };
        call.run(used).map_err(|error| inner.explained(error))
    }

    /// Embeds texts outside of a collection, and counts the call in [`metrics`](HttpFunction::metrics).
    fn embed_counted(&self, texts: &[&str], purpose: Purpose) -> Result<Embeddings> {
        let mut context = EmbeddingContext::new(purpose);
        let engine = &self.0.engine;
        engine.counted(texts.len(), |used| self.embed(texts, &mut context, used))
    }
}

impl Inner {
    /// Says why a request had no key.
    fn explained(&self, mut error: Error) -> Error {
        if let (Error::Unauthorized { message, .. }, Some(host)) =
            (&mut error, &self.host_without_key)
        {
            let _ = write!(
                message,
                "; this address gets no key, since the collection chose it; to send one, build the client with \
                 .allow_embedding_host({host:?})"
            );
        }
        error
    }

    fn requests(&self, purpose: Purpose) -> Requests<'_> {
        Requests::new(
            &*self.provider.0,
            self.base_url.as_deref(),
            EmbedMode {
                purpose,
                as_python: self.as_python,
            },
        )
    }
}

impl fmt::Debug for HttpFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFunction")
            .field("name", &self.0.engine.name)
            .field("model", &self.0.engine.model)
            .finish_non_exhaustive()
    }
}

impl EmbeddingFunction for HttpFunction {
    fn name(&self) -> &str {
        self.0.engine.name
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(self.embed_counted(documents, Purpose::Documents)?)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(self.embed_counted(queries, Purpose::Queries)?)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        let mut used = EmbeddingUsage::default();
        let result = self.embed(texts, context, &mut used);
        context.add(used);
        Ok(result?)
    }

    fn dimension(&self) -> Option<usize> {
        self.0.engine.dimension.get().copied()
    }

    fn default_space(&self) -> Space {
        self.0.provider.0.default_space()
    }

    fn config(&self) -> Option<Value> {
        let provider = &*self.0.provider.0;
        let mut config = provider.to_json();
        if let Some(variable) = self.0.key_variable.as_deref() {
            config["api_key_env_var"] = variable.into();
        }
        if self.0.as_python {
            // The documents of this function have no prefixes.
            Prefixes::remove_from(&mut config);
        }
        Some(config)
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        self.0.requests(purpose).cache_key()
    }
}

/// The options of [`HttpFunction`]. Each has a default.
///
/// Requests go through the proxy that the environment names, if any. The rules are those of
/// [`ClientBuilder::proxy`](crate::ClientBuilder::proxy).
#[derive(Clone)]
#[must_use = "does nothing until build() is called"]
pub struct HttpFunctionBuilder {
    provider: HttpProvider,
    options: Options,
    as_python: bool,
    host_without_key: Option<String>,
}

setters!(HttpFunctionBuilder);

impl HttpFunctionBuilder {
    /// Sets the address of a proxy or gateway for the provider's API, up to the part before `/embeddings` or
    /// the provider's own path, for example `https://gateway.example.com/cohere/v1`. Default: that of the
    /// provider's settings.
    ///
    /// A collection does not store this address: a program that opens one without naming the function uses
    /// that of the provider. [`OpenAi::base_url`](crate::embed::OpenAi::base_url) and
    /// [`Ollama::url`](crate::embed::Ollama::url) set an address that is stored.
    ///
    /// Requests to this address need no key. A key is sent only over https, or to this machine.
    pub fn base_url(mut self, url: impl Into<String>) -> HttpFunctionBuilder {
        self.options.base_url = Some(url.into());
        self
    }

    /// Sets whether texts are embedded as Chroma's Python client embeds them: most queries in the same way as
    /// documents, and documents and queries without prefixes. Default: `false`, which embeds them as the
    /// model was trained.
    ///
    /// A collection does not store this. A program that opens one without naming its function embeds queries
    /// as the model was trained. A function with this setting stores no prefixes, so documents are embedded
    /// without them by any program.
    pub fn as_python(mut self, as_python: bool) -> HttpFunctionBuilder {
        self.as_python = as_python;
        self
    }

    /// Reads the key from a variable that a collection stores. If that one is not set and is the provider's
    /// own, its other variables count as well.
    pub(super) fn stored_variable(mut self, variable: Option<String>) -> HttpFunctionBuilder {
        let own = self.provider.0.service().key_variables;
        let Some(variable) = variable else {
            return self;
        };
        let is_own = own.contains(&variable.as_str());
        // Without this condition, an unset variable would be an error although no key is required.
        if !is_own || self.provider.0.needs_key() {
            self.options.key_variables = starting_with(&variable, if is_own { own } else { &[] });
        }
        self
    }

    /// Sends no key, since a collection chose the host.
    pub(super) fn without_key(mut self, host: String) -> HttpFunctionBuilder {
        self.host_without_key = Some(host);
        self
    }

    /// Sets the key if no variable holds one.
    pub(super) fn fallback_key(mut self, key: Option<String>) -> HttpFunctionBuilder {
        self.options.fallback_key = key;
        self
    }

    /// Returns the embedding function. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if an option is out of range, or there is no API key.
    pub fn build(self) -> Result<HttpFunction> {
        let name = self.provider.0.service().name;
        self.build_in(&Environment::of_process())
            .map_err(|reason| error::Call::new(name, None).invalid(reason))
    }

    /// Returns the key to send, if there is one.
    fn key(
        &self,
        variables: KeyVariables,
        address: &Address,
        environment: &Environment<'_>,
    ) -> Result<Option<Key>, InvalidInput> {
        let options = &self.options;
        if self.host_without_key.is_some() {
            return Ok(None);
        }
        if options.base_url.is_none() && self.provider.0.needs_key() {
            return variables.key(options, environment).map(Some);
        }
        address.optional_key(variables, options, environment)
    }

    /// Like [`build`](HttpFunctionBuilder::build), with the variables of `environment`.
    pub(super) fn build_in(
        self,
        environment: &Environment<'_>,
    ) -> Result<HttpFunction, InvalidInput> {
        let provider = &*self.provider.0;
        check(provider)?;
        let service = provider.service();
        let variables = KeyVariables {
            own: service.key_variables,
            // Chroma's JavaScript client reads only the stored variable. The first one is its default.
            stored: service.key_variables.first().copied(),
            of: service.title,
        };
        let address = Address::chosen(
            &self.options,
            provider.url_variable(),
            environment,
            provider.base_url(),
        )?;
        let key = self.key(variables, &address, environment)?;
        let key_variable = match &key {
            Some(key) => key.variable.clone(),
            None if provider.stores_key_variable() => variables.stored.map(str::to_owned),
            None => None,
        };
        let headers = provider.headers().into_iter();
        let plan = Plan {
            name: service.name,
            model: provider.model().to_owned(),
            operation: &EMBED,
            address,
            path: provider.path(),
            key,
            key_header: match provider.key_header() {
                KeyHeader::Bearer => (ureq::http::header::AUTHORIZATION, "Bearer "),
                KeyHeader::Named(name) => (HeaderName::from_static(name), ""),
            },
            headers: headers
                .map(|header| header.parse())
                .collect::<Result<_, _>>()?,
            dialect: &dialect::EMBEDDING,
            dimension: provider.dimension(),
            max_batch: service.batch_size,
            max_bytes: service.max_bytes,
            max_tokens: provider.max_tokens(),
            counts_texts: false,
        };
        let base_url = self.options.base_url.clone();
        let engine = plan.build(self.options, environment)?;
        Ok(HttpFunction(Arc::new(Inner {
            engine,
            provider: self.provider,
            base_url,
            key_variable,
            host_without_key: self.host_without_key,
            as_python: self.as_python,
        })))
    }
}

impl fmt::Debug for HttpFunctionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFunctionBuilder")
            .field("name", &self.provider.0.service().name)
            .field("model", &self.provider.0.model())
            .finish_non_exhaustive()
    }
}

/// Refuses settings that no request can have.
pub(super) fn check(provider: &dyn Provider) -> Result<(), InvalidInput> {
    if let Some(floats) = provider.dimension() {
        check_range("dimensions", floats, 1..=MAX_DIMENSION)?;
    }
    provider.check()
}
