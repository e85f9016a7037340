//! [`HttpRerankerBuilder`]: the options of a reranker over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{HttpReranker, Inner, RERANK, RerankProvider};
use crate::embed::http::build::{Address, Plan};
use crate::embed::http::dialect;
use crate::embed::http::engine::Engine;
use crate::embed::http::key::KeyVariables;
use crate::embed::http::options::Options;
use crate::embed::http::provider::MAX_BYTES;
use crate::environment::Environment;
use crate::error::{self, InvalidInput, Result};
use crate::transport::RetryPolicy;

/// The options of [`HttpReranker`]. Each has a default.
///
/// Requests go through the proxy that the environment names, if any. The rules are those of
/// [`ClientBuilder::proxy`](crate::ClientBuilder::proxy).
#[derive(Clone)]
#[must_use = "does nothing until build() is called"]
pub struct HttpRerankerBuilder {
    pub(super) provider: RerankProvider,
    pub(super) options: Options,
}

impl HttpRerankerBuilder {
    /// Sets the API key. Default: the value of the first of the provider's variables that is set.
    pub fn api_key(mut self, key: impl Into<String>) -> HttpRerankerBuilder {
        self.options.key = Some(key.into());
        self
    }

    /// Sets the variable that holds the API key. Default: the first of the provider's variables that is set.
    pub fn api_key_env_var(mut self, variable: impl Into<String>) -> HttpRerankerBuilder {
        self.options.key_variables = vec![variable.into()];
        self
    }

    /// Sets the address of the API, up to the part before `/rerank`, for example
    /// `https://gateway.example.com/cohere/v2`. Default: that of the provider.
    ///
    /// Requests to this address need no key. A key is sent only over https, or to this machine.
    pub fn base_url(mut self, url: impl Into<String>) -> HttpRerankerBuilder {
        self.options.base_url = Some(url.into());
        self
    }

    /// Sets the maximum number of documents per request, at least 1. Default: the provider's limit, which is
    /// also the maximum.
    pub fn batch_size(mut self, documents: usize) -> HttpRerankerBuilder {
        self.options.batch_size = Some(documents);
        self
    }

    /// Sets the maximum number of requests in flight, from 1 to 64. Default: 4. Clones share this limit.
    pub fn concurrency(mut self, requests: usize) -> HttpRerankerBuilder {
        self.options.calls.concurrency = requests;
        self
    }

    /// Sets your quota of requests per minute, at least 1. Default: no limit. Clones share it.
    pub fn requests_per_minute(mut self, requests: u32) -> HttpRerankerBuilder {
        self.options.requests_per_minute = Some(requests);
        self
    }

    /// Sets the longest time to wait for a connection. Default: 30 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> HttpRerankerBuilder {
        self.options.timeouts.connect = timeout;
        self
    }

    /// Sets the longest time that one attempt of a request may take. Default: 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> HttpRerankerBuilder {
        self.options.timeouts.request = timeout;
        self
    }

    /// Sets when and how often a request is sent again. A deadline of the policy applies to a whole call; when
    /// it passes, the call fails. [`RerankedQuery::time_budget`](crate::hybrid::RerankedQuery::time_budget)
    /// returns the hits in order of distance instead. Default: [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> HttpRerankerBuilder {
        self.options.calls.retry = policy;
        self
    }

    /// Returns the reranker. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if an option is out of range, or there is no API key or no model.
    pub fn build(self) -> Result<HttpReranker> {
        let engine = self
            .engine(&Environment::of_process())
            .map_err(|reason| error::Call::new(RERANK.name, None).invalid(reason))?;
        let provider = self.provider;
        Ok(HttpReranker(Arc::new(Inner { engine, provider })))
    }

    fn engine(&self, environment: &Environment<'_>) -> Result<Engine, InvalidInput> {
        let (provider, options) = (&*self.provider.0, &self.options);
        provider.check()?;
        let service = provider.service();
        let variables = KeyVariables {
            own: service.key_variables,
            stored: service.key_variables.first().copied(),
            of: service.title,
        };
        let address = Address::chosen(options, None, environment, provider.base_url())?;
        let key = if options.base_url.is_none() && service.needs_key {
            Some(variables.key(options, environment)?)
        } else {
            address.optional_key(variables, options, environment)?
        };
        let plan = Plan {
            name: service.name,
            model: provider.model().to_owned(),
            operation: &RERANK,
            address,
            path: service.path.to_owned(),
            key,
            key_header: (ureq::http::header::AUTHORIZATION, "Bearer "),
            headers: Vec::new(),
            dialect: &dialect::RERANKING,
            dimension: None,
            max_batch: service.batch_size,
            max_bytes: MAX_BYTES,
            max_tokens: None,
            counts_texts: false,
        };
        plan.build(options.clone(), environment)
    }
}

impl fmt::Debug for HttpRerankerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRerankerBuilder")
            .field("name", &self.provider.0.service().name)
            .field("model", &self.provider.0.model())
            .finish_non_exhaustive()
    }
}
